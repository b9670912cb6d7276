//! Values as text.

use std::fmt::Write;

use tidegate_plugin::{Value, ValueRef};

/// The value as the text of a header, as Kafka Connect's `SimpleHeaderConverter` writes it; `None` for null. `buffer` is
/// for what is not text yet.
pub(crate) fn header_text<'t>(value: Value<'t>, buffer: &'t mut String) -> Option<&'t str> {
    match value.view() {
        ValueRef::Null => None,
        ValueRef::String(text) => Some(text),
        ValueRef::Time(_) | ValueRef::Timestamp(_) => {
            write_to(buffer, value);
            add_milliseconds(buffer);
            Some(buffer)
        }
        _ => {
            write_to(buffer, value);
            Some(buffer)
        }
    }
}

fn write_to(buffer: &mut String, value: Value<'_>) {
    buffer.clear();
    // Writing to a String cannot fail.
    let _infallible = write!(buffer, "{value}");
}

/// Makes a time in ISO 8601 one of Kafka Connect's, which always has milliseconds and is in UTC. One that is finer stays,
/// and so does another offset.
fn add_milliseconds(text: &mut String) {
    let time = text.find('T').map_or(0, |at| at + 1);
    let end = text[time..].find(['Z', '+', '-']).map_or(text.len(), |at| time + at);
    let has_zone = end < text.len();
    match text[time..end].find('.').map(|at| end - time - at) {
        None => text.insert_str(end, ".000"),
        Some(4) => {}
        Some(_) => return,
    }
    if !has_zone {
        text.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::{Time, Timestamp};

    use super::*;

    #[test]
    fn headers_have_the_times_of_kafka_connect() {
        let timestamp = |nanoseconds, offset_seconds| {
            Value::timestamp(Timestamp { seconds: 1_714_557_600, nanoseconds, offset_seconds })
        };
        let time = |nanoseconds| Value::time(Time { nanoseconds, offset_seconds: None });
        for (value, expected) in [
            (timestamp(0, Some(0)), "2024-05-01T10:00:00.000Z"),
            (timestamp(500_000_000, None), "2024-05-01T10:00:00.500Z"),
            (timestamp(0, None), "2024-05-01T10:00:00.000Z"),
            (timestamp(1_000, None), "2024-05-01T10:00:00.000001"),
            (time(36_000_000_000_000), "10:00:00.000Z"),
            (time(36_000_001_000_000), "10:00:00.001Z"),
            (Value::int(5), "5"),
        ] {
            assert_eq!(header_text(value, &mut String::new()), Some(expected));
        }
    }
}
