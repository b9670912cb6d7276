//! Reduces librdkafka's many connection errors to one log line when an outage begins and one when it ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const REMINDER_INTERVAL: Duration = Duration::from_secs(30);
/// How long a single broker may be unreachable before it is logged.
const SINGLE_BROKER_GRACE: Duration = Duration::from_secs(3);

/// A notice to be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OutageNotice {
    /// No broker is reachable, for this reason.
    Lost(String),
    /// Still no broker is reachable, after this time.
    StillLost(String, Duration),
    /// One broker is not reachable while others are.
    OneLost(String),
}

impl OutageNotice {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Lost(reason) | Self::StillLost(reason, _) | Self::OneLost(reason) => reason,
        }
    }

    /// Replaces the reason.
    pub(super) fn because(self, reason: String) -> Self {
        match self {
            Self::Lost(_) => Self::Lost(reason),
            Self::StillLost(_, outage) => Self::StillLost(reason, outage),
            Self::OneLost(_) => Self::OneLost(reason),
        }
    }
}

/// The state of the connection to the brokers. Callers pass the time, so that tests need no delays.
#[derive(Debug, Default)]
pub(super) struct Outage {
    since: Option<Instant>,
    reminded: Option<Instant>,
    reason: Option<Reason>,
    /// librdkafka's log message about a closed connection, which is not necessarily an error.
    hint: Option<String>,
    single_reported: Option<Instant>,
}

/// Why a connection failed.
#[derive(Debug)]
struct Reason {
    text: String,
    /// Whether the address is one that brokers advertise.
    is_advertised: bool,
    /// Since when connections fail.
    since: Instant,
}

impl Outage {
    /// Records a failed connection to a bootstrap server or to an advertised address. Returns a reminder when one is due.
    pub(super) fn failure(
        &mut self,
        reason: &str,
        is_advertised: bool,
        now: Instant,
    ) -> Option<OutageNotice> {
        let since = self.reason.as_ref().map_or(now, |reason| reason.since);
        // Without the advertised addresses, librdkafka connects to the bootstrap servers again and again, and disconnects.
        if is_advertised || self.reason.as_ref().is_none_or(|reason| !reason.is_advertised) {
            self.reason = Some(Reason { text: reason.to_owned(), is_advertised, since });
        }
        self.reminder(now)
    }

    /// Records why a connection closed, used if no error is known when the last broker becomes unreachable.
    pub(super) fn hint(&mut self, reason: &str) {
        self.hint = Some(reason.to_owned());
    }

    /// Records that no broker is reachable.
    pub(super) fn all_down(&mut self, summary: &str, now: Instant) -> Option<OutageNotice> {
        if self.since.is_some() {
            return self.reminder(now);
        }
        self.since = Some(now);
        self.reminded = Some(now);
        Some(OutageNotice::Lost(self.text(summary)))
    }

    /// Returns a notice that is due.
    pub(super) fn tick(&mut self, now: Instant) -> Option<OutageNotice> {
        if self.since.is_some() {
            return self.reminder(now);
        }
        let since = self.reason.as_ref()?.since;
        if now.duration_since(since) < SINGLE_BROKER_GRACE {
            return None;
        }
        let reason = self.reason.take()?.text;
        if self.single_reported.is_some_and(|reported| now.duration_since(reported) < REMINDER_INTERVAL) {
            return None;
        }
        self.single_reported = Some(now);
        Some(OutageNotice::OneLost(reason))
    }

    /// Records that a broker responded. Returns the length of the outage, if there was one.
    pub(super) fn answered(&mut self, now: Instant) -> Option<Duration> {
        let since = self.since.take()?;
        (self.reason, self.hint) = (None, None);
        Some(now.duration_since(since))
    }

    /// Whether no broker is reachable.
    pub(super) fn is_lost(&self) -> bool {
        self.since.is_some()
    }

