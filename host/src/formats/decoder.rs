//! The decoder of a task: key and value in their formats, then the change event in them.

use serde::{Deserialize, Serialize};
use tidegate_abi::{
    Arena, Record,
    host::{Decode, Decoded, HostState, Part, Recognise, Rejection},
};

use super::{
    Format, Hints, InvalidUnicode,
    change::{ChangeEvents, EventError, Payload, Recogniser, RowContext, RowError, Rows},
    json::{MemoryBudget, Scratch, TooLarge},
    notices::{Notice, Notices},
    order::{Orders, Reading},
    payload::{PayloadDecoder, note_findings},
    state,
};

/// How a task's records are to be read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DecoderOptions {
    /// Format of keys.
    pub key: Format,
    /// Format of values.
    pub value: Format,
    /// What becomes of text that is no Unicode.
    pub invalid_unicode: InvalidUnicode,
    /// Types of columns, where the format does not carry them.
    pub hints: Hints,
    /// Which values are change events.
    pub change_events: ChangeEvents,
    /// What the names of fields begin with that were added to flattened rows. Default: `__`.
    pub flattened_prefix: Option<String>,
    /// Bytes that the values of one record may take, as told from its text; a record that would take more is refused.
    /// 0: no limit.
    pub max_value_bytes: usize,
}

/// Reads the records of one task. Keeps its memory, so that a record allocates nothing in the steady state.
pub struct RecordDecoder {
    key: PayloadDecoder,
    value: PayloadDecoder,
    recogniser: Recogniser,
    invalid_unicode: InvalidUnicode,
    rows: Rows,
    has_hints: bool,
    max_value_bytes: usize,
    orders: Orders,
    notices: Notices,
    scratch: Scratch<'static>,
}

/// Which parts of a record say themselves of what types they are.
#[derive(Clone, Copy)]
struct Typed {
    key: bool,
    value: bool,
    has_documents: bool,
}

impl RecordDecoder {
    /// A decoder that has seen nothing yet.
    #[must_use]
    pub fn new(options: DecoderOptions) -> Self {
        let max_value_bytes = if options.max_value_bytes == 0 { usize::MAX } else { options.max_value_bytes };
        let prefix = options.flattened_prefix.as_deref().unwrap_or("__");
        Self {
            invalid_unicode: options.invalid_unicode,
            recogniser: Recogniser::new(options.change_events, prefix, max_value_bytes),
            key: PayloadDecoder::new(Part::Key, options.key, options.invalid_unicode),
            value: PayloadDecoder::new(Part::Value, options.value, options.invalid_unicode),
            has_hints: !options.hints.is_empty(),
            rows: Rows::new(options.hints),
            max_value_bytes,
            orders: Orders::default(),
            notices: Notices::default(),
            scratch: Scratch::default(),
        }
    }

    /// Prepares for the records of a partition: see [`Reading`]. Called before the first of each batch.
    pub fn open(&mut self, at: &Reading<'_>) {
        let (order, flattened) = at.state.map_or((None, None), |state| {
            let (order, flattened) = state::split(state);
            (Some(order), flattened)
        });
        if self.orders.open(&Reading { state: order, ..*at }, &mut self.notices) {
            self.recogniser.topics.set(at.topic, at.partition, flattened);
        }
    }

    /// What has to be known of the records of a partition that were decoded so far, to go on behind them as if there had
    /// been no interruption. Opaque, and of 3,000 bytes at most.
    pub fn state(&mut self, topic: &str, partition: i32) -> HostState {
        state::join(self.orders.state(topic, partition), self.recogniser.topics.get(topic, partition))
    }

    /// Hands out what decoding has changed, passed over or could not tell since the last call.
    pub fn drain_notices(&mut self, take: impl FnMut(Notice)) {
        self.notices.drain(take);
    }

