//! What is known of a partition as bytes: short, since they go into Kafka's commit metadata where a sink stores no offsets.
//!
//! Version byte, then numbers as LEB128. Positions of remembered events are differences to the one before.

use super::{
    event::Writer,
    log::{FormerLog, KnownWriter, SourceLog},
    partition::{MAX_SOURCES, PartitionOrder},
    seen::{MAX_SEEN, Seen, SeenEvents},
};

const VERSION: u8 = 1;

/// Kafka takes 4,096 characters of metadata by default, and base64 makes four of three bytes; some are left for what else
/// is stored. Longer states, which no
/// known source makes, go without their oldest events.
pub(super) const MAX_BYTES: usize = 2_200;

/// Why a state cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum StateError {
    #[error("version {0} is unknown: it comes from a newer host")]
    Version(u8),
    #[error("it is damaged")]
    Damaged,
}

/// The state as bytes.
pub(super) fn encode(order: &PartitionOrder) -> Vec<u8> {
    let mut bytes = write(order);
    let mut shortened = order.clone();
    while bytes.len() > MAX_BYTES {
        let longest = shortened.sources.iter_mut().max_by_key(|log| log.seen.len());
        let Some(longest) = longest.filter(|log| log.seen.len() > 0) else { break };
        longest.forget_oldest();
        bytes = write(&shortened);
    }
    bytes
}

/// The state that [`encode`] made bytes of.
///
/// # Errors
/// When they are of another version, or no state.
pub(super) fn decode(bytes: &[u8]) -> Result<PartitionOrder, StateError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => {
            let mut reader = Reader(rest);
            let order = reader.order().ok_or(StateError::Damaged)?;
            if reader.0.is_empty() { Ok(order) } else { Err(StateError::Damaged) }
        }
        Some((version, _)) => Err(StateError::Version(*version)),
        None => Err(StateError::Damaged),
    }
}

fn write(order: &PartitionOrder) -> Vec<u8> {
    let mut writer = Bytes(vec![VERSION]);
    writer.number(order.base);
    writer.0.push(u8::from(order.knows_all));
    writer.number(order.sources.len() as u64);
    order.sources.iter().for_each(|log| writer.log(log));
    writer.0
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63).cast_unsigned());
    }

    fn hash(&mut self, hash: u64) {
        self.0.extend_from_slice(&hash.to_le_bytes());
    }

    fn words(&mut self, words: &[u64; 4], base: &[u64; 4]) {
        for (word, base) in words.iter().zip(base) {
            self.signed(word.wrapping_sub(*base).cast_signed());
        }
    }

    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn log(&mut self, log: &SourceLog) {
        self.hash(log.source);
        self.number(log.generation);
        self.words(&log.high, &[0; 4]);
        self.0.extend_from_slice(&log.high_transaction.to_le_bytes());
        self.optional(log.first_ms, Self::signed);
        self.optional(log.latest_ms, Self::signed);
        self.0.push(u8::from(log.is_streamed) | u8::from(log.is_resending) << 1);
        self.optional(log.forgotten, |bytes, words| bytes.words(&words, &log.high));
        self.optional(log.former, |bytes, former| {
            bytes.number(former.generation);
            bytes.words(&former.high, &log.high);
            bytes.optional(former.latest_ms, Self::signed);
            bytes.optional(former.forgotten, |bytes, words| bytes.words(&words, &former.high));
        });
        self.number(log.writers.len() as u64);
        for known in &log.writers {
            self.hash(known.writer.id);
            self.number(known.writer.sequence);
            self.number(log.generation.wrapping_sub(known.generation));
        }
        self.number(log.seen.len() as u64);
        let mut before = log.high;
        for seen in &log.seen.0 {
            self.words(&seen.words, &before);
            before = seen.words;
            self.0.extend_from_slice(&seen.check.to_le_bytes());
            self.number(log.generation.wrapping_sub(seen.generation));
        }
    }
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    fn hash(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn words(&mut self, base: &[u64; 4]) -> Option<[u64; 4]> {
        let mut words = *base;
        for word in &mut words {
            *word = word.wrapping_add(self.signed()?.cast_unsigned());
        }
        Some(words)
    }

    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }

    fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= most)
    }

    fn order(&mut self) -> Option<PartitionOrder> {
        let base = self.number()?;
        let knows_all = self.byte()? != 0;
        let sources = (0..self.count(MAX_SOURCES)?).map(|_| self.log()).collect::<Option<_>>()?;
        Some(PartitionOrder::new(base, knows_all, sources))
    }

    fn log(&mut self) -> Option<SourceLog> {
        let source = self.hash()?;
        let generation = self.number()?;
        let high = self.words(&[0; 4])?;
        let high_transaction = u32::from_le_bytes(self.array()?);
        let first_ms = self.optional(Self::signed)?;
        let latest_ms = self.optional(Self::signed)?;
        let flags = self.byte()?;
        let forgotten = self.optional(|reader| reader.words(&high))?;
        let former = self.optional(|reader| {
            let generation = reader.number()?;
            let high = reader.words(&high)?;
            let latest_ms = reader.optional(Self::signed)?;
            let forgotten = reader.optional(|reader| reader.words(&high))?;
            Some(FormerLog { generation, high, latest_ms, forgotten })
        })?;
        let writers =
            (0..self.count(u8::MAX.into())?).map(|_| self.writer(generation)).collect::<Option<_>>()?;
        let mut seen = SeenEvents::default();
        let mut before = high;
        for _ in 0..self.count(MAX_SEEN)? {
            before = self.words(&before)?;
            let check = u32::from_le_bytes(self.array()?);
            seen.push(Seen { words: before, check, generation: generation.wrapping_sub(self.number()?) });
        }
        let (is_streamed, is_resending) = (flags & 1 != 0, flags & 2 != 0);
        Some(SourceLog {
            source,
            generation,
            high,
            high_transaction,
            first_ms,
            latest_ms,
            is_streamed,
            is_resending,
            forgotten,
            former,
            writers,
            seen,
        })
    }

    fn writer(&mut self, generation: u64) -> Option<KnownWriter> {
        let writer = Writer { id: self.hash()?, sequence: self.number()? };
        Some(KnownWriter { writer, generation: generation.wrapping_sub(self.number()?) })
    }
}
