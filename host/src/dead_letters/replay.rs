//! Sends rejected records back to their source topics.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use rdkafka::message::Message as _;

use super::headers::{REPLAYED, replays};
use super::read::{dead_letter, read};
use super::{DeadLetter, Filter, MetadataTooLong, Progress};
use crate::kafka::admin::{Admin, AdminError};
use crate::kafka::producer::{NO_TIMESTAMP, ProduceError, Producer, ProducerRecord};
use crate::kafka::reader::{Committed, ReadError, TopicReader};

/// Maximum number of records per batch; the next one is sent after its acknowledgement.
const MAX_PENDING_RECORDS: usize = 500;
/// Maximum number of bytes per batch.
const MAX_PENDING_BYTES: usize = 8 << 20;
const METADATA_TIMEOUT: Duration = Duration::from_secs(30);

/// Why dead letters could not be replayed. The progress up to the error is committed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The dead-letter topic cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The records cannot be written.
    #[error(transparent)]
    Produce(#[from] ProduceError),
    /// The brokers do not answer.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The source topic does not exist any more.
    #[error(
        "cannot send records to topic {0:?}, which does not exist; create it, or specify another topic with --to"
    )]
    NoTopic(String),
    /// The progress cannot be stored.
    #[error(transparent)]
    MetadataTooLong(#[from] MetadataTooLong),
}

/// The result of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Number of records sent, by target topic.
    pub sent: BTreeMap<String, u64>,
    /// Dead letters that the filter skipped.
    pub skipped: u64,
    /// Dead letters read that were already replayed.
    pub already_replayed: u64,
    /// Records without the headers of a dead letter, which are skipped, too.
    pub not_dead_letters: u64,
    /// Dead letters whose headers name a topic that may not be written to, which are skipped as well.
    pub other_topics: u64,
}

/// A replay of one dead-letter topic.
pub struct Replay<'r> {
    /// Reads the topic as a member of the replay group.
    pub reader: &'r TopicReader,
    /// Sends the records.
    pub producer: &'r mut Producer,
    /// Queries the target topics.
    pub admin: &'r Admin,
    /// The target topic; the source topic of each record if `None`.
    pub to: Option<&'r str>,
    /// Whether a source topic may be written to. Anyone who can write to the dead-letter topic chooses what the headers say.
    pub may_write: &'r dyn Fn(&str) -> bool,
    /// Selects dead letters.
    pub filter: &'r Filter,
}

impl Replay<'_> {
    /// Replays the dead letters that the topic has now and that were not replayed before. Progress is committed after
    /// the acknowledgement, so records that were sent before an interruption may be sent again by the next replay.
    ///
    /// # Errors
    /// When dead letters cannot be read or sent, or the progress cannot be committed.
    pub fn run(self) -> Result<Replayed, ReplayError> {
        let bounds = self.reader.bounds()?;
        let ends: BTreeMap<i32, i64> =
            bounds.iter().map(|(partition, range)| (*partition, range.end)).collect();
        if bounds.values().all(Range::is_empty) {
            return Ok(Replayed::default());
        }
        let mut run = Run {
            replay: self,
            bounds,
            progress: BTreeMap::new(),
            pending: Pending::default(),
            done: Replayed::default(),
            targets: BTreeMap::new(),
        };
        let reader = run.replay.reader;
        reader.read_as_member(&ends, &mut |message| -> Result<_, ReplayError> {
            match message {
                Some(message) if message.offset() < ends.get(&message.partition()).copied().unwrap_or(0) => {
                    run.process(dead_letter(message))?;
                }
                // Records that were rejected again during this replay are left to the next one.
                Some(_) => {}
                None => run.send()?,
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(run.done)
    }

    /// Like [`Self::run`], but nothing is sent or committed. `each` is called for every record that would be sent.
    ///
    /// # Errors
    /// When dead letters cannot be read.
    pub fn dry_run(self, each: &mut dyn FnMut(&DeadLetter)) -> Result<Replayed, ReplayError> {
        let mut bounds = self.reader.bounds()?;
        let mut progress = load(self.reader, bounds.keys().copied(), &bounds)?;
        for (partition, range) in &mut bounds {
            range.start = progress.get(partition).map_or(range.start, Progress::next).max(range.start);
        }
        let (targets, filter, mut done) = (self.targets(), self.filter, Replayed::default());
        read(self.reader, &bounds, &mut |dead_letter| {
            let progress = progress.entry(dead_letter.partition).or_default();
            if done.should_send(progress, &dead_letter, targets, filter) {
                *done.sent.entry(target(&dead_letter, targets.to).to_owned()).or_default() += 1;
                each(&dead_letter);
            }
            ControlFlow::Continue(())
        })?;
        Ok(done)
    }

    fn targets(&self) -> Targets<'_> {
        Targets { to: self.to, may_write: self.may_write }
    }
}

/// Where records may be sent.
#[derive(Clone, Copy)]
struct Targets<'r> {
    to: Option<&'r str>,
    may_write: &'r dyn Fn(&str) -> bool,
}

