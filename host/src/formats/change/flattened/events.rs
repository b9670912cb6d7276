//! Flattened rows, tombstones among them and control events: what is recognised in values without an envelope.

use tidegate_abi::{ChangeParts, Field, Operation, Record, Struct, Value, host::Decoded};

use super::{
    Marks,
    fields::{Flattened, names_of},
    topics::RowFlags,
};
use crate::formats::{
    Cause,
    change::{
        control,
        envelope::{Envelope, has_columns},
        error::{EventError, Found},
        mongodb::renamed_key,
        recognise::{ChangeEvents, Origin, Recogniser, RowContext, RowTypes, is_equal},
        tools::control_parts,
        width,
    },
    notices::Notices,
};

impl Recogniser {
    /// Finds the event in an object that has no envelope.
    ///
    /// # Errors
    /// When it is a flattened row that cannot be applied.
    #[inline(never)]
    pub(in crate::formats::change) fn without_envelope<'b>(
        &mut self,
        fields: Struct<'b>,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        work: &mut RowContext<'b, '_>,
        origin: Origin,
    ) -> Result<RowTypes, EventError> {
        if let Some(kind) = control::recognise(fields, decoded.value_schema, decoded.key, record) {
            match origin {
                Origin::Kafka => self.control_event(kind, "Debezium", fields, decoded, record, work),
                Origin::Transform => decoded.change = Some(control_parts(kind, fields)),
            }
            return Ok(RowTypes::AsValue);
        }
        let marks = match self.marks(fields, record)? {
            Some(marks) => marks,
            None if self.mode == ChangeEvents::Flattened && origin == Origin::Kafka => Marks::default(),
            None => return Ok(RowTypes::AsValue),
        };
        width::check(decoded.value)?;
        width::check(decoded.key)?;
        let flattened = self.added.unpack(fields, record.headers(), marks, work.arena, work.scratch);
        let names = self.names(&flattened, record.topic())?;
        let has_documents =
            flattened.has_documents || is_document(flattened.row, decoded.key, &mut work.scratch.text);
        if origin == Origin::Kafka {
            let announces_deletes = flattened.announces_deletes;
            let [database, schema, table] = names;
            let shown = RowFlags { announces_deletes, has_documents, database, schema, table };
            let passed_over = self.topics.see_row(record.source_topic(), record.source_partition(), shown);
            if passed_over > 0 {
                note_passed_over(work.notices, record, passed_over);
            }
        }
        let row_schema = decoded.value_schema;
        self.put_into_envelope(flattened, names, has_documents, decoded, work)?;
        if let Some(parts) = &mut decoded.change {
            parts.row_schema = row_schema;
        }
        Ok(RowTypes::AsValue)
    }

    /// Database, schema and table: those that the event says, or else the topic. With every object a row it is the topic
    /// alone, so that tombstones mean the same table as rows do.
    fn names<'b>(&self, flattened: &Flattened<'b>, topic: &'b str) -> Result<[&'b str; 3], EventError> {
        let [database, schema, table, collection] = ["db", "schema", "table", "collection"].map(|name| {
            let value = flattened.source.get(name).unwrap_or_default();
            match value.as_str() {
                None if !value.is_null() => Err(self.added.wrong_name(name, value)),
                text => Ok(text.unwrap_or_default()),
            }
        });
        let table = Some(table?).filter(|table| !table.is_empty()).unwrap_or(collection?);
        if self.mode == ChangeEvents::Flattened || table.is_empty() {
            let (schema, table) = names_of(topic);
            return Ok(["", schema, table]);
        }
        Ok([database?, schema?, table])
    }

    fn put_into_envelope<'b>(
        &self,
        flattened: Flattened<'b>,
        [database, schema, table]: [&'b str; 3],
        has_documents: bool,
        decoded: &mut Decoded<'b>,
        work: &mut RowContext<'b, '_>,
    ) -> Result<(), EventError> {
        let arena = work.arena;
        if has_documents && let Some(key) = decoded.key.as_struct().and_then(|key| renamed_key(key, arena)) {
            (decoded.key, decoded.key_schema) = (key, None);
        }
        let is_delete = flattened.operation == Operation::Delete;
        let row = if has_columns(flattened.row) { flattened.row } else { Value::NULL };
        let [before, after] = if is_delete { [row, Value::NULL] } else { [Value::NULL, row] };
        let source = source_with_names(flattened.source, [database, schema, table], work);
        let op = match flattened.operation {
            Operation::Create => "c",
            Operation::Update => "u",
            Operation::Delete => "d",
            _ => "r",
        };
        let transaction = flattened.transaction;
        let fields = [
            Field::new("before", before),
            Field::new("after", after),
            Field::new("source", source),
            Field::new("op", Value::string(op)),
            Field::new("ts_ms", flattened.ts_ms),
            Field::new(
                "transaction",
                if transaction.is_empty() { Value::NULL } else { transaction.to_value() },
            ),
        ];
        decoded.value = arena.object(&fields);
        decoded.value_schema = None;
        let envelope = Envelope::of(decoded.value.as_struct().unwrap_or(Struct::EMPTY));
        let mut parts = ChangeParts::new(flattened.operation);
        let position = envelope.fill(&mut parts, envelope.source_block(), arena, &mut work.scratch.text)?;
        envelope.take_rows(&mut parts, decoded.key)?;
        (parts.position, parts.position_text) = (position.words, position.text);
        decoded.change = Some(parts);
        Ok(())
    }

    /// A tombstone is a delete where rows are flattened and no row announces deletes. ExtractNewRecordState makes a null
    /// of a delete that still has the schema of a row, which Connect's converter writes as JSON's null and not as no value.
    ///
    /// # Errors
    /// When it does not say which row.
    #[inline(never)]
    pub(in crate::formats::change) fn tombstone<'b>(
        &mut self,
        decoded: &mut Decoded<'b>,
        record: Record<'b>,
        work: &mut RowContext<'b, '_>,
    ) -> Result<(), EventError> {
        let (topic, partition) = (record.source_topic(), record.source_partition());
        let known = self.topics.get(topic, partition);
        let is_json = record.value_bytes().is_some();
        if !is_json && known.is_some_and(|known| known.announces_deletes) {
            return Ok(());
        }
        let marks = self.marks(Struct::EMPTY, record)?.filter(|marks| marks.op == Some(Operation::Delete));
        // Elsewhere, where keys are no rows, it is a plain null.
        let is_null_row = is_json && decoded.value_schema.is_some() && has_columns(decoded.key);
        let is_delete =
            known.is_some() || marks.is_some() || is_null_row || self.mode == ChangeEvents::Flattened;
        if !is_delete {
            // A table's sink refuses a null that is no tombstone.
            if !is_json {
                self.topics.pass_over(topic, partition);
            }
            return Ok(());
        }
        if !has_columns(decoded.key) {
            return Err(EventError::TombstoneKey(Found::of(decoded.key)));
        }
        let marks = Marks { op: Some(Operation::Delete), ..marks.unwrap_or_default() };
        let flattened = self.added.unpack(Struct::EMPTY, record.headers(), marks, work.arena, work.scratch);
        let mut names = self.names(&flattened, record.topic())?;
        let mut has_documents = flattened.has_documents;
        if let Some(known) = known {
            let names_table = ["table", "collection"].iter().any(|name| flattened.source.get(name).is_some());
            if known.has_several_tables && !names_table {
                return Err(EventError::WhoseTombstone);
            }
            if !known.has_several_tables {
                names = [&known.database, &known.schema, &known.table].map(|name| work.arena.str(name));
            }
            has_documents |= known.has_documents;
        }
        self.put_into_envelope(flattened, names, has_documents, decoded, work)?;
        // It stays the tombstone that Kafka carries.
        decoded.value = Value::NULL;
        Ok(())
    }
}