    fn reminder(&mut self, now: Instant) -> Option<OutageNotice> {
        let (since, reminded) = (self.since?, self.reminded?);
        if now.duration_since(reminded) < REMINDER_INTERVAL {
            return None;
        }
        self.reminded = Some(now);
        Some(OutageNotice::StillLost(self.text("no broker answers"), now.duration_since(since)))
    }

    fn text(&self, otherwise: &str) -> String {
        let known = self.reason.as_ref().map(|reason| &reason.text).or(self.hint.as_ref());
        known.map_or(otherwise, String::as_str).to_owned()
    }
}

/// Passes the first of several equal messages, and then one every 30 seconds.
#[derive(Debug, Default)]
pub(super) struct RepeatFilter(BTreeMap<String, (Instant, u64)>);

impl RepeatFilter {
    /// Returns the number of suppressed repetitions if this message may be logged, and `None` if it is suppressed.
    pub(super) fn admit(&mut self, kind: &str, now: Instant) -> Option<u64> {
        let Some((reported, withheld)) = self.0.get_mut(kind) else {
            self.0.insert(kind.to_owned(), (now, 0));
            return Some(0);
        };
        if now.duration_since(*reported) < REMINDER_INTERVAL {
            *withheld += 1;
            return None;
        }
        *reported = now;
        Some(std::mem::take(withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_logged_once_with_reminders() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let mut lines = Vec::new();
        for tenth in 0..650 {
            let now = start + Duration::from_millis(tenth * 100);
            lines.extend(outage.failure("connection refused", false, now));
            lines.extend(outage.all_down("1/1 brokers are down", now));
            lines.extend(outage.tick(now));
        }
        let reason = || "connection refused".to_owned();
        let reminder = |seconds| OutageNotice::StillLost(reason(), Duration::from_secs(seconds));
        assert_eq!(lines, [OutageNotice::Lost(reason()), reminder(30), reminder(60)]);
        assert_eq!(outage.answered(start + Duration::from_secs(65)), Some(Duration::from_secs(65)));
        assert_eq!(outage.answered(start + Duration::from_secs(66)), None);
        assert_eq!(outage.tick(start + Duration::from_secs(200)), None);
    }

    #[test]
    fn the_advertised_address_stays_the_reason_while_bootstrap_servers_are_connected_to() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        outage.failure("b2:9092/2: refused", true, start);
        let lost = OutageNotice::Lost("b2:9092/2: refused".to_owned());
        assert_eq!(outage.all_down("1/1 brokers are down", start), Some(lost));
        assert_eq!(outage.failure("b1:9092/bootstrap: disconnected", false, start), None);
        let (later, reminder) = (start + REMINDER_INTERVAL, "b2:9092/2: refused".to_owned());
        assert_eq!(outage.tick(later), Some(OutageNotice::StillLost(reminder, REMINDER_INTERVAL)));
    }

    #[test]
    fn a_single_unreachable_broker_is_logged_after_the_grace_period() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        assert_eq!(outage.failure("b2: refused", true, start), None);
        assert_eq!(outage.tick(start + Duration::from_secs(1)), None);
        let line = outage.tick(start + Duration::from_secs(4));
        assert_eq!(line, Some(OutageNotice::OneLost("b2: refused".to_owned())));
        assert_eq!(outage.failure("b2: refused", true, start + Duration::from_secs(5)), None);
        assert_eq!(outage.tick(start + Duration::from_secs(9)), None);
        assert!(!outage.is_lost());
    }

    #[test]
    fn repeats_are_counted_and_logged_after_the_interval() {
        let (mut repeat_filter, start) = (RepeatFilter::default(), Instant::now());
        assert_eq!(repeat_filter.admit("a", start), Some(0));
        assert_eq!(repeat_filter.admit("a", start), None);
        assert_eq!(repeat_filter.admit("b", start), Some(0));
        assert_eq!(repeat_filter.admit("a", start + REMINDER_INTERVAL), Some(1));
    }
}
