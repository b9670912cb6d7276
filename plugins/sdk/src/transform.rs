//! Transforms: change, filter or multiply records.

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

/// Changes, filters or multiplies records. There is one instance per task, called by one thread at a time.
pub trait Transform: Send + Sized + 'static {
    /// Type of `[transforms.config]` in the connector file; `()` if there are no options.
    type Config: PluginConfig;

    /// One-line description. If it is empty, the description of the crate is used.
    const DESCRIPTION: &'static str = "";

    /// Whether this transform reads decoded keys and values, or change events. If no stage of a task does, nothing is
    /// decoded: keys and values are null, and only their bytes are present.
    const READS_VALUES: bool = true;

    /// Checks options that are valid by their types but not by their content, such as a pattern. Nothing may be changed or
    /// connected to. `tidegate validate` calls it, and reports errors at the lines of their options; the host also calls it
    /// before every `open`. [`Error::join`] reports several errors at once.
    ///
    /// # Errors
    /// [`Error::invalid_option`], with the option: the task fails and is not restarted. Other errors are handled as those of
    /// `open`.
    fn check(config: &Self::Config) -> Result<()> {
        let _ = config;
        Ok(())
    }

    /// Creates an instance.
    ///
    /// # Errors
    /// If the transform cannot work. The task fails, or retries after a retriable error.
    fn open(config: Self::Config, context: &Context) -> Result<Self>;

    /// Processes one record: emit it, a changed record, several records, or none. Values of the record and of the arena
    /// are valid only during this call.
    ///
    /// # Errors
    /// [`Error::rejected`] rejects only this record, and discards what was emitted for it. Any other error ends the batch.
    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()>;

    /// Closes the transform.
    ///
    /// # Errors
    /// The host logs them.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Collects the outputs of a transform.
pub struct Emit<'e, 'b> {
    outputs: &'e mut Outputs,
    arena: Arena<'b>,
}

impl<'b> Emit<'_, 'b> {
    /// Emits a record, unchanged or changed.
    ///
    /// # Errors
    /// If the batch has too many outputs.
    pub fn emit(&mut self, output: impl Into<Output<'b>>) -> Result<()> {
        if self.outputs.push(output.into().raw) {
            return Ok(());
        }
        Err(Error::fatal("too many outputs for this batch: emit fewer records, or lower batch.max_records"))
    }

    /// Allocator for new values.
    #[must_use]
    pub fn arena(&self) -> Arena<'b> {
        self.arena
    }
}

/// A record to emit: an input record with some parts replaced.
///
/// The host parses a new value again, so that [`Record::change`] works in later stages.
#[derive(Clone, Copy)]
pub struct Output<'b> {
    raw: OutRecord,
    record: Record<'b>,
    // Current values of these two parts, so that every call adds to the calls before.
    change: Option<&'b ChangeView>,
    headers: &'b [HeaderView],
}

impl<'b> From<Record<'b>> for Output<'b> {
    fn from(record: Record<'b>) -> Self {
        Self { raw: OutRecord::keep(record.index()), record, change: None, headers: record.headers().raw() }
    }
}

impl<'b> Output<'b> {
    /// Starts with the unchanged record.
    #[must_use]
    pub fn of(record: Record<'b>) -> Self {
        record.into()
    }

    /// Replaces the topic.
    #[must_use]
    pub fn topic(mut self, topic: &'b str) -> Self {
        self.raw.topic = Bytes::new(topic.as_bytes());
        self.raw.flags |= out_flags::TOPIC;
        self
    }

    /// Replaces the key.
    #[must_use]
    pub fn key(mut self, key: Value<'b>) -> Self {
        self.raw.key = key.node();
        self.raw.flags |= out_flags::KEY;
        self
    }

    /// Replaces the value; [`Value::NULL`] makes a tombstone. The host parses the new value for a change event.
    #[must_use]
    pub fn value(mut self, value: Value<'b>) -> Self {
        self.raw.value = value.node();
        self.raw.flags |= out_flags::VALUE;
        self.raw.flags &= !out_flags::CHANGE;
        self.change = None;
        self
    }

    /// Replaces the rows of the change event. A record that is not a change event is not changed.
    #[must_use]
    pub fn rows(self, arena: Arena<'b>, before: Value<'b>, after: Value<'b>) -> Self {
        let Some(change) = self.record.change() else { return self };
        let (value, new) = change.with_rows(arena, before, after);
        let table = self.change.map_or(new.table, |change| change.table);
        self.value(value).change(arena.alloc(ChangeView { table, ..*new }))
    }

