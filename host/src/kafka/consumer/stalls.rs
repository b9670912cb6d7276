//! Why nothing can be read, when there may be several reasons at once.

use std::collections::BTreeMap;

/// What holds a consumer up, the most important first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// There is no OAuth token.
    Token,
    /// No broker can be reached.
    Brokers,
    /// No topic matches the pattern.
    Pattern,
    /// A topic does not exist.
    Topic(String),
}

/// The reasons that hold.
#[derive(Debug, Default)]
pub(super) struct Stalls(BTreeMap<Cause, String>);

impl Stalls {
    /// A reason has come up, or has other words. Returns the one to be told, if it is another than before.
    pub(super) fn begin(&mut self, cause: Cause, reason: String) -> Option<String> {
        let before = self.first();
        self.0.insert(cause, reason);
        self.first().filter(|first| before.as_ref() != Some(first))
    }

    /// A reason is gone. Returns nothing if that changes nothing, else what is to be told now: another reason, or that all
    /// is well.
    pub(super) fn end(&mut self, cause: &Cause) -> Option<Option<String>> {
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
    fn the_most_important_reason_is_told_and_recovery_when_none_is_left() {
        let (mut stalls, text) = (Stalls::default(), str::to_owned);
        assert_eq!(stalls.begin(Cause::Topic("t".to_owned()), text("no t")), Some(text("no t")));
        assert_eq!(stalls.begin(Cause::Brokers, text("refused")), Some(text("refused")));
        assert_eq!(stalls.begin(Cause::Brokers, text("refused")), None);
        assert_eq!(stalls.begin(Cause::Topic("u".to_owned()), text("no u")), None);
        assert_eq!(stalls.end(&Cause::Topic("t".to_owned())), None);
        assert_eq!(stalls.end(&Cause::Brokers), Some(Some(text("no u"))));
        assert_eq!(stalls.end(&Cause::Brokers), None);
        assert_eq!(stalls.end(&Cause::Topic("u".to_owned())), Some(None));
    }
}
