//! Transforms: change, filter or multiply records.

use tidegate_abi::{
    Arena, Batch, ChangeEdit, Headers, Operation, Record, Struct, Value,
    object::RawTransform,
    raw::{AbiError, Bytes, NO_TIMESTAMP, OutRecord, Outputs, out_flags},
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

    /// Whether a process may have only one copy of this library, because it contains a library in C that keeps the state of a whole
    /// process in variables of its own, as SQLite keeps the locks of database files. If the library is replaced while the host runs,
    /// connectors in the host's process use the copy that is loaded until the host is restarted; those with `isolation = "process"` use
    /// the new one.
    const ONE_COPY_PER_PROCESS: bool = false;

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
    /// are valid only during this call, which is what `'b` stands for: write it at all three places, as here. Without it, the
    /// compiler takes the record and `out` to be of different batches, and `out.emit(record)` does not compile.
    ///
    /// # Errors
    /// [`Error::rejected`] rejects only this record, and discards what was emitted for it. Any other error ends the batch.
    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()>;

    /// Called at the end of each batch, after `apply` has seen its last record: to report metrics, to send what `apply` has
    /// gathered in one request, or to emit further outputs of the last record. `batch` has the records that `apply` has seen.
    /// A batch may be processed again after an error, and in halves to find a record that is rejected.
    ///
    /// # Errors
    /// They end the batch and discard its outputs, and are handled like those of `apply`. After [`Error::rejected`], the host
    /// looks for the record that causes it in halves of the batch.
    fn end_batch<'b>(&mut self, batch: Batch<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let _nothing_to_do = (batch, out);
        Ok(())
    }

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
        if self.outputs.push(output.into().into_raw(self.arena)) {
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

/// A record to emit: an input record with some parts replaced. Text and bytes are copied into the arena, and every function
/// adds to those before it.
///
/// Functions for rows, fields, operation and table change the event, and its value shows the same rows and operation.
/// [`Output::value`] replaces both: the host parses the new value for a change event, so that [`Record::change`] works in later
/// stages.
#[derive(Clone, Copy)]
pub struct Output<'b> {
    raw: OutRecord,
    record: Record<'b>,
    headers: Headers<'b>,
    /// The new value, if it was replaced: the event of the record is then gone.
    value: Option<Value<'b>>,
    event: ChangeEdit<'b>,
}

impl<'b> From<Record<'b>> for Output<'b> {
    fn from(record: Record<'b>) -> Self {
        Self {
            raw: OutRecord::keep(record.index()),
            record,
            headers: record.headers(),
            value: None,
            event: ChangeEdit::default(),
        }
    }
}

/// Rows, fields, operation and table.
impl<'b> Output<'b> {
    /// Starts with the unchanged record.
    #[must_use]
    pub fn of(record: Record<'b>) -> Self {
        record.into()
    }

    /// Replaces the rows of the change event. A record that is not a change event is not changed.
    ///
    /// The arena is not needed for it. It is there so that everything that changes an event is called alike.
    #[must_use]
    pub fn rows(mut self, _: Arena<'b>, before: Value<'b>, after: Value<'b>) -> Self {
        if self.is_event() {
            self.event.rows = Some((before, after));
        }
        self
    }

    /// Sets a field, in its place or at the end: of the latest row of a change event (the row after the change, or before it
    /// for a delete), or of the value of another record. A row or value that is not a struct is not changed.
    #[must_use]
    pub fn set_field(self, arena: Arena<'b>, name: &str, value: Value<'b>) -> Self {
        self.edit_latest(|row| row.with_field(arena, name, value))
    }

