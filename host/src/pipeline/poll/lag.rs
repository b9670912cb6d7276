//! Consumer lag: the number of records behind the committable offsets.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::PollLoop;
use crate::{
    kafka::consumer::{OffsetResolver, TopicPartition},
    pipeline::channels::PollMessage,
};

/// How often the lag is measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);
/// How often the brokers are asked for the ends of partitions that are not read. No fetch response carries those.
const QUERY_INTERVAL: Duration = Duration::from_secs(5);

/// When the lag was last measured, and the brokers were last queried.
pub(super) struct LagTimer {
    measured: Option<Instant>,
    queried: Option<Instant>,
    offset_resolver: OffsetResolver,
}

impl LagTimer {
    pub(super) fn new(offset_resolver: OffsetResolver) -> Self {
        Self { measured: None, queried: None, offset_resolver }
    }
}

impl PollLoop<'_> {
    /// Measures the lag, if that is due.
    pub(super) fn measure_lag(&mut self) {
        let is_due = |last: Option<Instant>, every| last.is_none_or(|last| last.elapsed() >= every);
        if !is_due(self.lag.measured, MEASURE_INTERVAL) {
            return;
        }
        self.lag.measured = Some(Instant::now());
        if !self.flow.has_unread_partitions(Instant::now()) {
            self.lag.queried = None;
            self.flow.learn_ends(self.consumer.ends());
        } else if is_due(self.lag.queried, QUERY_INTERVAL) {
            self.lag.queried = Some(Instant::now());
            self.query_ends(self.consumer.assigned());
        }
        self.flow.measure_lag(|| self.consumer.positions());
        self.measure_partition_lags();
    }

    /// Queries the brokers on a separate thread, so that the poll loop does not wait for them.
    fn query_ends(&self, partitions: Vec<TopicPartition>) {
        let (offset_resolver, poll) = (self.lag.offset_resolver.clone(), self.to_self.clone());
        let ask = move || {
            let ends = offset_resolver.ends(&partitions, Instant::now() + QUERY_INTERVAL);
            let _ended = poll.send(PollMessage::Ends(ends)).is_err();
        };
        if let Err(error) = thread::Builder::new().name("lag".to_owned()).spawn(ask) {
            tracing::debug!(%error, "cannot start the thread that queries the ends of the logs");
        }
    }
}
