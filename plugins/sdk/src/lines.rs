//! Writes records as lines of JSON, in the same format in every sink.

use std::fmt::{self, Write};

use tidegate_abi::{Change, Operation, Record, Value, value::write_json_string};

/// Writes a record as one JSON object without a line break:
/// `{"topic","partition","offset","timestamp","key","operation","table","before","after"}` for a change event. A message has
/// `"value"` instead of the last two members, any other record and an unwrapped row instead of the last four. The timestamp is
/// that of the Kafka record in milliseconds, or null.
///
/// # Errors
/// Only those of `out`.
pub fn write_event_line(out: &mut impl Write, record: Record<'_>) -> fmt::Result {
    write_coordinates(out, record)?;
    out.write_str(",\"key\":")?;
    record.key().write_json(out)?;
    match record.change().filter(|_| !record.is_unwrapped()) {
        Some(change) => write_change(out, change, record)?,
        None => write_value(out, record)?,
    }
    out.write_char('}')
}

/// Writes the complete Kafka record as one JSON object without a line break:
/// `{"topic","partition","offset","timestamp","headers","key","value"}`.
///
/// Headers are a list of `{"name","value"}`, because a name may occur several times. A value is text, or has its type if
/// [`Record::has_typed_headers`]. One that is not UTF-8 is written in base64.
///
/// # Errors
/// Only those of `out`.
pub fn write_record_line(out: &mut impl Write, record: Record<'_>) -> fmt::Result {
    write_coordinates(out, record)?;
    out.write_str(",\"headers\":[")?;
    for (index, header) in record.headers().iter().enumerate() {
        out.write_str(if index == 0 { "{\"name\":" } else { ",{\"name\":" })?;
        write_json_string(out, header.name)?;
        out.write_str(",\"value\":")?;
        if record.has_typed_headers() {
            header.write_simple_json(out)?;
        } else {
            header.plain_value().write_json(out)?;
        }
        out.write_char('}')?;
    }
    out.write_char(']')?;
    write_member(out, "key", record.key())?;
    write_value(out, record)?;
    out.write_char('}')
}

fn write_coordinates(out: &mut impl Write, record: Record<'_>) -> fmt::Result {
    out.write_str("{\"topic\":")?;
    write_json_string(out, record.topic())?;
    write!(out, ",\"partition\":{},\"offset\":{},\"timestamp\":", record.partition(), record.offset())?;
    match record.timestamp_ms() {
        Some(timestamp) => write!(out, "{timestamp}"),
        None => out.write_str("null"),
    }
}

fn write_change(out: &mut impl Write, change: Change<'_>, record: Record<'_>) -> fmt::Result {
    write!(out, ",\"operation\":\"{}\",\"table\":", change.operation())?;
    write_json_string(out, change.table())?;
    // A message has no rows, only a value.
    if change.operation() == Operation::Message {
        return write_value(out, record);
    }
    write_member(out, "before", change.before_value())?;
    write_member(out, "after", change.after_value())
}

fn write_value(out: &mut impl Write, record: Record<'_>) -> fmt::Result {
    out.write_str(",\"value\":")?;
    record.write_value_json(out)
}

fn write_member(out: &mut impl Write, name: &str, value: Value<'_>) -> fmt::Result {
    write!(out, ",\"{name}\":")?;
    value.write_json(out)
}
