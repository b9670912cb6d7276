//! Values as text.

use std::fmt::Write;

use tidegate_plugin::{Value, ValueRef};

/// The value as the text of a header, as Kafka Connect's `SimpleHeaderConverter` writes it; `None` for null. `buffer` is
/// for what is not text yet.
pub(crate) fn header_text<'t>(value: Value<'t>, buffer: &'t mut String) -> Option<&'t str> {
    match value.view() {
        ValueRef::Null => None,
        ValueRef::String(text) => Some(text),
        _ => {
            buffer.clear();
            // Writing to a String cannot fail.
            let _infallible = write!(buffer, "{value}");
            Some(buffer)
        }
    }
}