/// A document has its key in `_id`, while the key of the message calls it `id`.
fn is_document<'b>(row: Value<'b>, key: Value<'b>, text: &mut String) -> bool {
    let Some([only]) = key.as_struct().map(|key| key.fields()) else { return false };
    let (Some(own), "id") = (row.get("_id"), only.name()) else { return false };
    is_equal(own, only.value(), text)
        && !row.get("id").is_some_and(|column| is_equal(column, only.value(), text))
}

/// The source block, which names the table even where no field did.
fn source_with_names<'b>(
    source: Struct<'b>,
    names: [&'b str; 3],
    work: &mut RowContext<'b, '_>,
) -> Value<'b> {
    let base = work.scratch.fields.len();
    let is_name = |name: &str| matches!(name, "db" | "schema" | "table" | "collection");
    work.scratch.fields.extend(source.fields().iter().filter(|field| !is_name(field.name())));
    for (name, value) in ["db", "schema", "table"].into_iter().zip(names) {
        if !value.is_empty() {
            work.scratch.fields.push(Field::new(name, Value::string(value)));
        }
    }
    let source = work.arena.object(&work.scratch.fields[base..]);
    work.scratch.fields.truncate(base);
    source
}

#[cold]
fn note_passed_over(notices: &mut Notices, record: Record<'_>, count: u64) {
    let place = format!("{}[{}]", record.source_topic(), record.source_partition());
    notices.note(Cause("tombstone_before_rows"), &place, || {
        format!(
            "{count} tombstones of {place} came before its first row, and were passed over, since nothing showed that the              topic has flattened rows, whose tombstones are deletes: where the target table held such rows, delete them \
             there; change_events = \"flattened\" in [source] takes every tombstone for a delete"
        )
    });
}
