//! Transforms: records in, any number of records out.

use tidegate_abi::{
    Arena, Batch, Record, Value,
    object::RawTransform,
    raw::{AbiError, Bytes, ChangeView, HeaderView, OutRecord, Outputs, out_flags},
};

use crate::{
    config::PluginConfig,
    context::Context,
    error::{Error, Result},
    guard::Guarded,
};

/// Changes, filters or multiplies records. One instance per task; calls come from one thread at a time.
pub trait Transform: Send + Sized + 'static {
    /// What the connector file's `[transforms.config]` holds; `()` for nothing.
    type Config: PluginConfig;

    /// One line for people; empty takes the crate's description.
    const DESCRIPTION: &'static str = "";

    /// Makes an instance.
    ///
    /// # Errors
    /// Whatever keeps it from working; the task fails, or retries a retriable error.
    fn open(config: Self::Config, context: &Context) -> Result<Self>;

    /// Handles one record: emit it, a changed one, several, or none. What was read of the record, and what was made in
    /// the arena, lives only for this call.
    ///
    /// # Errors
    /// [`Error::rejected`] refuses this record alone, and drops what was emitted for it; any other error ends the batch.
    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()>;

    /// Ends the work.
    ///
    /// # Errors
    /// Whatever is worth a log line.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Where a transform puts its outputs.
pub struct Emit<'e, 'b> {
    outputs: &'e mut Outputs,
    arena: Arena<'b>,
}

impl<'b> Emit<'_, 'b> {
    /// Passes on a record, as it is or changed.
    ///
    /// # Errors
    /// When the host takes no more outputs of this batch.
    pub fn emit(&mut self, output: impl Into<Output<'b>>) -> Result<()> {
        if self.outputs.push(output.into().raw) {
            return Ok(());
        }
        Err(Error::fatal(
            "the host takes no more outputs of this batch: emit fewer records, or lower batch.max_records",
        ))
    }

    /// Where new values go.
    #[must_use]
    pub fn arena(&self) -> Arena<'b> {
        self.arena
    }
}

/// A record to be emitted: an input, with some parts replaced.
///
/// A new value is looked at anew by the host, so that [`Record::change`] works in the stages that follow.
#[derive(Clone, Copy)]
pub struct Output<'b> {
    raw: OutRecord,
    record: Record<'b>,
    // What the steps so far made of these two, so that every step adds to the ones before.
    change: Option<&'b ChangeView>,
    headers: &'b [HeaderView],
}

impl<'b> From<Record<'b>> for Output<'b> {
    fn from(record: Record<'b>) -> Self {
        Self { raw: OutRecord::keep(record.index()), record, change: None, headers: record.headers().raw() }
    }
}

impl<'b> Output<'b> {
    /// The record `record`, unchanged so far.
    #[must_use]
    pub fn of(record: Record<'b>) -> Self {
        record.into()
    }

    /// With another topic.
    #[must_use]
    pub fn topic(mut self, topic: &'b str) -> Self {
        self.raw.topic = Bytes::new(topic.as_bytes());
        self.raw.flags |= out_flags::TOPIC;
        self
    }

    /// With another key.
    #[must_use]
    pub fn key(mut self, key: Value<'b>) -> Self {
        self.raw.key = key.node();
        self.raw.flags |= out_flags::KEY;
        self
    }

    /// With another value; [`Value::NULL`] makes a tombstone. The host looks anew for a change event in it.
    #[must_use]
    pub fn value(mut self, value: Value<'b>) -> Self {
        self.raw.value = value.node();
        self.raw.flags |= out_flags::VALUE;
        self.raw.flags &= !out_flags::CHANGE;
        self.change = None;
        self
    }

    /// With other rows in the change event. A record that is no change event stays as it is.
    #[must_use]
    pub fn rows(self, arena: Arena<'b>, before: Value<'b>, after: Value<'b>) -> Self {
        let Some(change) = self.record.change() else { return self };
        let (value, new) = change.with_rows(arena, before, after);
        let table = self.change.map_or(new.table, |change| change.table);
        self.value(value).change(arena.alloc(ChangeView { table, ..*new }))
    }

    /// With another table in the change event. A record that is no change event stays as it is.
    #[must_use]
    pub fn table(self, arena: Arena<'b>, table: &str) -> Self {
        let Some(change) = self.record.change() else { return self };
        let new = change.with_table(arena, table);
        match self.change {
            Some(change) => self.change(arena.alloc(ChangeView { table: new.table, ..*change })),
            None => self.change(new),
        }
    }

    fn change(mut self, change: &'b ChangeView) -> Self {
        self.raw.set_change(change);
        self.change = Some(change);
        self
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, arena: Arena<'b>, name: &str, value: &[u8]) -> Self {
        let new = HeaderView {
            name: Bytes::new(arena.str(name).as_bytes()),
            value: Bytes::new(arena.slice(value)),
        };
        let old = self.headers;
        self.headers = arena.collect((0..old.len() + 1).map(|index| old.get(index).copied().unwrap_or(new)));
        self.raw.set_headers(self.headers);
        self
    }
}

pub(crate) struct Adapter<T>(Guarded<T>);

impl<T> Adapter<T> {
    pub(crate) fn new(transform: T) -> Self {
        Self(Guarded::new(transform))
    }
}

impl<T: Transform> RawTransform for Adapter<T> {
    fn apply<'b>(
        &mut self,
        batch: Batch<'b>,
        arena: Arena<'b>,
        outputs: &mut Outputs,
    ) -> Result<(), AbiError> {
        self.0.call(|transform| apply_all(transform, batch, arena, outputs)).map_err(Error::into_abi)
    }

    fn close(&mut self) -> Result<(), AbiError> {
        self.0.call(Transform::close).map_err(Error::into_abi)
    }
}

/// Runs a transform over a whole batch.
pub(crate) fn apply_all<'b, T: Transform>(
    transform: &mut T,
    batch: Batch<'b>,
    arena: Arena<'b>,
    outputs: &mut Outputs,
) -> Result<()> {
    for record in batch.iter() {
        let before = outputs.len;
        let outcome = transform.apply(record, &mut Emit { outputs, arena });
        match outcome {
            Ok(()) => {}
            Err(error) if error.is_rejected() => {
                outputs.len = before;
                reject(record, error.message(), arena, outputs)?;
            }
            Err(error) => return Err(error.context(format_args!("at {record:?}"))),
        }
    }
    Ok(())
}

fn reject<'b>(record: Record<'b>, reason: &str, arena: Arena<'b>, outputs: &mut Outputs) -> Result<()> {
    let mut output = Output::of(record).topic(arena.str(reason));
    output.raw.flags = out_flags::REJECT;
    Emit { outputs, arena }.emit(output)
}