impl Replayed {
    /// Returns true if a dead letter must be sent; otherwise counts it.
    fn should_send(
        &mut self,
        progress: &mut Progress,
        dead_letter: &DeadLetter,
        Targets { to, may_write }: Targets<'_>,
        filter: &Filter,
    ) -> bool {
        if progress.has(dead_letter.offset) {
            self.already_replayed += 1;
            progress.done(dead_letter.offset);
            return false;
        }
        let count = match dead_letter.topic() {
            None if to.is_none() => &mut self.not_dead_letters,
            _ if !filter.takes(dead_letter) => &mut self.skipped,
            Some(topic) if to.is_none() && !may_write(topic) => &mut self.other_topics,
            _ => return true,
        };
        *count += 1;
        progress.skip();
        false
    }
}

/// The target topic of a dead letter.
fn target<'l>(dead_letter: &'l DeadLetter, to: Option<&'l str>) -> &'l str {
    to.or_else(|| dead_letter.topic()).unwrap_or_default()
}

/// The committed progress of these partitions. It starts at the first offset of the log.
fn load(
    reader: &TopicReader,
    partitions: impl IntoIterator<Item = i32> + Clone,
    bounds: &BTreeMap<i32, Range<i64>>,
) -> Result<BTreeMap<i32, Progress>, ReadError> {
    let committed = reader.committed(partitions.clone())?;
    let progress = |partition: i32| {
        let start = bounds.get(&partition).map_or(0, |range| range.start);
        let known = committed.get(&partition);
        let progress =
            known.map_or_else(|| Progress::of(start, ""), |known| Progress::of(known.next, &known.metadata));
        (partition, progress)
    };
    Ok(partitions.into_iter().map(progress).collect())
}

/// The state of a replay.
struct Run<'r> {
    replay: Replay<'r>,
    bounds: BTreeMap<i32, Range<i64>>,
    progress: BTreeMap<i32, Progress>,
    pending: Pending,
    done: Replayed,
    /// Partitions of the topics that records go to.
    targets: BTreeMap<String, i32>,
}

/// Dead letters that were read and not sent yet.
#[derive(Default)]
struct Pending {
    dead_letters: Vec<DeadLetter>,
    bytes: usize,
    /// Whether there is progress to commit.
    has_progress: bool,
}

