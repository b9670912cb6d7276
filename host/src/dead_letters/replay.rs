//! Sends rejected records back to their source topics.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use rdkafka::message::Message as _;

use super::headers::{REPLAYED, replays};
use super::read::{letter, read};
use super::{DeadLetter, Filter, MetadataTooLong, Progress};
use crate::kafka::admin::{Admin, AdminError};
use crate::kafka::producer::{ProduceError, Producer, ProducerRecord};
use crate::kafka::reader::{Committed, ReadError, TopicReader};

/// Letters that are sent before their acknowledgements are waited for.
const MAX_PENDING_RECORDS: usize = 500;
/// Bytes of them.
const MAX_PENDING_BYTES: usize = 8 << 20;
const METADATA_TIMEOUT: Duration = Duration::from_secs(30);

/// Why letters could not be replayed. What was sent before is noted.
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
    /// The topic that letters came from is gone.
    #[error(
        "cannot send records to topic {0:?}, which does not exist; create it, or specify another topic with --to"
    )]
    NoTopic(String),
    /// What was replayed cannot be remembered.
    #[error(transparent)]
    MetadataTooLong(#[from] MetadataTooLong),
}

/// What was replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records sent, by the topic that they went to.
    pub sent: BTreeMap<String, u64>,
    /// Letters that the filter left out.
    pub skipped: u64,
    /// Letters that had been replayed before, of those that had to be looked at.
    pub already_replayed: u64,
    /// Records without the headers of a letter: left out, too.
    pub not_dead_letters: u64,
}

/// A replay of one dead-letter topic.
pub struct Replay<'r> {
    /// Reads the topic, on behalf of the group that remembers.
    pub reader: &'r TopicReader,
    /// Sends the records.
    pub producer: &'r mut Producer,
    /// Looks for the topics that they go to.
    pub admin: &'r Admin,
    /// Where they go; where they came from, if there is no such name.
    pub to: Option<&'r str>,
    /// Which letters are meant.
    pub filter: &'r Filter,
}

impl Replay<'_> {
    /// Replays what the topic holds now and was not replayed before. What is sent is acknowledged before it is noted in the
    /// group; so what was sent and not noted, because it was interrupted, is sent again next time.
    ///
    /// # Errors
    /// When letters cannot be read, sent or noted.
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
                    run.process(letter(message))?;
                }
                // What comes back meanwhile is for another time.
                Some(_) => {}
                None => run.send()?,
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(run.done)
    }

    /// What [`Self::run`] would do; nothing is sent and nothing noted. `each` sees what would be sent.
    ///
    /// # Errors
    /// When letters cannot be read.
    pub fn dry_run(self, each: &mut dyn FnMut(&DeadLetter)) -> Result<Replayed, ReplayError> {
        let mut bounds = self.reader.bounds()?;
        let mut progress = load(self.reader, bounds.keys().copied(), &bounds)?;
        for (partition, range) in &mut bounds {
            range.start = progress.get(partition).map_or(range.start, Progress::next).max(range.start);
        }
        let (to, filter, mut done) = (self.to, self.filter, Replayed::default());
        read(self.reader, &bounds, &mut |letter| {
            let progress = progress.entry(letter.partition).or_default();
            if done.should_send(progress, &letter, to, filter) {
                *done.sent.entry(target(&letter, to).to_owned()).or_default() += 1;
                each(&letter);
            }
            ControlFlow::Continue(())
        })?;
        Ok(done)
    }
}

impl Replayed {
    /// Whether a letter is to be sent; counts it otherwise.
    fn should_send(
        &mut self,
        progress: &mut Progress,
        letter: &DeadLetter,
        to: Option<&str>,
        filter: &Filter,
    ) -> bool {
        if progress.has(letter.offset) {
            self.already_replayed += 1;
            progress.done(letter.offset);
            return false;
        }
        let count = match letter.topic() {
            None if to.is_none() => &mut self.not_dead_letters,
            _ if !filter.takes(letter) => &mut self.skipped,
            _ => return true,
        };
        *count += 1;
        progress.skip();
        false
    }
}

/// The topic that a letter goes to.
fn target<'l>(letter: &'l DeadLetter, to: Option<&'l str>) -> &'l str {
    to.or_else(|| letter.topic()).unwrap_or_default()
}

/// What the group knows of these partitions; what is gone from the log is done with.
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

