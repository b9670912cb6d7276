//! One source's log: pure decisions, event by event.

use super::{
    event::{Event, Writer},
    seen::{Seen, SeenEvents},
};

/// Writers that are remembered of one source.
const MAX_WRITERS: usize = 8;

/// What is known of a source's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceLog {
    /// Hash of the source's name.
    pub(super) source: u64,
    /// How many logs there were before this one.
    pub(super) generation: u64,
    /// The highest position in this log.
    pub(super) high: [u64; 4],
    /// The transaction of the event there: see [`Event::transaction`].
    pub(super) high_transaction: u32,
    /// Commit times in this log: of its first event, and the latest.
    pub(super) first_ms: Option<i64>,
    pub(super) latest_ms: Option<i64>,
    /// An event of this log was no row of a snapshot.
    pub(super) is_streamed: bool,
    /// The last event was sent again: others may follow.
    pub(super) is_resending: bool,
    /// Events up to this position may have been read and are not remembered; none: all are remembered.
    pub(super) forgotten: Option<[u64; 4]>,
    /// The log before.
    pub(super) former: Option<FormerLog>,
    /// Who wrote to the logs, the latest last.
    pub(super) writers: Vec<KnownWriter>,
    /// The last events of all logs of the source.
    pub(super) seen: SeenEvents,
}

/// What is still known of the log before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FormerLog {
    pub(super) generation: u64,
    pub(super) high: [u64; 4],
    pub(super) latest_ms: Option<i64>,
    /// As [`SourceLog::forgotten`].
    pub(super) forgotten: Option<[u64; 4]>,
}

/// A writer, its highest transaction number, and the log in which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownWriter {
    pub(super) writer: Writer,
    pub(super) generation: u64,
}

/// Where an event belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The generation of its log.
    pub(super) generation: u64,
    /// The source has sent it before.
    pub(super) resent: bool,
    /// Worth a warning.
    pub(super) warning: Option<OrderWarning>,
}

/// What is worth a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderWarning {
    /// The source's log began again, as is known for this reason.
    LogBeganAgain(&'static str),
    /// The event is taken for one that was sent again, without proof.
    AssumedResent,
    /// The event differs in nothing from one before it, and is taken for another row of the same statement.
    MayBeResent,
}

impl SourceLog {
    /// The log of a source whose first event this is. `knows_all` says that nothing was read of the partition before.
    pub(super) fn new(source: u64, generation: u64, event: &Event, knows_all: bool) -> Self {
        Self {
            source,
            generation,
            high: event.words,
            high_transaction: event.transaction,
            first_ms: event.committed_ms,
            latest_ms: event.committed_ms,
            is_streamed: !event.is_snapshot,
            is_resending: false,
            forgotten: (!knows_all).then_some(event.words),
            former: None,
            writers: Vec::new(),
            seen: SeenEvents::default(),
        }
    }

    /// Gives an event its place, and remembers it.
    pub(super) fn place(&mut self, event: &Event) -> Placed {
        // Only what does not lie beyond all others can have been read before.
        let may_be_known = event.words <= self.high || self.former.is_some();
        if may_be_known && let Some(generation) = self.seen_in(event) {
            return self.resent(generation, None);
        }
        if let Some(generation) = self.former_of(event) {
            return self.resent(generation, Some(OrderWarning::AssumedResent));
        }
        if event.words < self.high {
            return match self.reason_for_new_log(event) {
                Some(reason) => self.begin_again(event, reason),
                None => self.resent(self.generation, Some(OrderWarning::AssumedResent)),
            };
        }
        if event.words == self.high && self.is_of_another_transaction(event) {
            return self.begin_again(event, "there was another transaction at the same position");
        }
        // Of a change of very many rows, which all have one position, not all are remembered.
        if self.is_resending && event.words == self.high && self.forgotten >= Some(event.words) {
            return self.resent(self.generation, Some(OrderWarning::AssumedResent));
        }
        // Equal rows of a snapshot are usual where a table has no key.
        let has_twin =
            may_be_known && !event.is_snapshot && self.seen.find(&event.words, event.check).is_some();
        self.accept(event, has_twin.then_some(OrderWarning::MayBeResent))
    }

    /// The generation in which the event was read before, if it was.
    fn seen_in(&self, event: &Event) -> Option<u64> {
        let seen = self.seen.find(&event.words, event.check)?;
        // Equal rows that one statement has inserted differ in nothing: they are two, unless others before them in the log
        // have just come again.
        let is_last = event.words == self.high && seen.generation == self.generation;
        let may_be_another = is_last && !self.is_resending && !event.is_unique;
        (!may_be_another).then_some(seen.generation)
    }

