//! Lag: how many records the logs hold behind what is settled.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::Poll;
use crate::{
    kafka::consumer::{LookUp, Positions, TopicPartition, Watermarks},
    pipeline::channels::Inbox,
};

/// How often the lag is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often brokers are asked for the ends of logs whose flow is stopped: nothing else tells of them.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// The ends of the logs, as far as they are known.
pub(super) struct Ends {
    look_up: LookUp,
    known: Watermarks,
    looked: Option<Instant>,
    asked: Option<Instant>,
}

impl Ends {
    pub(super) fn new(look_up: LookUp) -> Self {
        Self { look_up, known: Watermarks::new(), looked: None, asked: None }
    }

    /// Notes what is known of logs.
    pub(super) fn learn(&mut self, ends: Watermarks) {
        self.known.extend(ends);
    }
}

impl Poll<'_> {
    /// Looks at the lag, now and then.
    pub(super) fn measure_lag(&mut self) {
        let is_due = |last: Option<Instant>, every| last.is_none_or(|last| last.elapsed() >= every);
        if !is_due(self.ends.looked, LOOK_EVERY) {
            return;
        }
        self.ends.looked = Some(Instant::now());
        let stopped = self.consumer.is_paused() || self.set_backs.held() > 0;
        if !stopped {
            self.ends.asked = None;
            let ends = self.consumer.ends();
            self.ends.learn(ends);
        } else if is_due(self.ends.asked, ASK_EVERY) {
            self.ends.asked = Some(Instant::now());
            self.ask_for_ends(self.consumer.assigned());
        }
        // What is settled may lie before control records, which only the position is past.
        let read = if self.is_drained() { self.consumer.positions() } else { Positions::new() };
        self.counts.lag = self.assignment.lag(&self.ends.known, &read);
    }

    /// Asks the brokers, on a thread that lives as long as the answer takes.
    fn ask_for_ends(&self, partitions: Vec<TopicPartition>) {
        let (look_up, poll) = (self.ends.look_up.clone(), self.to_self.clone());
        let ask = move || {
            let ends = look_up.ends(&partitions, Instant::now() + ASK_EVERY);
            let _ended = poll.send(Inbox::Ends(ends)).is_err();
        };
        if let Err(error) = thread::Builder::new().name("lag".to_owned()).spawn(ask) {
            tracing::debug!(%error, "no thread to ask for the ends of the logs");
        }
    }
}
