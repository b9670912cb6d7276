//! Writes dead letters, and waits until they are acknowledged.

use std::{
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use tidegate_abi::host::{Original, Part};

use super::{
    channels::Inbox,
    error::{Stage, TaskError},
    rejections::Refused,
    settings::TaskSettings,
    stop::StopSignal,
};
use crate::{
    config::DeadLetterPolicy,
    dead_letters::{ErrorHeaders, headers},
    kafka::producer::{NewTopic, Outgoing, Producer, Waiting},
    plugins::Plugin,
    telemetry::{now, scrub},
};

/// How long writing may take before it is told.
const TELL_AFTER: Duration = Duration::from_secs(5);

/// Writes the dead letters of a task. The client is made for the first one: most tasks never need it.
pub(super) struct Letters {
    settings: Arc<TaskSettings>,
    policy: DeadLetterPolicy,
    producer: Option<Producer>,
    poll: Sender<Inbox>,
    stop: Arc<StopSignal>,
}

/// A letter before it is sent.
struct Letter<'b> {
    topic: String,
    partition: i32,
    original: Original<'b>,
    error: Vec<(&'static str, String)>,
}

impl Letters {
    /// Where the connector has a dead-letter topic.
    pub(super) fn new(
        settings: &Arc<TaskSettings>,
        poll: &Sender<Inbox>,
        stop: &Arc<StopSignal>,
    ) -> Option<Self> {
        let policy = settings.errors.on_reject.letters()?.clone();
        let (settings, poll, stop) = (Arc::clone(settings), poll.clone(), Arc::clone(stop));
        Some(Self { settings, policy, producer: None, poll, stop })
    }

    /// Writes a letter for each refused record; all are acknowledged when this returns.
    ///
    /// # Errors
    /// When one cannot be written, or is one of this connector's letters already. Others may be in their topics.
    pub(super) fn write(&mut self, refused: &[Refused<'_>]) -> Result<(), TaskError> {
        if self.stop.has_ended() {
            return Err(TaskError::Ended);
        }
        let mut watch = Watch { told: false, poll: &self.poll, stop: &self.stop };
        let producer = match &mut self.producer {
            Some(producer) => producer,
            none => none.insert(Producer::open(&self.settings.letters_producer())?),
        };
        let written = write(producer, &self.settings, &self.policy, refused, &mut watch);
        watch.over(written.is_ok());
        if written.is_err() {
            self.producer = None;
        }
        written?;
        let _ended = self.poll.send(Inbox::DeadLettered(refused.len())).is_err();
        Ok(())
    }
}

fn write(
    producer: &mut Producer,
    settings: &TaskSettings,
    policy: &DeadLetterPolicy,
    refused: &[Refused<'_>],
    watch: &mut Watch<'_>,
) -> Result<(), TaskError> {
    let new = NewTopic { partitions: policy.partitions, replication: policy.replication };
    let mut letters = Vec::with_capacity(refused.len());
    for refused in refused {
        let mut letter = Letter::new(settings, policy, refused)?;
        let partitions = producer.ensure_topic(&letter.topic, new, &mut |waiting| watch.go_on(waiting))?;
        letter.partition %= partitions.max(1);
        letters.push(letter);
    }
    let headers: Vec<_> = letters.iter().map(Letter::headers).collect();
    let records = letters.iter().zip(&headers).map(|(letter, headers)| letter.outgoing(headers));
    producer.send(records, &mut |waiting| watch.go_on(waiting))?;
    for (letter, refused) in letters.iter().zip(refused) {
        let Original { topic, partition, offset, .. } = letter.original;
        let reason = scrub(&refused.rejected.reason);
        tracing::warn!(stage = %refused.stage, topic = &**topic, partition, offset, "record sent to {}: {reason}", letter.topic);
    }
    Ok(())
}

impl<'b> Letter<'b> {
    fn new(
        settings: &TaskSettings,
        policy: &DeadLetterPolicy,
        refused: &Refused<'b>,
    ) -> Result<Self, TaskError> {
        let Refused { stage, original, rejected } = refused;
        let Original { topic, partition, offset, .. } = *original;
        if is_own(original, &settings.connector) {
            return Err(TaskError::OwnLetter { topic: topic.to_string(), partition, offset });
        }
        let (name, plugin) = author(settings, stage);
        let time = now().to_string();
        let error = ErrorHeaders {
            topic,
            partition,
            offset,
            connector: &settings.connector,
            task: settings.task,
            place: stage.place(),
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

    fn headers(&self) -> Vec<(&[u8], Option<&[u8]>)> {
        let error = self.error.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
        self.original.headers().chain(error).collect()
    }

    fn outgoing<'l>(&'l self, headers: &'l [(&'l [u8], Option<&'l [u8]>)]) -> Outgoing<'l> {
        Outgoing {
            topic: &self.topic,
            partition: Some(self.partition),
            timestamp_ms: self.original.timestamp_ms,
            key: self.original.key,
            value: self.original.value,
            headers,
        }
    }
}

/// Whether a record is a letter that this connector wrote.
fn is_own(original: &Original<'_>, connector: &str) -> bool {
    let own = (headers::CONNECTOR.as_bytes(), Some(connector.as_bytes()));
    original.headers().any(|header| header == own)
}

/// Who refused a record: its name in the connector, and plugin and version.
fn author(settings: &TaskSettings, stage: &Stage) -> (String, String) {
    let plugin = |plugin: &Plugin| format!("{}/{}", plugin.manifest.name, plugin.version());
    let host = || concat!("tidegate/", env!("CARGO_PKG_VERSION")).to_owned();
    match stage {
        Stage::Source | Stage::Decode(Part::Headers) => ("kafka".to_owned(), host()),
        Stage::Decode(Part::Key) => (settings.decoder.key.name().to_owned(), host()),
        Stage::Decode(Part::Record | Part::Value) => (settings.decoder.value.name().to_owned(), host()),
        Stage::Transform(name) => {
            let found = settings.transforms.iter().find(|transform| transform.name == *name);
            (name.clone(), found.map_or_else(host, |transform| plugin(&transform.plugin)))
        }
        Stage::Sink(name) => (name.clone(), plugin(&settings.sink)),
    }
}

/// Tells when writing takes long, and ends the wait when the task is to end.
struct Watch<'w> {
    told: bool,
    poll: &'w Sender<Inbox>,
    stop: &'w StopSignal,
}

impl Watch<'_> {
    fn go_on(&mut self, waiting: Waiting<'_>) -> bool {
        if !self.told && waiting.since > TELL_AFTER {
            self.told = true;
            let reason = waiting.reason.unwrap_or("the brokers do not acknowledge them");
            let text = format!("dead letters cannot be written to {}: {reason}", waiting.topic);
            tracing::warn!("stalled: {text}");
            self.tell(Some(text));
        }
        !self.stop.is_late()
    }

    fn over(&self, well: bool) {
        if self.told {
            self.tell(None);
        }
        if self.told && well {
            tracing::info!("dead letters are written again");
        }
    }

    fn tell(&self, reason: Option<String>) {
        let _ended = self.poll.send(Inbox::LettersStuck(reason)).is_err();
    }
}