    /// Replaces the table of the change event. A record that is not a change event is not changed.
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

    /// Adds a header.
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
        // Outside of the guard, so that the error of a panic names the record, too.
        let mut at = None;
        let applied = self.0.call(|transform| apply_all(transform, batch, arena, outputs, &mut at));
        applied.map_err(|error| with_record(error, at).into_abi())
    }

    fn close(&mut self) -> Result<(), AbiError> {
        self.0.call(Transform::close).map_err(Error::into_abi)
    }
}

/// Adds the record to an error.
pub(crate) fn with_record(error: Error, at: Option<Record<'_>>) -> Error {
    match at {
        Some(record) => error.context(format_args!("at {record:?}")),
        None => error,
    }
}

/// Runs a transform on a whole batch. `at` is set to the current record.
pub(crate) fn apply_all<'b, T: Transform>(
    transform: &mut T,
    batch: Batch<'b>,
    arena: Arena<'b>,
    outputs: &mut Outputs,
    at: &mut Option<Record<'b>>,
) -> Result<()> {
    for record in batch.iter() {
        *at = Some(record);
        let before = outputs.len;
        match transform.apply(record, &mut Emit { outputs, arena }) {
            Ok(()) => {}
            Err(error) if error.is_rejected() => {
                outputs.len = before;
                reject(record, error.message(), arena, outputs)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn reject<'b>(record: Record<'b>, reason: &str, arena: Arena<'b>, outputs: &mut Outputs) -> Result<()> {
    let mut output = Output::of(record).topic(arena.str(reason));
    output.raw.flags = out_flags::REJECT;
    Emit { outputs, arena }.emit(output)
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Event, Records, TransformTest};

    /// Replaces every part of an event in one chain of calls.
    struct EditAll;

    impl Transform for EditAll {
        type Config = ();

        fn open((): (), _: &Context) -> Result<Self> {
            Ok(Self)
        }

        fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
            let arena = out.arena();
            let output = Output::of(record)
                .topic("new")
                .key(Value::int(1))
                .header(arena, "a", b"1")
                .header(arena, "b", b"2");
            out.emit(output.table(arena, "t2").rows(arena, Value::int(2), Value::int(3)))?;
            out.emit(output.rows(arena, Value::int(2), Value::int(3)).table(arena, "t2"))?;
            out.emit(output.table(arena, "t2").value(Value::NULL))
        }
    }

    #[test]
    fn changes_of_an_output_can_be_combined_in_any_order() {
        let records =
            Records::new().event(Event::update("t1").before(json!({})).after(json!({}))).header("old", b"0");
        let applied = TransformTest::<EditAll>::open(json!({})).unwrap().apply(&records).unwrap();
        let headers =
            [("old", b"0"), ("a", b"1"), ("b", b"2")].map(|(name, value)| (name.to_owned(), value.to_vec()));
        for record in &applied.records[..2] {
            assert_eq!(
                (record.topic.as_str(), &record.key, &record.headers[..]),
                ("new", &json!(1), &headers[..])
            );
            assert_eq!((record.table.as_str(), &record.before, &record.after), ("t2", &json!(2), &json!(3)));
            assert_eq!(record.value["after"], 3);
        }
        assert_eq!((&applied.records[2].value, applied.records[2].operation), (&json!(null), None));
    }

    /// Emits every record, then rejects large ones.
    struct Picky;

    impl Transform for Picky {
        type Config = ();

        fn open((): (), _: &Context) -> Result<Self> {
            Ok(Self)
        }

        fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
            out.emit(record)?;
            match record.value().as_i64() {
                Some(value) if value > 9 => Err(Error::rejected("too large")),
                Some(value) if value < 0 => Err(Error::fatal("below zero")),
                _ => Ok(()),
            }
        }
    }

    #[test]
    fn rejecting_a_record_discards_only_its_own_outputs() {
        let mut transform = TransformTest::<Picky>::open(json!({})).unwrap();
        let number = |records: Records, number: i64| records.json("t", json!(null), json!(number));
        let applied = transform.apply(&[1, 10, 2].into_iter().fold(Records::new(), number)).unwrap();
        assert_eq!(applied.rejected, [(1, "too large".to_owned())]);
        assert_eq!(applied.records.iter().map(|record| record.input).collect::<Vec<_>>(), [0, 2]);
        let error = transform.apply(&[1, -1].into_iter().fold(Records::new(), number)).unwrap_err();
        assert_eq!(error.message(), "at t-0@1: below zero");
    }
}
