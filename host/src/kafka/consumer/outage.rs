//! Turns librdkafka's twenty errors a second into one line when brokers are lost and one when they are back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const REMIND_EVERY: Duration = Duration::from_secs(30);
/// How long a failure may be about one broker of many before it is worth a line.
const SINGLE_BROKER_GRACE: Duration = Duration::from_secs(3);

/// What to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// No broker can be reached, for this reason.
    Lost(String),
    /// Still none, after so long.
    StillLost(String, Duration),
    /// One broker cannot be reached while others can.
    OneLost(String),
}

impl Line {
    /// Why.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Lost(reason) | Self::StillLost(reason, _) | Self::OneLost(reason) => reason,
        }
    }

    /// The same, for another reason.
    pub(super) fn because(self, reason: String) -> Self {
        match self {
            Self::Lost(_) => Self::Lost(reason),
            Self::StillLost(_, outage) => Self::StillLost(reason, outage),
            Self::OneLost(_) => Self::OneLost(reason),
        }
    }
}

/// The state of the connection to the brokers. Told the time, so that tests need not wait.
#[derive(Debug, Default)]
pub(super) struct Outage {
    since: Option<Instant>,
    reminded: Option<Instant>,
    reason: Option<(String, Instant)>,
    /// What librdkafka says of a connection that ended, which need not be a failure.
    hint: Option<String>,
    single_told: Option<Instant>,
}

impl Outage {
    /// Notes that a connection failed. Returns a reminder when one is due.
    pub(super) fn failure(&mut self, reason: &str, now: Instant) -> Option<Line> {
        match &mut self.reason {
            Some((text, _)) => reason.clone_into(text),
            None => self.reason = Some((reason.to_owned(), now)),
        }
        self.reminder(now)
    }

    /// Notes why a connection ended, should nothing better be known when no broker is left.
    pub(super) fn hint(&mut self, reason: &str) {
        self.hint = Some(reason.to_owned());
    }

    /// Notes that no broker is left.
    pub(super) fn all_down(&mut self, summary: &str, now: Instant) -> Option<Line> {
        if self.since.is_some() {
            return self.reminder(now);
        }
        self.since = Some(now);
        self.reminded = Some(now);
        Some(Line::Lost(self.text(summary)))
    }

    /// Returns what silence has made due.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Line> {
        if self.since.is_some() {
            return self.reminder(now);
        }
        let (_, noted) = self.reason.as_ref()?;
        if now.duration_since(*noted) < SINGLE_BROKER_GRACE {
            return None;
        }
        let (reason, _) = self.reason.take()?;
        if self.single_told.is_some_and(|told| now.duration_since(told) < REMIND_EVERY) {
            return None;
        }
        self.single_told = Some(now);
        Some(Line::OneLost(reason))
    }

    /// Notes that a broker answered. Returns how long there was none, if there was none.
    pub(super) fn answered(&mut self, now: Instant) -> Option<Duration> {
        let since = self.since.take()?;
        (self.reason, self.hint) = (None, None);
        Some(now.duration_since(since))
    }

    /// Returns whether brokers are lost.
    pub(super) fn is_lost(&self) -> bool {
        self.since.is_some()
    }

    fn reminder(&mut self, now: Instant) -> Option<Line> {
        let (since, reminded) = (self.since?, self.reminded?);
        if now.duration_since(reminded) < REMIND_EVERY {
            return None;
        }
        self.reminded = Some(now);
        Some(Line::StillLost(self.text("no broker answers"), now.duration_since(since)))
    }

    fn text(&self, otherwise: &str) -> String {
        let known = self.reason.as_ref().map(|(text, _)| text).or(self.hint.as_ref());
        known.map_or(otherwise, String::as_str).to_owned()
    }
}

/// Lets the first of equal messages through, and then one every 30 seconds.
#[derive(Debug, Default)]
pub(super) struct Repeats(BTreeMap<String, (Instant, u64)>);

impl Repeats {
    /// Returns how many equal ones were withheld when this one may be said, and none when it may not.
    pub(super) fn admit(&mut self, kind: &str, now: Instant) -> Option<u64> {
        let Some((told, withheld)) = self.0.get_mut(kind) else {
            self.0.insert(kind.to_owned(), (now, 0));
            return Some(0);
        };
        if now.duration_since(*told) < REMIND_EVERY {
            *withheld += 1;
            return None;
        }
        *told = now;
        Some(std::mem::take(withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_one_line_a_reminder_every_half_minute_and_an_end() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let mut lines = Vec::new();
        for tenth in 0..650 {
            let now = start + Duration::from_millis(tenth * 100);
            lines.extend(outage.failure("connection refused", now));
            lines.extend(outage.all_down("1/1 brokers are down", now));
            lines.extend(outage.tick(now));
        }
        let reason = || "connection refused".to_owned();
        let reminder = |seconds| Line::StillLost(reason(), Duration::from_secs(seconds));
        assert_eq!(lines, [Line::Lost(reason()), reminder(30), reminder(60)]);
        assert_eq!(outage.answered(start + Duration::from_secs(65)), Some(Duration::from_secs(65)));
        assert_eq!(outage.answered(start + Duration::from_secs(66)), None);
        assert_eq!(outage.tick(start + Duration::from_secs(200)), None);
    }

    #[test]
    fn one_broker_of_many_is_mentioned_only_when_it_stays_away_from_the_others() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        assert_eq!(outage.failure("b2: refused", start), None);
        assert_eq!(outage.tick(start + Duration::from_secs(1)), None);
        let line = outage.tick(start + Duration::from_secs(4));
        assert_eq!(line, Some(Line::OneLost("b2: refused".to_owned())));
        assert_eq!(outage.failure("b2: refused", start + Duration::from_secs(5)), None);
        assert_eq!(outage.tick(start + Duration::from_secs(9)), None);
        assert!(!outage.is_lost());
    }

    #[test]
    fn repeats_are_counted_and_told_again_after_a_while() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        assert_eq!(repeats.admit("a", start), Some(0));
        assert_eq!(repeats.admit("a", start), None);
        assert_eq!(repeats.admit("b", start), Some(0));
        assert_eq!(repeats.admit("a", start + REMIND_EVERY), Some(1));
    }
}
