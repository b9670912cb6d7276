//! Topics of rows by key, as ksqlDB, Flink's `upsert-kafka` and applications write them: the key of a message is the
//! primary key, its value the row, and a tombstone deletes the row.

use tidegate_abi::{Field, Struct, Value, host::Decoded};

use super::translate::{Found, Names, Origin, Translator};
use crate::formats::change::{
    envelope::has_columns,
    error::{self, EventError},
    recognise::RowTypes,
};

/// Reads a message.
///
/// # Errors
/// When its key does not say which row it is.
pub(super) fn read<'b>(
    row: Struct<'b>,
    decoded: &Decoded<'b>,
    is_tombstone: bool,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Found, EventError> {
    let names = translator.names(Names::default());
    let key = key(names, decoded.key, translator)?;
    let source = translator.source("", names, &[]);
    let origin = Origin { names, source, ts_ms: Value::NULL, transaction: Value::NULL };
    if is_tombstone {
        translator.push("d", origin, key, [Value::NULL; 2]);
    } else {
        let row = with_key(key.as_struct().unwrap_or(Struct::EMPTY), row, translator);
        // Put in its place, whether there was one or not.
        translator.push("r", origin, key, [Value::NULL, row]);
    }
    if let Some(event) = translator.work.events.last_mut() {
        event.key_schema = decoded.key_schema.filter(|_| has_columns(decoded.key));
    }
    // What applications write is not encoded as Debezium encodes it.
    let is_plain = decoded.key_schema.is_none() && decoded.value_schema.is_none();
    Ok(Found::Events(if is_plain { RowTypes::HintsOnly } else { RowTypes::AsValue }))
}

/// The key as an object of columns. One that is a single value has the column that `[source.key_columns]` names.
fn key<'b>(
    names: Names<'b>,
    key: Value<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Value<'b>, EventError> {
    if has_columns(key) {
        return Ok(key);
    }
    let found = error::Found::of(key);
    if key.is_null() || key.as_struct().is_some() || key.as_list().is_some() {
        return Err(EventError::UpsertKey(found));
    }
    let columns = translator.key_names(names, None);
    let Some([column]) = columns else {
        return Err(EventError::UpsertKeyColumn {
            found,
            table: names.table.into(),
            count: columns.map_or(0, <[_]>::len),
        });
    };
    Ok(translator.work.arena.object(&[Field::new(column, key)]))
}

/// The row, with the columns of the key that it does not have in front.
fn with_key<'b>(key: Struct<'b>, row: Struct<'b>, translator: &mut Translator<'b, '_, '_>) -> Value<'b> {
    if key.iter().all(|(name, _)| row.get(name).is_some()) {
        return row.to_value();
    }
    let scratch = &mut translator.work.scratch.fields;
    let base = scratch.len();
    scratch.extend(key.fields().iter().filter(|field| row.get(field.name()).is_none()));
    scratch.extend(row.fields());
    let row = translator.work.arena.object(&scratch[base..]);
    scratch.truncate(base);
    row
}
