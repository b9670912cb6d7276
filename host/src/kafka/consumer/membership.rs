//! Whether the consumer is a member of its group. With the new group protocol, librdkafka reports neither a member that has no
//! partition nor a group that does not take it.

use std::cell::Cell;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;

use super::context::QueuedEvent;
use super::core::Core;
use super::{Consumer, ConsumerEvent, Protocol};
use crate::kafka::ffi;

/// How often librdkafka is asked.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a member may wait for the group before the brokers are asked what the group is.
const CHECK_AFTER: Duration = Duration::from_secs(5);
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// What is known about the membership.
#[derive(Default)]
pub(super) struct Membership {
    /// Whether the consumer has joined, or has reported that it cannot.
    is_known: Cell<bool>,
    /// When the consumer subscribed; `None` before.
    since: Cell<Option<Instant>>,
    asked: Cell<Option<Instant>>,
    /// Whether the brokers were asked what the group is.
    is_checked: Cell<bool>,
}

impl Membership {
    /// The consumer subscribes, or assigned partitions show that it has joined.
    pub(super) fn set(&self, has_joined: bool) {
        self.is_known.set(has_joined);
        self.since.set(Some(Instant::now()));
        self.is_checked.set(false);
    }
}

impl Consumer {
    /// Reports once that the group has taken this member, with an empty assignment; assigned partitions follow. Asks the
    /// brokers what the group is if it does not take the member for long.
    pub(super) fn membership_event(&self) -> Option<ConsumerEvent> {
        let membership = &self.membership;
        let since = membership.since.get().filter(|_| !membership.is_known.get())?;
        if self.protocol != Protocol::Consumer
            || membership.asked.get().is_some_and(|asked| asked.elapsed() < INTERVAL)
        {
            return None;
        }
        membership.asked.set(Some(Instant::now()));
        if ffi::member_epoch(self.core.base.client()).is_some_and(|epoch| epoch > 0) {
            membership.is_known.set(true);
            return Some(ConsumerEvent::Assigned(Vec::new()));
        }
        if since.elapsed() >= CHECK_AFTER && !membership.is_checked.replace(true) {
            check_group(&self.core);
        }
        None
    }
}

/// Queues an error if the members of the group are no consumers: brokers reject a consumer then, and librdkafka retries.
fn check_group(core: &Arc<Core>) {
    let core = Arc::downgrade(core);
    let check = move || {
        let Some(core) = core.upgrade() else { return };
        let groups = match core.base.fetch_group_list(Some(&core.group), QUERY_TIMEOUT) {
            Ok(groups) => groups,
            Err(error) => return tracing::debug!(%error, "the group cannot be described"),
        };
        let kind = groups
            .groups()
            .iter()
            .find(|group| group.name() == core.group)
            .map(|group| group.protocol_type());
        let Some(kind) = kind.filter(|kind| !matches!(*kind, "" | "consumer")) else { return };
        let reason = format!("the members of consumer group {} have the protocol type {kind:?}", core.group);
        if let Some(error) = core.fatal_error(RDKafkaErrorCode::InconsistentGroupProtocol, &reason, &[]) {
            core.enqueue(QueuedEvent::Fatal(error.into()));
        }
    };
    if let Err(error) = thread::Builder::new().name("group check".to_owned()).spawn(check) {
        tracing::debug!(%error, "cannot start the thread that describes the group");
    }
}
