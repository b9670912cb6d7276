//! What brokers answer while a consumer waits for its group.
//!
//! librdkafka retries these answers without an event or an error, so only its debug log has them. It is listened to while the
//! consumer joins its group, and until assigned partitions are read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::TopicPartition;

/// How long an answer is repeated before it is reported: a new cluster takes a moment to create its topic of offsets, and most
/// transactions end at once.
const GRACE: Duration = Duration::from_secs(5);

/// An answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BrokerAnswer {
    /// The group has no coordinator, with this error.
    NoCoordinator(String),
    /// The group has a coordinator.
    Coordinator,
    /// The committed offset of a partition is in an open transaction.
    UnstableOffset(TopicPartition),
    /// The committed offset of a partition is known.
    StableOffset(TopicPartition),
}

impl BrokerAnswer {
    /// Reads a line of librdkafka's debug log.
    pub(super) fn parse(facility: &str, message: &str) -> Option<Self> {
        match facility {
            "CGRPCOORD" => match message.split_once("FindCoordinator response error: ") {
                Some((_, error)) => {
                    let code = error.split_once(": ").map_or(error, |(code, _)| code);
                    // Errors of librdkafka itself begin with an underscore, such as a lost connection.
                    (!code.starts_with('_')).then(|| Self::NoCoordinator(code.to_owned()))
                }
                None => message.contains(" coordinator is ").then_some(Self::Coordinator),
            },
            "OFFSETFETCH" => {
                let (_, response) = message.split_once("OffsetFetchResponse: ")?;
                let (topic, rest) = response.split_once(" [")?;
                let (partition, _) = rest.split_once(']')?;
                let at = TopicPartition::new(topic, partition.parse().ok()?);
                match rest.rsplit(": ").next()? {
                    "UNSTABLE_OFFSET_COMMIT" => Some(Self::UnstableOffset(at)),
                    "NO_ERROR" => Some(Self::StableOffset(at)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Why a consumer waits, by what was answered last. Callers pass the time, so that tests need no delays.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The error, and since when there is no coordinator.
    no_coordinator: Option<(String, Instant)>,
    /// Since when the offsets are unstable.
    unstable: BTreeMap<TopicPartition, Instant>,
}

impl Answers {
    /// Records an answer.
    pub(super) fn learn(&mut self, answer: BrokerAnswer, now: Instant) {
        match answer {
            BrokerAnswer::NoCoordinator(code) => {
                let since = self.no_coordinator.take().map_or(now, |(_, since)| since);
                self.no_coordinator = Some((code, since));
            }
            BrokerAnswer::Coordinator => self.no_coordinator = None,
            BrokerAnswer::UnstableOffset(at) => {
                self.unstable.entry(at).or_insert(now);
            }
            BrokerAnswer::StableOffset(at) => {
                self.unstable.remove(&at);
            }
        }
    }

    /// Why `group` has no coordinator, if that has lasted.
    pub(super) fn coordinator_reason(&self, group: &str, now: Instant) -> Option<String> {
        let (code, since) = self.no_coordinator.as_ref()?;
        (now.duration_since(*since) >= GRACE).then(|| {
            format!(
                "consumer group {group} has no coordinator: the brokers answer {code}; check that they can create the topic \
                 __consumer_offsets: offsets.topic.replication.factor must not exceed the number of brokers"
            )
        })
    }

    /// Which committed offsets are not known yet and why, if that has lasted.
    pub(super) fn offsets_reason(&self, now: Instant) -> Option<String> {
        let (first, _) = self.unstable.iter().find(|(_, since)| now.duration_since(**since) >= GRACE)?;
        let others = match self.unstable.len() - 1 {
            0 => String::new(),
            others => format!(" and of {others} other partitions"),
        };
        Some(format!(
            "the committed offset of {first}{others} is in an open transaction (UNSTABLE_OFFSET_COMMIT); waiting for the \
             transaction to end, at the latest after its transaction.timeout.ms"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition::new("a.b", partition)
    }

    #[test]
    fn answers_are_read_from_the_debug_log() {
        let parse = BrokerAnswer::parse;
        let line = "[thrd:main]: localhost:9092/1: Group \"g\" FindCoordinator response error: COORDINATOR_NOT_AVAILABLE: \
                    Broker: Coordinator not available";
        let no_coordinator = BrokerAnswer::NoCoordinator("COORDINATOR_NOT_AVAILABLE".to_owned());
        assert_eq!(parse("CGRPCOORD", line), Some(no_coordinator));
        let line = "[thrd:main]: localhost:9092/1: Group \"g\" FindCoordinator response error: _TRANSPORT: Local: Broker \
                    transport failure";
        assert_eq!(parse("CGRPCOORD", line), None);
        let line = "[thrd:main]: localhost:9092/1: Group \"g\" coordinator is localhost:9092 id 1";
        assert_eq!(parse("CGRPCOORD", line), Some(BrokerAnswer::Coordinator));
        let line = |code| {
            format!(
                "[thrd:main]: GroupCoordinator/1: OffsetFetchResponse: a.b [7] offset -1, leader epoch -1, metadata 0 \
                 byte(s): {code}"
            )
        };
        let unstable = line("UNSTABLE_OFFSET_COMMIT");
        assert_eq!(parse("OFFSETFETCH", &unstable), Some(BrokerAnswer::UnstableOffset(at(7))));
        assert_eq!(parse("OFFSETFETCH", &line("NO_ERROR")), Some(BrokerAnswer::StableOffset(at(7))));
        assert_eq!(parse("OFFSETFETCH", &line("UNKNOWN_MEMBER_ID")), None);
        assert_eq!(parse("JOINGROUP", &unstable), None);
    }

    #[test]
    fn an_answer_is_a_reason_once_it_has_lasted() {
        let (mut answers, start) = (Answers::default(), Instant::now());
        let no_coordinator = || BrokerAnswer::NoCoordinator("COORDINATOR_NOT_AVAILABLE".to_owned());
        answers.learn(no_coordinator(), start);
        answers.learn(no_coordinator(), start + GRACE / 2);
        assert_eq!(answers.coordinator_reason("g", start + GRACE / 2), None);
        let reason = answers.coordinator_reason("g", start + GRACE).unwrap();
        assert!(
            reason.starts_with("consumer group g has no coordinator: the brokers answer COORDINATOR_"),
            "{reason}"
        );
        answers.learn(BrokerAnswer::Coordinator, start + GRACE);
        assert_eq!(answers.coordinator_reason("g", start + 2 * GRACE), None);
    }

    #[test]
    fn only_partitions_whose_offsets_are_unstable_are_named() {
        let (mut answers, start) = (Answers::default(), Instant::now());
        for partition in 0..3 {
            answers.learn(BrokerAnswer::UnstableOffset(at(partition)), start);
        }
        answers.learn(BrokerAnswer::StableOffset(at(0)), start);
        let reason = answers.offsets_reason(start + GRACE).unwrap();
        assert!(
            reason.starts_with("the committed offset of a.b-1 and of 1 other partitions is in an open"),
            "{reason}"
        );
        answers.learn(BrokerAnswer::StableOffset(at(1)), start);
        answers.learn(BrokerAnswer::StableOffset(at(2)), start);
        assert_eq!(answers.offsets_reason(start + GRACE), None);
    }
}
