//! librdkafka's consumer, shared by the poll loop, the committer and the offset resolver. Closed when the last is dropped.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use tracing::dispatcher;

use super::context::{Context, PendingRebalance, QueuedEvent};
use super::outage::OutageNotice;
use super::{TopicPartition, Watermarks, to_list};
use crate::kafka::ffi::{self, LogEnd, RecordQueue};

const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
const PROBE_PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Core {
    /// Dropped before the consumer.
    pub(super) records: RecordQueue,
    pub(super) base: BaseConsumer<Context>,
    pub(super) group: String,
}

impl Core {
    pub(super) fn context(&self) -> &Context {
        self.base.context()
    }

    /// Queues an event from another thread, which ends the poll loop's wait.
    pub(super) fn enqueue(&self, event: QueuedEvent) {
        self.context().enqueue(event);
        self.records.wake();
    }

    /// Whether the poll loop has closed the consumer.
    pub(super) fn is_closing(&self) -> bool {
        self.context().closing.load(Ordering::Acquire)
    }

    /// Queries the first offset and the high watermark of these partitions. Leaves out those whose leader does not return them.
    pub(super) fn log_bounds(
        &self,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> KafkaResult<Watermarks> {
        let wanted: Vec<(&str, i32)> =
            partitions.iter().map(|at| (at.topic.as_str(), at.partition)).collect();
        let ends =
            |end| ffi::log_ends(self.base.client(), &wanted, end, timeout).map_err(KafkaError::MetadataFetch);
        // An empty log is asked for its end first: it can only grow in between.
        let (latest, earliest) = (ends(LogEnd::Latest)?, ends(LogEnd::Earliest)?);
        let bounds = latest.into_iter().filter_map(|(at, latest)| {
            let earliest = *earliest.get(&at)?;
            Some((TopicPartition::new(at.0, at.1), (earliest, latest.max(earliest))))
        });
        Ok(bounds.collect())
    }

    /// Reports why brokers cannot be reached. If that requires a TLS probe, it runs on a separate thread.
    pub(super) fn report(&self, line: OutageNotice) {
        if !self.context().access.can_explain(line.reason()) {
            return self.context().report(&line);
        }
        let context = Arc::clone(self.base.client().context());
        let log = dispatcher::get_default(Clone::clone);
        let probe = move || {
            let explained = context.access.explain(line.reason());
            let line = explained.map_or(line.clone(), |reason| line.because(reason));
            dispatcher::with_default(&log, || context.report(&line));
        };
        let started = thread::Builder::new().name("tls probe".to_owned()).spawn(probe);
        if let Err(error) = started {
            tracing::debug!(%error, "cannot start the thread for the TLS probe");
        }
    }

    /// Watches for the end of an outage on a separate thread, because an idle consumer would not notice it.
    pub(super) fn watch_outage(self: &Arc<Self>) {
        let core = Arc::downgrade(self);
        let started = thread::Builder::new().name("kafka probe".to_owned()).spawn(move || probe(&core));
        if let Err(error) = started {
            tracing::debug!(%error, "cannot start the thread that watches for the end of the outage");
        }
    }
}

fn probe(core: &Weak<Core>) {
    loop {
        thread::sleep(PROBE_PAUSE);
        let Some(core) = core.upgrade().filter(|core| !core.is_closing() && core.context().is_lost()) else {
            return;
        };
        if core.base.fetch_metadata(None, PROBE_TIMEOUT).is_ok() {
            core.context().answered();
            return;
        }
    }
}

impl Drop for Core {
    /// Answers the pending rebalance. Dropping `base` leaves the group, which waits until all rebalances are answered.
    fn drop(&mut self) {
        self.context().closing.store(true, Ordering::Release);
        let pending_rebalance = self.context().pending_rebalance().take();
        let answered = match pending_rebalance {
            None => return,
            Some(PendingRebalance::Assign { partitions, cooperative: true }) => {
                self.base.incremental_assign(&to_list(&partitions))
            }
            Some(PendingRebalance::Revoke { partitions, cooperative: true }) => {
                self.base.incremental_unassign(&to_list(&partitions))
            }
            Some(_) => self.base.unassign(),
        };
        if let Err(error) = answered {
            tracing::debug!(%error, "last answer to a rebalance");
        }
    }
}
