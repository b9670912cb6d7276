//! Converts results in Arrow or JSON to rows of text.

use arrow_array::{
    Array, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, LargeStringArray, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field};
use serde_json::Value;
use snowflake_api::{QueryResult, RawQueryResult};

/// The result cannot be converted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowsError {
    /// Invalid Arrow data.
    #[error("the rows of the result cannot be read: {0}")]
    Arrow(String),
    /// Invalid JSON data.
    #[error("the rows of the result are not a table")]
    NoTable,
    /// An unsupported type.
    #[error("column {column} has the unsupported type {kind}: cast it to VARCHAR in the statement")]
    Type {
        /// The column.
        column: String,
        /// Its type in Arrow.
        kind: String,
    },
}

/// Columns and rows.
pub(crate) type Table = (Vec<String>, Vec<Vec<Option<String>>>);

/// Converts a result. `inline_last`: its first rows are the last part, see [`super::wire`].
///
/// # Errors
/// If it has an unsupported format or type.
pub(crate) fn read(raw: RawQueryResult, inline_last: bool) -> Result<Table, RowsError> {
    let raw = match raw {
        RawQueryResult::Bytes(mut parts) if inline_last && !parts.is_empty() => {
            parts.rotate_right(1);
            RawQueryResult::Bytes(parts)
        }
        raw => raw,
    };
    match raw.deserialize_arrow().map_err(|error| RowsError::Arrow(error.to_string()))? {
        QueryResult::Empty => Ok(Table::default()),
        QueryResult::Json(json) => {
            let columns = json.schema.into_iter().map(|field| field.name).collect();
            Ok((columns, from_json(json.value)?))
        }
        QueryResult::Arrow(batches) => from_arrow(&batches),
    }
}

fn from_json(value: Value) -> Result<Vec<Vec<Option<String>>>, RowsError> {
    let Value::Array(rows) = value else { return Err(RowsError::NoTable) };
    rows.into_iter()
        .map(|row| match row {
            Value::Array(values) => Ok(values.into_iter().map(json_text).collect()),
            _ => Err(RowsError::NoTable),
        })
        .collect()
}

fn json_text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn from_arrow(batches: &[RecordBatch]) -> Result<Table, RowsError> {
    let Some(first) = batches.first() else { return Ok(Table::default()) };
    let columns = first.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        let schema = batch.schema();
        let texts: Vec<Vec<Option<String>>> = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, array)| column_text(field, array.as_ref()))
            .collect::<Result<_, _>>()?;
        let mut columns: Vec<_> = texts.into_iter().map(Vec::into_iter).collect();
        for _ in 0..batch.num_rows() {
            rows.push(columns.iter_mut().map(|column| column.next().flatten()).collect());
        }
    }
    Ok((columns, rows))
}

fn column_text(field: &Field, array: &dyn Array) -> Result<Vec<Option<String>>, RowsError> {
    let any = array.as_any();
    let scale = scale(field);
    /// Converts an array of one type to text.
    macro_rules! texts {
        ($kind:ty, $text:expr) => {
            any.downcast_ref::<$kind>()
                .map(|values| values.iter().map(|value| value.map($text)).collect::<Vec<Option<String>>>())
        };
    }
    let texts = match field.data_type() {
        DataType::Null => Some(vec![None; array.len()]),
        DataType::Utf8 => texts!(StringArray, str::to_owned),
        DataType::LargeUtf8 => texts!(LargeStringArray, str::to_owned),
        DataType::Boolean => texts!(BooleanArray, |value| value.to_string()),
        DataType::Int8 => texts!(Int8Array, |value| decimal(value.into(), scale)),
        DataType::Int16 => texts!(Int16Array, |value| decimal(value.into(), scale)),
        DataType::Int32 => texts!(Int32Array, |value| decimal(value.into(), scale)),
        DataType::Int64 => texts!(Int64Array, |value| decimal(value.into(), scale)),
        DataType::Decimal128(_, scale) => {
            let scale = usize::try_from(*scale).unwrap_or_default();
            texts!(Decimal128Array, |value| decimal(value, scale))
        }
        DataType::Float32 => texts!(Float32Array, |value| value.to_string()),
        DataType::Float64 => texts!(Float64Array, |value| value.to_string()),
        _ => None,
    };
    let is_plain =
        matches!(logical_type(field), None | Some("FIXED" | "TEXT" | "BOOLEAN" | "REAL" | "VARIANT"));
    match texts {
        Some(texts) if is_plain => Ok(texts),
        _ => Err(RowsError::Type {
            column: field.name().clone(),
            kind: logical_type(field).map_or_else(|| field.data_type().to_string(), str::to_owned),
        }),
    }
}

/// Snowflake's name of the type. Dates and times are sent as numbers, and must not be treated as such.
fn logical_type(field: &Field) -> Option<&str> {
    field.metadata().get("logicalType").map(String::as_str)
}

/// Snowflake sends NUMBER(12,2) as an integer, with the scale in the metadata.
fn scale(field: &Field) -> usize {
    field.metadata().get("scale").and_then(|scale| scale.parse().ok()).unwrap_or_default()
}

/// The text of a number with `scale` digits after the decimal point.
pub(super) fn decimal(unscaled: i128, scale: usize) -> String {
    if scale == 0 {
        return unscaled.to_string();
    }
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    format!("{sign}{whole}.{fraction}")
}
