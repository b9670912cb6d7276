//! librdkafka's consumer, shared by the poll loop, the committer and the offset resolver. Closed when the last is dropped.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::MetadataBroker;
use tracing::dispatcher;

use super::context::{Context, PendingRebalance, QueuedEvent};
use super::outage::OutageNotice;
use super::reachability::{advertised_address, is_any_reachable, servers};
use super::{TopicPartition, Watermarks, to_list};
use crate::kafka::access::without_state;
use crate::kafka::ffi::{self, LogEnd, RecordQueue, UnpackingLimit};

const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
const PROBE_PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Core {
    /// Dropped before the consumer.
    pub(super) records: RecordQueue,
    /// Dropped before the consumer, too.
    pub(super) _unpacking: UnpackingLimit,
    pub(super) base: BaseConsumer<Context>,
    pub(super) group: String,
    /// Whether the user has asked for librdkafka's debug log.
    pub(super) is_debugging: bool,
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

    /// Reports why brokers cannot be reached. If that requires a connection to find out, it runs on a separate thread.
    pub(super) fn report(&self, line: OutageNotice) {
        let context = Arc::clone(self.base.client().context());
        let is_outage = !matches!(line, OutageNotice::OneLost(_));
        let advertised = advertised_address(line.reason(), &context.brokers).filter(|_| is_outage);
        if advertised.is_none() && !context.access.can_explain(line.reason()) {
            return context.report(&line, &context.brokers);
        }
        let log = dispatcher::get_default(Clone::clone);
        let probe = move || dispatcher::with_default(&log, || explain(&context, line));
        let started = thread::Builder::new().name("broker probe".to_owned()).spawn(probe);
        if let Err(error) = started {
            tracing::debug!(%error, "cannot start the thread for the probe of the brokers");
        }
    }

    /// Whether the log of librdkafka contains what brokers answer while the consumer waits for its group.
    pub(super) fn listen(&self, is_waiting: bool) {
        ffi::log_group(self.base.client(), is_waiting || self.is_debugging);
        if !is_waiting {
            self.context().forget_answers();
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

/// Reports a notice with the cause, which takes a connection to find out.
fn explain(context: &Context, line: OutageNotice) {
    let reason = line.reason().to_owned();
    let Some(address) = advertised_address(&reason, &context.brokers) else {
        let explained = context.access.explain(&reason);
        let line = explained.map_or(line.clone(), |reason| line.because(reason));
        return context.report(&line, &context.brokers);
    };
    let brokers = &context.brokers;
    let why = context.access.explain(&reason).unwrap_or_else(|| without_state(&reason).to_owned());
    if is_any_reachable(servers(brokers)) {
        let why = format!(
            "{why}; {brokers} answers, and advertises this address: check advertised.listeners of the brokers"
        );
        context.report(&line.because(why), address);
    } else {
        context.report(&line.because(why), brokers);
    }
}

fn probe(core: &Weak<Core>) {
    loop {
        thread::sleep(PROBE_PAUSE);
        let Some(core) = core.upgrade().filter(|core| !core.is_closing() && core.context().is_lost()) else {
            return;
        };
        let Ok(metadata) = core.base.fetch_metadata(None, PROBE_TIMEOUT) else { continue };
        // The answer may come from a bootstrap server, while the addresses that the brokers advertise cannot be reached.
        let address = |broker: &MetadataBroker| format!("{}:{}", broker.host(), broker.port());
        let advertised: Vec<String> = metadata.brokers().iter().map(address).collect();
        if is_any_reachable(advertised.iter().map(String::as_str)) {
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
