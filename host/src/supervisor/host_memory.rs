//! Divides `[limits] memory` of the host's file among its connectors.
//!
//! A connector with a process of its own gets its own `limits.memory`, which the process cannot exceed. The others share what
//! is left: a part is for the client queues, whose sizes are fixed when they are created, and the rest is a pool for batches.

use std::sync::Arc;

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

/// The tasks that share the limit, and what the processes of other connectors have of it.
#[derive(Debug, Default)]
struct Demand {
    /// The client queue of each task, in bytes, by the limits of its own connector.
    queues: Vec<usize>,
    /// Bytes of all child processes.
    processes: usize,
}

/// How the limit is divided.
#[derive(Debug, PartialEq, Eq)]
struct Division {
    /// The largest client queue of a task, in bytes.
    queue: usize,
    /// Bytes for the batches of all tasks.
    batches: usize,
}

/// Limits the client queues of the connectors, and returns the pool for the batches of all tasks that run in threads of this
/// process. Without `limit`, 512 MiB are divided, or what the connectors need if that is more.
///
/// # Errors
/// When the limit is too small for the connectors.
pub fn divide_memory(
    limit: Option<&MemoryLimit>,
    connectors: &mut [Connector],
) -> Result<Arc<MemoryPool>, Box<Diagnostic>> {
    let demand = Demand::of(connectors);
    let tasks = demand.queues.len();
    if let Some(limit) = limit.filter(|limit| limit.bytes < demand.least()) {
        let message = format!(
            "is too small: the connectors need {} for each of {tasks} tasks, and {} for child processes",
            size(LEAST_TASK),
            size(demand.processes)
        );
        let help = format!("raise it to {} or more", size(demand.least()));
        return Err(Box::new(limit.error(message, help)));
    }
    let division = demand.divide(limit.map_or_else(|| demand.default_limit(), |limit| limit.bytes));
    for connector in connectors.iter_mut().filter(|connector| is_thread(connector)) {
        connector.limit_queue(division.queue);
    }
    Ok(MemoryPool::new(division.batches, tasks))
}

impl Demand {
    fn of(connectors: &[Connector]) -> Self {
        let mut demand = Self::default();
        for connector in connectors {
            let tasks = connector.definition.tasks.max(1);
            if is_thread(connector) {
                demand.queues.extend(std::iter::repeat_n(connector.queue_bytes(), tasks));
            } else {
                demand.processes += connector.definition.limits.memory;
            }
        }
        demand
    }

    fn least(&self) -> usize {
        self.processes + self.queues.len() * LEAST_TASK
    }

    fn default_limit(&self) -> usize {
        DEFAULT_LIMIT.max(self.processes + self.queues.len() * DEFAULT_TASK)
    }

    fn divide(&self, limit: usize) -> Division {
        let tasks = limit.saturating_sub(self.processes);
        let queue = (tasks / self.queues.len().max(1) / QUEUE_DIVISOR).max(LEAST_QUEUE);
        let queues: usize = self.queues.iter().map(|own| (*own).clamp(LEAST_QUEUE, queue)).sum();
        Division { queue, batches: tasks.saturating_sub(queues * QUEUES_IN_MEMORY) }
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

    #[test]
    fn the_default_leaves_a_few_connectors_their_own_limits() {
        let demand = Demand { queues: vec![32 * MIB; 2], processes: 0 };
        let division = demand.divide(demand.default_limit());
        assert_eq!(division, Division { queue: 32 * MIB, batches: 384 * MIB });
    }

    #[test]
    fn a_hundred_connectors_get_small_queues_and_share_the_rest() {
        let demand = Demand { queues: vec![32 * MIB; 100], processes: 64 * MIB };
        assert_eq!(demand.default_limit(), 864 * MIB);
        let division = demand.divide(demand.default_limit());
        assert_eq!(division, Division { queue: MIB, batches: 600 * MIB });
    }

    proptest! {
        #[test]
        fn queues_batches_and_processes_stay_within_the_limit(
            queues in prop::collection::vec(0..64_usize, 0..50),
            processes in 0..2_000_usize,
            more in 0..4_000_usize,
        ) {
            let queues: Vec<usize> = queues.into_iter().map(|queue| queue * MIB).collect();
            let demand = Demand { queues, processes: processes * MIB };
            let limit = demand.least() + more * MIB;
            let Division { queue, batches } = demand.divide(limit);
            let queues: usize = demand.queues.iter().map(|own| (*own).clamp(LEAST_QUEUE, queue)).sum();
            prop_assert!(demand.processes + queues * QUEUES_IN_MEMORY + batches <= limit);
            prop_assert!(queue >= LEAST_QUEUE && batches >= demand.queues.len() * 2 * LEAST_QUEUE);
        }
    }
}