    /// Replaces the value of a field wherever the field exists: in both rows of a change event, or in the value of another
    /// record.
    #[must_use]
    pub fn map_field(self, arena: Arena<'b>, name: &str, map: impl Fn(Value<'b>) -> Value<'b>) -> Self {
        self.edit_all(|row| row.map_field(arena, name, &map))
    }

    /// Removes a field from both rows of a change event, or from the value of another record.
    #[must_use]
    pub fn remove_field(self, arena: Arena<'b>, name: &str) -> Self {
        self.edit_all(|row| row.without_field(arena, name))
    }

    /// Replaces the operation of the change event; its rows stay. A record that is not a change event is not changed.
    #[must_use]
    pub fn operation(mut self, operation: Operation) -> Self {
        if self.is_event() {
            self.event.operation = Some(operation);
        }
        self
    }

    /// Replaces the table of the change event. A record that is not a change event is not changed.
    #[must_use]
    pub fn table(mut self, arena: Arena<'b>, table: &str) -> Self {
        if self.is_event() {
            self.event.table = Some(arena.str(table));
        }
        self
    }

    /// Replaces the value that shows the change event, for fields next to `before` and `after`. The event stays, and its rows
    /// and operation replace those in the value if they are changed. For a record that is not a change event, this is
    /// [`Output::value`].
    #[must_use]
    pub fn envelope(mut self, value: Value<'b>) -> Self {
        if !self.is_event() {
            return self.replace_value(value);
        }
        self.event.value = Some(value);
        self
    }

    fn is_event(&self) -> bool {
        self.value.is_none() && self.record.change().is_some()
    }

    /// The rows of the change event, as changed so far.
    fn current_rows(&self) -> Option<(Value<'b>, Value<'b>)> {
        let change = self.record.change().filter(|_| self.value.is_none())?;
        Some(self.event.rows.unwrap_or((change.before_value(), change.after_value())))
    }

    fn edit_latest(mut self, edit: impl FnOnce(Struct<'b>) -> Struct<'b>) -> Self {
        let Some((before, after)) = self.current_rows() else { return self.edit_value(edit) };
        if let Some(row) = after.as_struct() {
            self.event.rows = Some((before, edit(row).to_value()));
        } else if let Some(row) = before.as_struct().filter(|_| after.is_null()) {
            self.event.rows = Some((edit(row).to_value(), after));
        }
        self
    }

    fn edit_all(mut self, edit: impl Fn(Struct<'b>) -> Struct<'b>) -> Self {
        let Some((before, after)) = self.current_rows() else { return self.edit_value(edit) };
        let edited = |row: Value<'b>| row.as_struct().map_or(row, |row| edit(row).to_value());
        self.event.rows = Some((edited(before), edited(after)));
        self
    }

    fn edit_value(self, edit: impl FnOnce(Struct<'b>) -> Struct<'b>) -> Self {
        match self.value.unwrap_or(self.record.value()).as_struct() {
            Some(value) => self.replace_value(edit(value).to_value()),
            None => self,
        }
    }
}

/// Key, value and headers.
impl<'b> Output<'b> {
    /// Replaces the key. For a key with one other field, see [`Struct::with_field`].
    #[must_use]
    pub fn key(mut self, key: Value<'b>) -> Self {
        self.raw.key = key.node();
        self.raw.flags |= out_flags::KEY;
        self
    }

    /// Replaces the value; [`Value::NULL`] makes a tombstone. Discards changes of the event, and later ones have no effect.
    #[must_use]
    pub fn value(mut self, value: Value<'b>) -> Self {
        self.raw.flags &= !out_flags::UNWRAPPED;
        self.replace_value(value)
    }

    /// Replaces the value with a row of the change event, or with [`Value::NULL`] for a delete, but keeps the event for the
    /// sink. Later transforms see a plain record. A sink that writes values writes this one, and a sink that applies events
    /// applies the event, with the row as the last transform has left it. Changes of the event that were made before are
    /// discarded. For a record that is not a change event, this is [`Output::value`].
    #[must_use]
    pub fn unwrapped(mut self, value: Value<'b>) -> Self {
        self.raw.flags |= out_flags::UNWRAPPED;
        self.replace_value(value)
    }

    fn replace_value(mut self, value: Value<'b>) -> Self {
        self.value = Some(value);
        self.event = ChangeEdit::default();
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, arena: Arena<'b>, name: &str, value: &[u8]) -> Self {
        let headers = self.headers.with(arena, name, value);
        self.headers(headers)
    }

    /// Adds a header whose value is Kafka's null.
    #[must_use]
    pub fn null_header(self, arena: Arena<'b>, name: &str) -> Self {
        let headers = self.headers.with_null(arena, name);
        self.headers(headers)
    }

    /// Sets a header: removes those of this name, and adds one.
    #[must_use]
    pub fn set_header(self, arena: Arena<'b>, name: &str, value: &[u8]) -> Self {
        self.remove_header(arena, name).header(arena, name, value)
    }

    /// Removes all headers of this name.
    #[must_use]
    pub fn remove_header(self, arena: Arena<'b>, name: &str) -> Self {
        let headers = self.headers.without(arena, name);
        self.headers(headers)
    }

    fn headers(mut self, headers: Headers<'b>) -> Self {
        self.headers = headers;
        self.raw.set_headers(headers.raw());
        self
    }
}

/// Topic, partition and timestamp.
impl<'b> Output<'b> {
    /// Replaces the topic.
    #[must_use]
    pub fn topic(mut self, arena: Arena<'b>, topic: &str) -> Self {
        self.raw.topic = Bytes::new(arena.str(topic).as_bytes());
        self.raw.flags |= out_flags::TOPIC;
        self
    }

    /// Replaces the partition that later stages see. Offsets stay those of [`Record::source_partition`].
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.raw.set_partition(partition);
        self
    }

    /// Replaces the timestamp, in milliseconds since the epoch; `None` removes it.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp: impl Into<Option<i64>>) -> Self {
        self.raw.timestamp_ms = timestamp.into().unwrap_or(NO_TIMESTAMP);
        self.raw.flags |= out_flags::TIMESTAMP;
        self
    }
}