    fn read<'b>(
        &mut self,
        record: Record<'b>,
        arena: Arena<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Result<Decoded<'b>, Rejection> {
        scratch.invalid_unicode = self.invalid_unicode;
        scratch.budget = self.budget(record).map_err(|error| over_budget(record, &error))?;
        let (topic, notices) = (record.source_topic(), &mut self.notices);
        let key = self.key.read(record.key_bytes(), topic, arena, scratch, notices)?;
        let value = self.value.read(record.value_bytes(), topic, arena, scratch, notices)?;
        let mut decoded = Decoded {
            key: key.value,
            value: value.value,
            key_schema: key.schema,
            value_schema: value.schema,
            change: None,
        };
        scratch.findings.clear();
        let mut work = RowContext { arena, scratch: &mut *scratch, notices: &mut self.notices };
        let recognised = self.recogniser.recognise(&mut decoded, record, &mut work);
        let has_documents = recognised.map_err(|error| broken(&error))?;
        if !scratch.findings.is_empty() {
            note_findings(topic, decoded.value, scratch, &mut self.notices);
        }
        let typed = Typed { key: key.typed, value: value.typed, has_documents };
        self.refine(&mut decoded, record, typed, arena, scratch)?;
        if let Some(parts) = &mut decoded.change {
            self.orders.place(parts, record, &mut self.notices);
        }
        Ok(decoded)
    }

    /// What the record's values may take beyond what stands in its text.
    fn budget(&self, record: Record<'_>) -> Result<MemoryBudget, TooLarge> {
        let key = self.key.json(record.key_bytes());
        let value = self.value.json(record.value_bytes());
        MemoryBudget::after_payloads([key, value], self.max_value_bytes)
    }

    /// Types what no schema has typed.
    fn refine<'b>(
        &mut self,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        typed: Typed,
        arena: Arena<'b>,
        scratch: &mut Scratch<'b>,
    ) -> Result<(), Rejection> {
        let (key, has_documents) = (decoded.key, typed.has_documents);
        // What a document holds is typed already, save where a hint says more; its schema says nothing of it.
        let refines = if has_documents { self.has_hints } else { !typed.value };
        match &mut decoded.change {
            Some(parts) if refines => {
                let payload = Payload { key, value: decoded.value, has_documents };
                let refined = self.rows.refine(parts, payload, arena, scratch, &mut self.notices);
                (decoded.key, decoded.value) = refined.map_err(|error| misfit(&error))?;
            }
            None if self.has_hints && record.is_tombstone() => {
                let refined = self.rows.refine_key(record.topic(), key, arena, scratch, &mut self.notices);
                decoded.key = refined.map_err(|error| misfit(&error))?;
            }
            _ => {}
        }
        if typed.key && !has_documents {
            decoded.key = key;
        }
        Ok(())
    }
}

/// Key and value share the room; the value is the larger one, where there is one.
#[cold]
fn over_budget(record: Record<'_>, error: &TooLarge) -> Rejection {
    let part = if record.is_tombstone() { Part::Key } else { Part::Value };
    Rejection::too_large(part, error.to_string())
}

#[cold]
fn broken(error: &EventError) -> Rejection {
    Rejection { part: error.part(), too_large: error.is_too_large(), reason: error.to_string() }
}

#[cold]
fn misfit(error: &RowError) -> Rejection {
    Rejection::new(if error.in_key { Part::Key } else { Part::Value }, error.to_string())
}

impl Decode for RecordDecoder {
    fn decode<'b>(&mut self, record: Record<'b>, arena: Arena<'b>) -> Result<Decoded<'b>, Rejection> {
        let mut scratch: Scratch<'b> = std::mem::take(&mut self.scratch);
        let decoded = self.read(record, arena, &mut scratch);
        self.scratch = scratch.recycle();
        decoded
    }
}

impl Recognise for RecordDecoder {
    fn recognise<'b>(&mut self, record: Record<'b>, arena: Arena<'b>) -> Result<Decoded<'b>, Rejection> {
        let mut scratch: Scratch<'b> = std::mem::take(&mut self.scratch);
        let mut decoded = Decoded {
            key: record.key(),
            value: record.value(),
            key_schema: record.key_schema(),
            value_schema: record.value_schema(),
            change: None,
        };
        let mut work = RowContext { arena, scratch: &mut scratch, notices: &mut self.notices };
        let recognised = self.recogniser.recognise_made(&mut decoded, record, &mut work);
        self.scratch = scratch.recycle();
        recognised.map_err(|error| broken(&error))?;
        let Some(parts) = &mut decoded.change else { return Ok(decoded) };
        // The place in the source's log is that of the event that the record was read with.
        let before = record.change();
        parts.log_generation = before.map_or(0, |change| change.log_generation());
        parts.resent = before.is_some_and(|change| change.is_resent());
        if parts.position.is_none() {
            parts.position = before.and_then(|change| change.position()).map(|position| position.words());
            parts.inherited_position = parts.position.is_some();
        }
        Ok(decoded)
    }
}