impl Run<'_> {
    fn process(&mut self, dead_letter: DeadLetter) -> Result<(), ReplayError> {
        if !self.progress.contains_key(&dead_letter.partition) {
            self.progress.extend(load(self.replay.reader, [dead_letter.partition], &self.bounds)?);
        }
        let progress = self.progress.entry(dead_letter.partition).or_default();
        self.pending.has_progress = true;
        if !self.done.should_send(progress, &dead_letter, self.replay.targets(), self.replay.filter) {
            return Ok(());
        }
        progress.done(dead_letter.offset);
        // Checked before sending: the progress must fit into the commit metadata.
        progress.metadata()?;
        self.pending.bytes += dead_letter.value.as_ref().map_or(0, Vec::len);
        self.pending.dead_letters.push(dead_letter);
        if self.pending.dead_letters.len() >= MAX_PENDING_RECORDS || self.pending.bytes >= MAX_PENDING_BYTES {
            self.send()?;
        }
        Ok(())
    }

    /// Sends the pending records, waits for the acknowledgements, and commits the progress.
    fn send(&mut self) -> Result<(), ReplayError> {
        let Pending { dead_letters, has_progress, .. } = std::mem::take(&mut self.pending);
        if !has_progress {
            return Ok(());
        }
        let to = self.replay.to;
        let partitions =
            dead_letters.iter().map(|dead_letter| self.partition(dead_letter, target(dead_letter, to)));
        let partitions = partitions.collect::<Vec<_>>().into_iter().collect::<Result<Vec<_>, _>>()?;
        let counts: Vec<String> =
            dead_letters.iter().map(|dead_letter| (attempts(dead_letter) + 1).to_string()).collect();
        let headers: Vec<_> = dead_letters
            .iter()
            .zip(&counts)
            .map(|(dead_letter, count)| headers(dead_letter, count))
            .collect();
        let records =
            dead_letters.iter().zip(&headers).zip(&partitions).map(|((dead_letter, headers), partition)| {
                ProducerRecord {
                    topic: target(dead_letter, to),
                    partition: *partition,
                    timestamp_ms: dead_letter.timestamp_ms.or(Some(NO_TIMESTAMP)),
                    key: dead_letter.key.as_deref(),
                    value: dead_letter.value.as_deref(),
                    headers,
                }
            });
        self.replay.producer.send(records, &mut |_| true)?;
        for dead_letter in &dead_letters {
            *self.done.sent.entry(target(dead_letter, to).to_owned()).or_default() += 1;
        }
        self.commit()
    }

    fn commit(&mut self) -> Result<(), ReplayError> {
        // Partitions that were reassigned to another replay are committed by that one.
        let assigned = self.replay.reader.assigned();
        self.progress.retain(|partition, _| assigned.contains(partition));
        let mut positions = BTreeMap::new();
        for (partition, progress) in &self.progress {
            positions.insert(*partition, Committed { next: progress.next(), metadata: progress.metadata()? });
        }
        Ok(self.replay.reader.commit(&positions)?)
    }

    /// The source partition, if the target is the source topic: later records with the same key are in that partition.
    fn partition(&mut self, dead_letter: &DeadLetter, topic: &str) -> Result<Option<i32>, ReplayError> {
        let count = match self.targets.get(topic) {
            Some(count) => *count,
            None => {
                let found = self.replay.admin.partitions(topic, METADATA_TIMEOUT)?;
                let count = found.ok_or_else(|| ReplayError::NoTopic(topic.to_owned()))?;
                let count = i32::try_from(count).unwrap_or(i32::MAX);
                self.targets.insert(topic.to_owned(), count);
                count
            }
        };
        let own = dead_letter.source_position().map(|(partition, _)| partition);
        let is_back = dead_letter.topic() == Some(topic);
        Ok(own.filter(|partition| is_back && (0..count).contains(partition)))
    }
}

/// Number of earlier replays of the record.
fn attempts(dead_letter: &DeadLetter) -> u64 {
    replays(dead_letter.own_headers().iter().map(|(name, value)| (name.as_slice(), value.as_deref())))
}

/// The record's own headers, with the count of replays.
fn headers<'l>(dead_letter: &'l DeadLetter, count: &'l str) -> Vec<(&'l [u8], Option<&'l [u8]>)> {
    let own = dead_letter.own_headers().iter().map(|(name, value)| (name.as_slice(), value.as_deref()));
    let others = own.filter(|(name, _)| *name != REPLAYED.as_bytes());
    others.chain([(REPLAYED.as_bytes(), Some(count.as_bytes()))]).collect()
}