impl<'b> Output<'b> {
    /// The output as the host reads it. The event is made here, once for all changes.
    fn into_raw(self, arena: Arena<'b>) -> OutRecord {
        let Self { mut raw, record, value, event, .. } = self;
        if let Some(value) = value {
            raw.value = value.node();
            raw.flags |= out_flags::VALUE;
            return raw;
        }
        let ChangeEdit { rows, table, operation, value: envelope } = event;
        let Some(change) = record.change() else { return raw };
        if rows.is_none() && table.is_none() && operation.is_none() && envelope.is_none() {
            return raw;
        }
        let (value, view) = change.edited(arena, &event);
        if rows.is_some() || operation.is_some() || envelope.is_some() {
            raw.value = value.node();
            raw.flags |= out_flags::VALUE;
        }
        raw.set_change(view);
        raw
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
    *at = None;
    transform.end_batch(batch, &mut Emit { outputs, arena })
}

fn reject<'b>(record: Record<'b>, reason: &str, arena: Arena<'b>, outputs: &mut Outputs) -> Result<()> {
    let mut output = Output::of(record).topic(arena, reason);
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
                .topic(arena, "new")
                .partition(7)
                .timestamp_ms(1234)
                .key(Value::int(1))
                .header(arena, "a", b"1")
                .header(arena, "b", b"2");
            out.emit(output.table(arena, "t2").rows(arena, Value::int(2), Value::int(3)))?;
            out.emit(output.rows(arena, Value::int(2), Value::int(3)).table(arena, "t2"))?;
            out.emit(output.table(arena, "t2").value(Value::NULL).table(arena, "t3"))
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
            assert_eq!((record.partition, record.timestamp_ms), (7, Some(1234)));
            assert_eq!((record.table.as_str(), &record.before, &record.after), ("t2", &json!(2), &json!(3)));
            assert_eq!(record.value["after"], 3);
        }
        assert_eq!((&applied.records[2].value, applied.records[2].operation), (&json!(null), None));
    }

    /// Edits parts of a record by name.
    struct EditParts;

    impl Transform for EditParts {
        type Config = ();

        fn open((): (), _: &Context) -> Result<Self> {
            Ok(Self)
        }

        fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
            let arena = out.arena();
            let key = record.key().as_struct().unwrap_or(Struct::EMPTY).with_field(
                arena,
                "region",
                arena.string("eu"),
            );
            out.emit(
                Output::of(record)
                    .set_field(arena, "name", arena.string("new"))
                    .set_field(arena, "added", Value::int(1))
                    .map_field(arena, "email", |_| Value::NULL)
                    .remove_field(arena, "secret")
                    .operation(Operation::Read)
                    .key(key.to_value())
                    .remove_header(arena, "trace")
                    .set_header(arena, "h", b"2")
                    .timestamp_ms(None),
            )
        }
    }

    #[test]
    fn parts_of_a_record_are_edited_by_name() {
        let row = |name: &str| json!({"name": name, "secret": "s", "email": "a@b.c", "last": true});
        let records = Records::new()
            .event(Event::update("t").key(json!({"id": 1})).before(row("old")).after(row("mid")))
            .header("trace", b"1")
            .header("h", b"0")
            .header("h", b"1")
            .header("trace", b"2")
            .event(Event::delete("t").before(json!({"name": "x"})))
            .json("plain", json!(null), json!({"secret": 1, "name": "y"}))
            .json("plain", json!(null), json!("text"))
            .tombstone("plain", json!(null));
        let applied = TransformTest::<EditParts>::open(json!({})).unwrap().apply(&records).unwrap();
        let [update, delete, plain, text, tombstone] = applied.records.as_slice() else {
            panic!("{applied:?}")
        };
        let after = json!({"name": "new", "email": null, "last": true, "added": 1});
        assert_eq!((&update.after, &update.value["after"]), (&after, &after));
        assert_eq!(update.before, json!({"name": "old", "email": null, "last": true}));
        assert_eq!((update.operation, &update.value["op"]), (Some(Operation::Read), &json!("r")));
        assert_eq!(update.key, json!({"id": 1, "region": "eu"}));
        assert_eq!(update.headers, [("h".to_owned(), b"2".to_vec())]);
        assert_eq!(update.timestamp_ms, None);
        assert_eq!((&delete.before, &delete.after), (&json!({"name": "new", "added": 1}), &json!(null)));
        assert_eq!(plain.value, json!({"name": "new", "added": 1}));
        assert_eq!(plain.operation, None);
        assert_eq!((&text.value, &tombstone.value), (&json!("text"), &json!(null)));
    }

    /// Unwraps rows, and adds a field to envelopes of inserts.
    struct Unwraps;

    impl Transform for Unwraps {
        type Config = ();

        fn open((): (), _: &Context) -> Result<Self> {
            Ok(Self)
        }

        fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
            let arena = out.arena();
            let output = Output::of(record).null_header(arena, "none");
            let change = record.change();
            if change.is_some_and(|change| change.operation() == Operation::Create) {
                let value = record.value().as_struct().unwrap_or(Struct::EMPTY);
                let value = value.with_field(arena, "more", Value::int(1));
                return out.emit(output.set_field(arena, "id", Value::int(7)).envelope(value.to_value()));
            }
            let row = change.map_or(Value::int(0), |change| change.after_value());
            out.emit(output.unwrapped(row).set_field(arena, "added", Value::int(1)))
        }
    }

    #[test]
    fn an_unwrapped_value_keeps_the_event_for_sinks() {
        let records = Records::new()
            .event(Event::update("t").key(json!({"id": 1})).before(json!({"id": 0})).after(json!({"id": 1})))
            .event(Event::delete("t").key(json!({"id": 1})).before(json!({"id": 1})))
            .event(Event::insert("t").after(json!({"id": 1})))
            .json("plain", json!(null), json!({"secret": 1}));
        let applied = TransformTest::<Unwraps>::open(json!({})).unwrap().apply(&records).unwrap();
        let [update, delete, insert, plain] = applied.records.as_slice() else { panic!("{applied:?}") };
        let row = json!({"id": 1, "added": 1});
        assert_eq!((&update.value, &update.before, &update.after), (&row, &json!(null), &row));
        assert_eq!((update.operation, update.unwrapped), (Some(Operation::Update), true));
        assert_eq!(update.headers, [("none".to_owned(), vec![])]);
        assert_eq!((&delete.value, &delete.before), (&json!(null), &json!(null)));
        assert_eq!((delete.operation, &*delete.table), (Some(Operation::Delete), "t"));
        assert_eq!((&insert.after, &insert.value["after"]), (&json!({"id": 7}), &json!({"id": 7})));
        assert_eq!((&insert.value["more"], insert.operation), (&json!(1), Some(Operation::Create)));
        assert!(!insert.unwrapped && !plain.unwrapped);
        assert_eq!((&plain.value, plain.operation), (&json!(0), None));
    }

    /// Emits one more record at the end of each batch, with the sum of its values.
    struct Sum {
        sum: i64,
        batches: usize,
    }

    impl Transform for Sum {
        type Config = ();

        fn open((): (), _: &Context) -> Result<Self> {
            Ok(Self { sum: 0, batches: 0 })
        }

        fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
            self.sum += record.value().as_i64().unwrap_or_default();
            out.emit(record)
        }

        fn end_batch<'b>(&mut self, batch: Batch<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
            let sum = std::mem::take(&mut self.sum);
            self.batches += 1;
            let Some(last) = batch.len().checked_sub(1).and_then(|last| batch.get(last)) else {
                return Ok(());
            };
            if sum > 99 {
                return Err(Error::fatal("the sum is too large"));
            }
            let arena = out.arena();
            out.emit(Output::of(last).topic(arena, "sums").value(Value::int(sum)))
        }
    }

    #[test]
    fn the_end_of_a_batch_is_a_call_of_its_own() {
        let mut transform = TransformTest::<Sum>::open(json!({})).unwrap();
        let number = |records: Records, number: i64| records.json("t", json!(null), json!(number));
        for numbers in [&[1, 2, 3][..], &[4]] {
            let applied = transform.apply(&numbers.iter().copied().fold(Records::new(), number)).unwrap();
            let last = applied.records.last().unwrap();
            assert_eq!((last.topic.as_str(), &last.value), ("sums", &json!(numbers.iter().sum::<i64>())));
            assert_eq!(applied.records.len(), numbers.len() + 1);
        }
        let error = transform.apply(&number(Records::new(), 100)).unwrap_err();
        assert_eq!(error.message(), "the sum is too large");
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
