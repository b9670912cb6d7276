//! Writes rejected records to a dead-letter topic, and waits until they are acknowledged.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tidegate_abi::host::{Original, Part};

use super::FailedRecord;
use crate::{
    config::DeadLetterPolicy,
    dead_letters::{ErrorHeaders, headers},
    kafka::{
        consumer::Topics,
        producer::{NO_TIMESTAMP, NewTopic, Producer, ProducerRecord, SendProgress},
    },
    pipeline::{
        channels::{PollMessage, PollSender},
        error::{Stage, TaskError},
        settings::TaskSettings,
        stop::StopSignal,
    },
    plugins::Plugin,
    telemetry::{now, scrub},
};

/// Writing that takes longer than this is reported as a stall.
const REPORT_AFTER: Duration = Duration::from_secs(5);

/// Writes the dead letters of a task. The producer is created for the first one, since most tasks never need it.
pub(in crate::pipeline) struct DeadLetterWriter {
    settings: Arc<TaskSettings>,
    policy: DeadLetterPolicy,
    producer: Option<Producer>,
    poll: PollSender,
    stop: Arc<StopSignal>,
}

/// A dead-letter record before it is sent.
struct DeadLetter<'b> {
    topic: String,
    partition: i32,
    original: Original<'b>,
    error: Vec<(&'static str, String)>,
}

impl DeadLetterWriter {
    /// A writer, if the connector has a dead-letter topic.
    pub(in crate::pipeline) fn new(
        settings: &Arc<TaskSettings>,
        poll: &PollSender,
        stop: &Arc<StopSignal>,
    ) -> Option<Self> {
        let policy = settings.errors.on_reject.dead_letter_policy()?.clone();
        let (settings, poll, stop) = (Arc::clone(settings), poll.clone(), Arc::clone(stop));
        Some(Self { settings, policy, producer: None, poll, stop })
    }

