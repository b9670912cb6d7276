//! The reasons why a consumer cannot read. Several may exist at the same time.

use std::collections::BTreeMap;

/// Why a consumer is stalled, the most important reason first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StallCause {
    /// There is no OAuth token.
    Token,
    /// No broker can be reached.
    Brokers,
    /// The group has no coordinator.
    Coordinator,
    /// Committed offsets are in an open transaction.
    Offsets,
    /// No topic matches the pattern.
    Pattern,
    /// A topic does not exist.
    Topic(String),
}

/// The current reasons.
#[derive(Debug, Default)]
pub(super) struct Stalls(BTreeMap<StallCause, String>);

impl Stalls {
    /// Adds a reason or changes its text. Returns the most important reason if it changed.
    pub(super) fn begin(&mut self, cause: StallCause, reason: String) -> Option<String> {
        let before = self.first();
        self.0.insert(cause, reason);
        self.first().filter(|first| before.as_ref() != Some(first))
    }

    /// Removes a reason. Returns `None` if the most important reason did not change, `Some(None)` if no reason is left.
    pub(super) fn end(&mut self, cause: &StallCause) -> Option<Option<String>> {
        let before = self.first();
        self.0.remove(cause)?;
        let now = self.first();
        (now != before).then_some(now)
    }

    fn first(&self) -> Option<String> {
        self.0.first_key_value().map(|(_, reason)| reason.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_important_reason_is_reported() {
        let (mut stalls, text) = (Stalls::default(), str::to_owned);
        assert_eq!(stalls.begin(StallCause::Topic("t".to_owned()), text("no t")), Some(text("no t")));
        assert_eq!(stalls.begin(StallCause::Brokers, text("refused")), Some(text("refused")));
        assert_eq!(stalls.begin(StallCause::Brokers, text("refused")), None);
        assert_eq!(stalls.begin(StallCause::Topic("u".to_owned()), text("no u")), None);
        assert_eq!(stalls.end(&StallCause::Topic("t".to_owned())), None);
        assert_eq!(stalls.end(&StallCause::Brokers), Some(Some(text("no u"))));
        assert_eq!(stalls.end(&StallCause::Brokers), None);
        assert_eq!(stalls.end(&StallCause::Topic("u".to_owned())), Some(None));
    }
}
