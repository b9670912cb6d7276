//! Handles librdkafka's errors: wait, log once, or fail the task.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::outage::OutageNotice;
use super::{Consumer, ConsumerError, ConsumerEvent, OnLostPosition, StartAt, TopicPartition, Topics};
use crate::kafka::access::FatalError;
use crate::kafka::error_rules::{self, ErrorClass, Operation};
use crate::kafka::ffi::FetchError;

const WATERMARK_TIMEOUT: Duration = Duration::from_secs(3);

impl Consumer {
    /// Turns an error of `poll` into an event or into at most one log line. Without a reason, it is the last that librdkafka
    /// gave. `fetch` says which partition cannot be read.
    pub(super) fn failure(
        &self,
        error: &KafkaError,
        reason: Option<&str>,
        fetch: Option<&FetchError>,
    ) -> Option<ConsumerEvent> {
        let code = error.rdkafka_error_code()?;
        let reason = reason.map(str::to_owned).or_else(|| self.context().take_error());
        let reason = reason.unwrap_or_else(|| error.to_string());
        // Errors that follow a fatal one are not informative.
        if self.failed.get() {
            return None;
        }
        if let Some(fatal) = self.fatal_error(code, &reason, fetch) {
            return self.fatal(fatal.into());
        }
        if let KafkaError::MessageConsumptionFatal(_) = error {
            let fix = "the client cannot continue and must be reopened".to_owned();
            return self.fatal(ConsumerError::Fatal { reason, fix, class: ErrorClass::Restart });
        }
        match error_rules::class(code, Operation::Read) {
            ErrorClass::Unreachable => self.unreachable(code, &reason),
            ErrorClass::MissingTopic => self.unknown_topic(&reason),
            ErrorClass::LostPosition => return self.lost_position(reason, fetch),
            ErrorClass::Wait | ErrorClass::Restart | ErrorClass::Permanent | ErrorClass::Transient => {
                self.context().log_transient(&format!("{code:?}"), &reason);
            }
        }
        None
    }

    /// A topic in the list is waited for. A topic that matched the pattern has been deleted, so the topics are queried
    /// again.
    fn unknown_topic(&self, reason: &str) {
        match (&self.topics, self.named_topic(reason)) {
            (Topics::Pattern(_), Some(_)) => self.refresh_topics(),
            (Topics::List(_), Some(topic)) => {
                self.context().topic_missing(topic);
                // The group may assign the topic's partitions to another task; then only this query detects the topic.
                if let Err(error) = self.watch_topics() {
                    tracing::debug!(%error, "cannot start the thread that waits for the topic");
                }
            }
            (_, None) => self.context().log_transient(reason, reason),
        }
    }

    fn unreachable(&self, code: RDKafkaErrorCode, reason: &str) {
        let all = code == RDKafkaErrorCode::AllBrokersDown;
        let Some(line) = self.context().unreachable(reason, all) else { return };
        let begins = matches!(line, OutageNotice::Lost(_));
        self.core.report(line);
        if begins {
            self.core.watch_outage();
        }
    }

    fn fatal_error(
        &self,
        code: RDKafkaErrorCode,
        reason: &str,
        fetch: Option<&FetchError>,
    ) -> Option<FatalError> {
        let assigned = self.assigned.borrow();
        let read: BTreeSet<&str> = assigned.keys().map(|at| at.topic.as_str()).collect();
        let topics = self.named_topic(reason).map_or_else(|| read.into_iter().collect(), |topic| vec![topic]);
        let error = self.core.fatal_error(code, reason, &topics)?;
        Some(match fetch {
            Some(fetch) => about_partition(error, fetch),
            None => error,
        })
    }

    pub(super) fn fatal(&self, error: ConsumerError) -> Option<ConsumerEvent> {
        (!self.failed.replace(true)).then_some(ConsumerEvent::Fatal(error))
    }

    /// librdkafka reports the topic only in the message: "Subscribed topic not available: NAME: Broker: ...".
    fn named_topic<'a>(&self, reason: &'a str) -> Option<&'a str> {
        let named = reason.strip_prefix("Subscribed topic not available: ")?.split(": ").next()?;
        match &self.topics {
            Topics::List(topics) => topics.iter().any(|topic| topic == named).then_some(named),
            Topics::Pattern(_) => Some(named),
        }
    }

    /// Handles a position outside the log.
    fn lost_position(&self, reason: String, fetch: Option<&FetchError>) -> Option<ConsumerEvent> {
        let lost = self.out_of_range(fetch);
        if self.on_lost_position == OnLostPosition::Fail || lost.is_empty() {
            let unknown = || ConsumerError::Fatal {
                reason: format!("a position is outside its partition's log: {reason}"),
                fix: format!("reset the offsets of group {:?}", self.core.group),
                class: ErrorClass::Restart,
            };
            return self.fatal(lost.into_iter().next().unwrap_or_else(unknown));
        }
        let mut partitions = Vec::new();
        for error in lost {
            let ConsumerError::OutOfRange { partition, .. } = &error else { continue };
            if self.is_held(partition) {
                continue;
            }
            tracing::warn!(connector = self.context().connector, task = self.context().task, "{error}");
            let partition = partition.clone();
            if let Err(error) = self.hold(&partition) {
                return self.fatal(error);
            }
            partitions.push(partition);
        }
        (!partitions.is_empty()).then_some(ConsumerEvent::LostPositions(partitions))
    }

    /// Looks at all partitions, because the others may be affected too.
    fn out_of_range(&self, fetch: Option<&FetchError>) -> Vec<ConsumerError> {
        // For this one, librdkafka's position is already one too far.
        let failed = |at: &TopicPartition| {
            let is_failed = |fetch: &&FetchError| {
                fetch.topic == at.topic && fetch.partition == at.partition && fetch.offset >= 0
            };
            fetch.filter(is_failed).map(|fetch| fetch.offset)
        };
        let positions = self.core.base.position().ok();
        let position_of = |at: &TopicPartition, start: StartAt| {
            let read = positions.as_ref().and_then(|list| list.find_partition(&at.topic, at.partition));
            match (failed(at), read.map(|element| element.offset()), start) {
                (Some(position), _, _)
                | (_, Some(Offset::Offset(position)), _)
                | (_, _, StartAt::Offset(position)) => Some(position),
                (_, _, StartAt::Beginning) => None,
            }
        };
        let bounds = self.core.log_bounds(&self.assigned(), WATERMARK_TIMEOUT).unwrap_or_default();
        let mut found = Vec::new();
        for (at, start) in &*self.assigned.borrow() {
            let (Some(position), Some((earliest, latest))) = (position_of(at, *start), bounds.get(at)) else {
                continue;
            };
            if !(*earliest..=*latest).contains(&position) {
                let (partition, group) = (at.clone(), self.core.group.clone());
                let (earliest, latest) = (*earliest, *latest);
                found.push(ConsumerError::OutOfRange { partition, position, earliest, latest, group });
            }
        }
        found
    }
}

/// Adds the partition and the offset that cannot be read.
fn about_partition(error: FatalError, fetch: &FetchError) -> FatalError {
    let FetchError { topic, partition, offset, .. } = fetch;
    let place = if *offset < 0 { String::new() } else { format!(" offset {offset}") };
    FatalError { reason: format!("{topic}-{partition}{place} cannot be read: {}", error.reason), ..error }
}