    /// Writes a dead letter for each rejected record. All are acknowledged when this returns.
    ///
    /// # Errors
    /// When one cannot be written, or is a dead letter of this connector already. Others may have been written.
    pub(super) fn write(&mut self, records: &[FailedRecord<'_>]) -> Result<(), TaskError> {
        if self.stop.has_ended() {
            return Err(TaskError::Ended);
        }
        let mut monitor = SendMonitor { reported: false, poll: &self.poll, stop: &self.stop };
        let producer = match &mut self.producer {
            Some(producer) => producer,
            none => none.insert(Producer::open(&self.settings.dead_letter_producer())?),
        };
        let written = write(producer, &self.settings, &self.policy, records, &mut monitor);
        monitor.end(written.is_ok());
        if written.is_err() {
            self.producer = None;
        }
        written?;
        let _ended = self.poll.send(PollMessage::DeadLettered(records.len())).is_err();
        Ok(())
    }
}

fn write(
    producer: &mut Producer,
    settings: &TaskSettings,
    policy: &DeadLetterPolicy,
    records: &[FailedRecord<'_>],
    monitor: &mut SendMonitor<'_>,
) -> Result<(), TaskError> {
    let dead_letters = records.iter().map(|record| DeadLetter::new(settings, policy, record));
    let mut dead_letters: Vec<_> = dead_letters.collect::<Result<_, _>>()?;
    let topics: BTreeSet<String> = dead_letters.iter().map(|dead_letter| dead_letter.topic.clone()).collect();
    for topic in topics {
        let sources = sources(settings, policy, &dead_letters, &topic);
        let own = |dead_letter: &&mut DeadLetter<'_>| dead_letter.topic == topic;
        let largest = dead_letters.iter_mut().filter(own).map(|dead_letter| dead_letter.bytes()).max();
        let new = NewTopic {
            partitions: policy.partitions,
            replication: policy.replication,
            sources: &sources.iter().map(String::as_str).collect::<Vec<_>>(),
            record_bytes: settings.consumer.max_record_bytes.max(largest.unwrap_or_default()),
        };
        let partitions = producer.ensure_topic(&topic, &new, &mut |waiting| monitor.keep_waiting(waiting))?;
        for dead_letter in dead_letters.iter_mut().filter(own) {
            dead_letter.partition %= partitions.max(1);
        }
    }
    let headers: Vec<_> = dead_letters.iter().map(DeadLetter::headers).collect();
    let outgoing =
        dead_letters.iter().zip(&headers).map(|(dead_letter, headers)| dead_letter.outgoing(headers));
    producer.send(outgoing, &mut |waiting| monitor.keep_waiting(waiting))?;
    for (dead_letter, record) in dead_letters.iter().zip(records) {
        let Original { topic, partition, offset, .. } = dead_letter.original;
        let reason = scrub(&record.rejected.reason);
        tracing::warn!(stage = %record.stage, topic = &**topic, partition, offset, "record sent to {}: {reason}", dead_letter.topic);
    }
    Ok(())
}

/// The topics whose records are written to a dead-letter topic, as far as they are known: those of the connector's list, and
/// with a pattern those of these records.
fn sources(
    settings: &TaskSettings,
    policy: &DeadLetterPolicy,
    dead_letters: &[DeadLetter<'_>],
    topic: &str,
) -> BTreeSet<String> {
    let of_records = dead_letters.iter().map(|dead_letter| dead_letter.original.topic.to_string());
    let named = match &settings.consumer.topics {
        Topics::List(topics) => topics.as_slice(),
        Topics::Pattern(_) => &[],
    };
    of_records.chain(named.iter().cloned()).filter(|source| policy.topic.topic(source) == topic).collect()
}

impl<'b> DeadLetter<'b> {
    fn new(
        settings: &TaskSettings,
        policy: &DeadLetterPolicy,
        record: &FailedRecord<'b>,
    ) -> Result<Self, TaskError> {
        let FailedRecord { stage, original, rejected } = record;
        let Original { topic, partition, offset, .. } = *original;
        if is_own(topic, policy, &settings.consumer.topics) {
            return Err(TaskError::OwnDeadLetter { topic: topic.to_string(), partition, offset });
        }
        let (name, plugin) = author(settings, stage);
        let time = now().to_string();
        let error = ErrorHeaders {
            topic,
            partition,
            offset,
            connector: &settings.connector,
            task: settings.task,
            stage: stage.dead_letter_stage(),
            name: &name,
            plugin: &plugin,
            class: match stage {
                _ if rejected.too_large => "too-large",
                Stage::Source | Stage::Decode(_) => "decode",
                Stage::Transform(_) | Stage::Sink(_) => "rejected",
            },
            reason: &scrub(&rejected.reason),
            attempts: headers::replays(original.headers()) + 1,
            time: &time,
            own_headers: original.headers().len(),
        };
        Ok(Self { topic: policy.topic.topic(topic), partition, original: *original, error: error.list() })
    }

    /// Bytes of the record itself.
    fn bytes(&self) -> usize {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers = self.original.headers().map(|(name, value)| name.len() + length(value));
        length(self.original.key) + length(self.original.value) + headers.sum::<usize>()
    }

    fn headers(&self) -> Vec<(&[u8], Option<&[u8]>)> {
        let error = self.error.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
        self.original.headers().chain(error).collect()
    }

    fn outgoing<'l>(&'l self, headers: &'l [(&'l [u8], Option<&'l [u8]>)]) -> ProducerRecord<'l> {
        ProducerRecord {
            topic: &self.topic,
            partition: Some(self.partition),
            timestamp_ms: self.original.timestamp_ms.or(Some(NO_TIMESTAMP)),
            key: self.original.key,
            value: self.original.value,
            headers,
        }
    }
}

/// Whether this connector writes its dead letters to a topic that it reads. Headers do not show that, since any producer can set
/// them.
fn is_own(topic: &str, policy: &DeadLetterPolicy, read: &Topics) -> bool {
    policy.topic.only() == Some(topic) || policy.topic.source(topic).is_some_and(|source| read.reads(source))
}

/// What rejected a record: its name in the connector, and plugin and version.
fn author(settings: &TaskSettings, stage: &Stage) -> (String, String) {
    let plugin = |plugin: &Plugin| format!("{}/{}", plugin.manifest.name, plugin.version());
    let host = || concat!("tidegate/", env!("CARGO_PKG_VERSION")).to_owned();
    match stage {
        Stage::Source | Stage::Decode(Part::Headers) => ("kafka".to_owned(), host()),
        Stage::Decode(Part::Key) => (settings.decoder.key.name().to_owned(), host()),
        Stage::Decode(Part::Record | Part::Value) => (settings.decoder.value.name().to_owned(), host()),
        Stage::Transform(name) => {
            let found = settings.plugins.transforms.iter().find(|transform| transform.name == *name);
            (name.clone(), found.map_or_else(host, |transform| plugin(&transform.plugin)))
        }
        Stage::Sink(name) => (name.clone(), plugin(&settings.plugins.sink)),
    }
}

/// Reports writes that take long, and ends the wait when the task must end.
struct SendMonitor<'w> {
    reported: bool,
    poll: &'w PollSender,
    stop: &'w StopSignal,
}

impl SendMonitor<'_> {
    fn keep_waiting(&mut self, waiting: SendProgress<'_>) -> bool {
        if !self.reported && waiting.since > REPORT_AFTER {
            self.reported = true;
            let reason = waiting.reason.unwrap_or("the brokers do not acknowledge them");
            let text = format!("dead letters cannot be written to {}: {reason}", waiting.topic);
            tracing::warn!("stalled: {text}");
            self.report(Some(text));
        }
        !self.stop.is_late()
    }

    fn end(&self, succeeded: bool) {
        if self.reported {
            self.report(None);
        }
        if self.reported && succeeded {
            tracing::info!("dead letters are written again");
        }
    }

    fn report(&self, reason: Option<String>) {
        let _ended = self.poll.send(PollMessage::DeadLettersBlocked(reason)).is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::TopicTemplate, kafka::TopicPattern};

    #[test]
    fn own_dead_letters_are_those_in_topics_that_they_are_written_to() {
        let policy = |topic: &str| DeadLetterPolicy {
            topic: serde_json::from_value::<TopicTemplate>(topic.into()).unwrap(),
            partitions: 1,
            replication: None,
        };
        let list = |topics: &[&str]| Topics::List(topics.iter().map(|topic| (*topic).to_owned()).collect());
        assert!(is_own("dlq.a", &policy("dlq.{topic}"), &list(&["a", "dlq.a"])));
        assert!(
            !is_own("dlq.b", &policy("dlq.{topic}"), &list(&["a", "dlq.b"])),
            "those of another connector"
        );
        assert!(!is_own("a", &policy("dlq.{topic}"), &list(&["a"])));
        assert!(is_own("letters", &policy("letters"), &list(&["letters"])));
        let pattern = Topics::Pattern(TopicPattern::parse("^a").unwrap());
        assert!(is_own("dlq.ab", &policy("dlq.{topic}"), &pattern));
    }
}
