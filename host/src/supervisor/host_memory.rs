//! Divides `[limits] memory` of the host's file among its connectors.
//!
//! A connector with a process of its own gets its own `limits.memory`, which the process cannot exceed. The others share what
//! is left: a part is for the client queues, whose sizes are fixed when they are created, and the rest is a pool for batches.

use std::{collections::BTreeMap, sync::Arc};

use tidegate_plugin::ByteSize;

use super::connector::Connector;
use crate::{
    config::{Diagnostic, Isolation, MemoryLimit},
    pipeline::MemoryPool,
};

/// The limit if the host's file sets none, unless the connectors need more.
const DEFAULT_LIMIT: usize = 512 << 20;
/// What each task gets of the default limit at least.
const DEFAULT_TASK: usize = 8 << 20;
/// What each task needs: two queues of the smallest size, and as much again for batches.
const LEAST_TASK: usize = 4 * LEAST_QUEUE;
/// librdkafka's queue is not made smaller than this.
const LEAST_QUEUE: usize = 1 << 20;
/// The client queues get this part of what the tasks have.
const QUEUE_DIVISOR: usize = 8;
/// A response to a fetch, as large as the queue, may arrive while the queue is nearly full.
const QUEUES_IN_MEMORY: usize = 2;

/// The memory of the host's connectors.
#[derive(Debug)]
pub struct HostMemory {
    /// `[limits] memory` of the host's file.
    limit: Option<MemoryLimit>,
    /// What each connector has been given, by its name.
    given: BTreeMap<String, Given>,
    pool: Arc<MemoryPool>,
}

/// What a connector has been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    /// Client queues of this many bytes, one for each task.
    Queues { tasks: usize, queue: usize },
    /// So many bytes for its process.
    Process(usize),
}

/// The tasks that share the limit, and what the processes of other connectors have of it.
#[derive(Debug, Default)]
struct Demand {
    tasks: usize,
    /// Bytes of all child processes.
    processes: usize,
}

impl HostMemory {
    /// Memory without connectors. Without `limit`, 512 MiB are divided, or what the connectors need if that is more.
    #[must_use]
    pub fn new(limit: Option<MemoryLimit>) -> Self {
        Self { limit, given: BTreeMap::new(), pool: MemoryPool::new(DEFAULT_LIMIT, 1) }
    }

    /// The pool for the batches of all tasks that run in threads of this process.
    #[must_use]
    pub fn pool(&self) -> &Arc<MemoryPool> {
        &self.pool
    }

    /// Gives memory to connectors that are added or replaced. Limits their client queues, whose sizes are fixed when they are
    /// created; connectors that already run keep theirs.
    ///
    /// # Errors
    /// When the limit is too small for all connectors. Then nothing is changed.
    pub fn admit(&mut self, connectors: &mut [Connector]) -> Result<(), Box<Diagnostic>> {
        let mut given = self.given.clone();
        for connector in &*connectors {
            given.insert(connector.name().to_owned(), Given::to(connector, usize::MAX));
        }
        let demand = Demand::of(&given);
        if let Some(limit) = self.limit.as_ref().filter(|limit| limit.bytes < demand.least()) {
            return Err(Box::new(demand.error(limit)));
        }
        let queue = demand.queue(self.bytes(&demand));
        for connector in connectors {
            let part = Given::to(connector, queue);
            if let Given::Queues { queue, .. } = part {
                connector.limit_queue(queue);
            }
            given.insert(connector.name().to_owned(), part);
        }
        self.given = given;
        self.resize_pool();
        Ok(())
    }

    /// Takes back the memory of a connector that has been removed.
    pub fn remove(&mut self, connector: &str) {
        self.given.remove(connector);
        self.resize_pool();
    }

    fn bytes(&self, demand: &Demand) -> usize {
        self.limit.as_ref().map_or_else(|| demand.default_limit(), |limit| limit.bytes)
    }

    fn resize_pool(&self) {
        let demand = Demand::of(&self.given);
        let queues = self.given.values().map(|given| given.queue_bytes()).sum::<usize>();
        let batches = self.bytes(&demand).saturating_sub(demand.processes + queues * QUEUES_IN_MEMORY);
        self.pool.resize(batches, demand.tasks);
    }
}

impl Given {
    /// What a connector gets, with client queues of at most `queue` bytes.
    fn to(connector: &Connector, queue: usize) -> Self {
        if is_thread(connector) {
            let queue = connector.queue_bytes().clamp(LEAST_QUEUE, queue.max(LEAST_QUEUE));
            Self::Queues { tasks: connector.definition.tasks.max(1), queue }
        } else {
            Self::Process(connector.definition.limits.memory)
        }
    }

    fn queue_bytes(&self) -> usize {
        match self {
            Self::Queues { tasks, queue } => tasks * queue,
            Self::Process(_) => 0,
        }
    }
}

impl Demand {
    fn of(given: &BTreeMap<String, Given>) -> Self {
        let mut demand = Self::default();
        for given in given.values() {
            match given {
                Given::Queues { tasks, .. } => demand.tasks += tasks,
                Given::Process(bytes) => demand.processes += bytes,
            }
        }
        demand
    }

    fn least(&self) -> usize {
        self.processes + self.tasks * LEAST_TASK
    }

    fn default_limit(&self) -> usize {
        DEFAULT_LIMIT.max(self.processes + self.tasks * DEFAULT_TASK)
    }

    /// The largest client queue of a task, in bytes, if `limit` bytes are divided.
    fn queue(&self, limit: usize) -> usize {
        let tasks = limit.saturating_sub(self.processes);
        (tasks / self.tasks.max(1) / QUEUE_DIVISOR).max(LEAST_QUEUE)
    }

    fn error(&self, limit: &MemoryLimit) -> Diagnostic {
        let message = format!(
            "is too small: the connectors need {} for each of {} tasks, and {} for child processes",
            size(LEAST_TASK),
            self.tasks,
            size(self.processes)
        );
        limit.error(message, format!("raise it to {} or more", size(self.least())))
    }
}

fn is_thread(connector: &Connector) -> bool {
    connector.definition.isolation == Isolation::Thread
}

fn size(bytes: usize) -> ByteSize {
    ByteSize::from_bytes(bytes as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1 << 20;

    fn given(queues: usize, queue: usize, processes: usize) -> BTreeMap<String, Given> {
        let queues = (0..queues).map(|number| (format!("t{number}"), Given::Queues { tasks: 1, queue }));
        queues.chain([("p".to_owned(), Given::Process(processes))]).collect()
    }

    #[test]
    fn the_default_leaves_a_few_connectors_their_own_limits() {
        let demand = Demand::of(&given(2, 32 * MIB, 0));
        assert_eq!(demand.queue(demand.default_limit()), 32 * MIB);
    }

    #[test]
    fn a_hundred_connectors_get_small_queues() {
        let demand = Demand::of(&given(100, MIB, 64 * MIB));
        assert_eq!(demand.default_limit(), 864 * MIB);
        assert_eq!(demand.queue(demand.default_limit()), MIB);
    }

    proptest! {
        #[test]
        fn queues_and_processes_leave_at_least_half_of_the_limit_to_batches(
            tasks in 0..50_usize,
            processes in 0..2_000_usize,
            more in 0..4_000_usize,
        ) {
            let demand = Demand { tasks, processes: processes * MIB };
            let limit = demand.least() + more * MIB;
            let queues = tasks * demand.queue(limit) * QUEUES_IN_MEMORY;
            prop_assert!(demand.processes + 2 * queues <= limit);
        }
    }
}