    fn is_of_another_transaction(&self, event: &Event) -> bool {
        let [before, now] = [self.high_transaction, event.transaction];
        before != now && before != 0 && now != 0
    }

    /// Why an event that lies before others belongs to a new log, if that is certain.
    fn reason_for_new_log(&self, event: &Event) -> Option<&'static str> {
        if let Some(writer) = event.writer
            && !self.writers.is_empty()
        {
            match self.known_writer(writer.id) {
                None => return Some("the event comes from a server that was not heard of before"),
                Some(known) if known.writer.sequence < writer.sequence => {
                    return Some("its transaction was not read before");
                }
                Some(_) => {}
            }
        }
        if self.latest_ms.is_some() && event.committed_ms > self.latest_ms {
            return Some("the event was committed after all that were read");
        }
        // Rows of an earlier snapshot that are sent again are older than the changes behind them.
        if event.is_snapshot && self.is_streamed && event.committed_ms >= self.latest_ms {
            return Some("a snapshot begins");
        }
        if self.forgotten.is_none_or(|forgotten| event.words > forgotten) {
            return Some("the event is none of those that were read there");
        }
        None
    }

    /// The generation of the log before, for an event of that one which is not remembered.
    fn former_of(&self, event: &Event) -> Option<u64> {
        let former = self.former?;
        if let Some(writer) = event.writer
            && let Some(known) = self.known_writer(writer.id)
            && known.generation < self.generation
            && writer.sequence > 0
        {
            return (writer.sequence <= known.writer.sequence).then_some(known.generation);
        }
        let (Some(committed), Some(first), Some(latest)) =
            (event.committed_ms, self.first_ms, former.latest_ms)
        else {
            let may_be_of_it = event.words < self.high && Some(event.words) <= former.forgotten;
            return may_be_of_it.then_some(former.generation);
        };
        let was_before = committed <= latest && committed < first;
        (was_before && event.words <= former.high).then_some(former.generation)
    }

    fn begin_again(&mut self, event: &Event, reason: &'static str) -> Placed {
        let Self { generation, high, latest_ms, forgotten, .. } = *self;
        self.former = Some(FormerLog { generation, high, latest_ms, forgotten });
        self.generation += 1;
        self.high = event.words;
        (self.first_ms, self.latest_ms) = (event.committed_ms, event.committed_ms);
        self.is_streamed = false;
        self.forgotten = None;
        self.accept(event, Some(OrderWarning::LogBeganAgain(reason)))
    }

    fn accept(&mut self, event: &Event, warning: Option<OrderWarning>) -> Placed {
        (self.high, self.high_transaction) = (event.words, event.transaction);
        self.latest_ms = self.latest_ms.max(event.committed_ms);
        self.is_streamed |= !event.is_snapshot;
        self.is_resending = false;
        if let Some(writer) = event.writer {
            self.remember_writer(writer);
        }
        let generation = self.generation;
        self.seen.push(Seen { words: event.words, check: event.check, generation });
        Placed { generation, resent: false, warning }
    }

    fn resent(&mut self, generation: u64, warning: Option<OrderWarning>) -> Placed {
        self.is_resending = true;
        Placed { generation, resent: true, warning }
    }

    fn known_writer(&self, id: u64) -> Option<&KnownWriter> {
        self.writers.iter().find(|known| known.writer.id == id)
    }

    fn remember_writer(&mut self, writer: Writer) {
        let generation = self.generation;
        let last = self.writers.len().wrapping_sub(1);
        let at = self.writers.iter().position(|known| known.writer.id == writer.id);
        let sequence = match at {
            Some(at) => self.writers[at].writer.sequence.max(writer.sequence),
            None => writer.sequence,
        };
        let known = KnownWriter { writer: Writer { sequence, ..writer }, generation };
        match at {
            Some(at) if at == last => self.writers[at] = known,
            Some(at) => {
                self.writers.remove(at);
                self.writers.push(known);
            }
            None => {
                if self.writers.len() == MAX_WRITERS {
                    self.writers.remove(0);
                }
                self.writers.push(known);
            }
        }
    }

    /// Forgets the oldest event that is remembered.
    pub(super) fn forget_oldest(&mut self) {
        let Some(seen) = self.seen.pop() else { return };
        if seen.generation == self.generation {
            self.forgotten = self.forgotten.max(Some(seen.words));
        } else if let Some(former) =
            self.former.as_mut().filter(|former| former.generation == seen.generation)
        {
            former.forgotten = former.forgotten.max(Some(seen.words));
        }
    }
}