/// A replay under way.
struct Run<'r> {
    replay: Replay<'r>,
    bounds: BTreeMap<i32, Range<i64>>,
    progress: BTreeMap<i32, Progress>,
    pending: Pending,
    done: Replayed,
    /// Partitions of the topics that records go to.
    targets: BTreeMap<String, i32>,
}

/// Letters that were read and not sent yet.
#[derive(Default)]
struct Pending {
    letters: Vec<DeadLetter>,
    bytes: usize,
    /// Partitions that something is to be noted of.
    has_progress: bool,
}

impl Run<'_> {
    fn process(&mut self, letter: DeadLetter) -> Result<(), ReplayError> {
        if !self.progress.contains_key(&letter.partition) {
            self.progress.extend(load(self.replay.reader, [letter.partition], &self.bounds)?);
        }
        let progress = self.progress.entry(letter.partition).or_default();
        self.pending.has_progress = true;
        if !self.done.should_send(progress, &letter, self.replay.to, self.replay.filter) {
            return Ok(());
        }
        progress.done(letter.offset);
        // Before anything is sent that could not be remembered.
        progress.metadata()?;
        self.pending.bytes += letter.value.as_ref().map_or(0, Vec::len);
        self.pending.letters.push(letter);
        if self.pending.letters.len() >= MAX_PENDING_RECORDS || self.pending.bytes >= MAX_PENDING_BYTES {
            self.send()?;
        }
        Ok(())
    }

    /// Sends what is pending, waits for the acknowledgements, and notes how far that is.
    fn send(&mut self) -> Result<(), ReplayError> {
        let Pending { letters, has_progress, .. } = std::mem::take(&mut self.pending);
        if !has_progress {
            return Ok(());
        }
        let to = self.replay.to;
        let partitions = letters.iter().map(|letter| self.partition(letter, target(letter, to)));
        let partitions = partitions.collect::<Vec<_>>().into_iter().collect::<Result<Vec<_>, _>>()?;
        let counts: Vec<String> = letters.iter().map(|letter| (attempts(letter) + 1).to_string()).collect();
        let headers: Vec<_> =
            letters.iter().zip(&counts).map(|(letter, count)| headers(letter, count)).collect();
        let records = letters.iter().zip(&headers).zip(&partitions).map(|((letter, headers), partition)| {
            ProducerRecord {
                topic: target(letter, to),
                partition: *partition,
                timestamp_ms: letter.timestamp_ms,
                key: letter.key.as_deref(),
                value: letter.value.as_deref(),
                headers,
            }
        });
        self.replay.producer.send(records, &mut |_| true)?;
        for letter in &letters {
            *self.done.sent.entry(target(letter, to).to_owned()).or_default() += 1;
        }
        self.commit()
    }

    fn commit(&mut self) -> Result<(), ReplayError> {
        // What was given to another replay meanwhile is its business.
        let assigned = self.replay.reader.assigned();
        self.progress.retain(|partition, _| assigned.contains(partition));
        let mut positions = BTreeMap::new();
        for (partition, progress) in &self.progress {
            positions.insert(*partition, Committed { next: progress.next(), metadata: progress.metadata()? });
        }
        Ok(self.replay.reader.commit(&positions)?)
    }

    /// The partition that a record came from, where it goes back to its topic: what follows it there by key stays behind it.
    fn partition(&mut self, letter: &DeadLetter, topic: &str) -> Result<Option<i32>, ReplayError> {
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
        let own = letter.source_position().map(|(partition, _)| partition);
        let is_back = letter.topic() == Some(topic);
        Ok(own.filter(|partition| is_back && (0..count).contains(partition)))
    }
}

/// How often the record was replayed before.
fn attempts(letter: &DeadLetter) -> u64 {
    replays(letter.own_headers().iter().map(|(name, value)| (name.as_slice(), value.as_deref())))
}

/// The record's own headers, with the count of replays.
fn headers<'l>(letter: &'l DeadLetter, count: &'l str) -> Vec<(&'l [u8], Option<&'l [u8]>)> {
    let own = letter.own_headers().iter().map(|(name, value)| (name.as_slice(), value.as_deref()));
    let others = own.filter(|(name, _)| *name != REPLAYED.as_bytes());
    others.chain([(REPLAYED.as_bytes(), Some(count.as_bytes()))]).collect()
}
