//! Deserializes Rust types from value trees: configurations, rows, messages.

use std::fmt;

use serde::{
    de::{
        self, Deserialize, IntoDeserializer, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use tidegate_abi::{Value, ValueRef};

use crate::error::{Error, Result};

/// Deserializes a `T` from a value. Strings are borrowed from the batch if `T` borrows them.
///
/// Decimals and exact numbers arrive as text, dates and times as ISO 8601 text, bytes as bytes.
///
/// # Errors
/// If the value does not have the shape of `T`. The error rejects the record, for use in `apply` and `write`.
pub fn from_value<'b, T: Deserialize<'b>>(value: Value<'b>) -> Result<T> {
    T::deserialize(ValueDeserializer(value)).map_err(|Mismatch(message)| Error::rejected(message))
}

/// A value does not have the shape of a type.
#[derive(Debug)]
pub(crate) struct Mismatch(pub(crate) String);

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

pub(crate) struct ValueDeserializer<'b>(pub(crate) Value<'b>);

impl<'b> IntoDeserializer<'b, Mismatch> for ValueDeserializer<'b> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'b> de::Deserializer<'b> for ValueDeserializer<'b> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0.view() {
            ValueRef::Null | ValueRef::Unavailable => visitor.visit_unit(),
            ValueRef::Bool(value) => visitor.visit_bool(value),
            ValueRef::Int(value) => visitor.visit_i64(value),
            ValueRef::UInt(value) => visitor.visit_u64(value),
            ValueRef::Float(value) => visitor.visit_f64(value),
            ValueRef::Number(text) | ValueRef::String(text) | ValueRef::Json(text) => {
                visitor.visit_borrowed_str(text)
            }
            ValueRef::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            ValueRef::List(list) => {
                let mut items = SeqDeserializer::new(list.iter().map(ValueDeserializer));
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            ValueRef::Struct(row) => {
                let mut fields = MapDeserializer::new(
                    row.iter().map(|(name, value)| (Name(name), ValueDeserializer(value))),
                );
                let value = visitor.visit_map(&mut fields)?;
                fields.end().map(|()| value)
            }
            ValueRef::Unsupported(kind) => {
                Err(Mismatch(format!("a value of unknown kind {kind}: the host is newer than this plugin")))
            }
            _ => visitor.visit_string(self.0.to_string()),
        }
    }

    fn deserialize_option<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0.view() {
            ValueRef::Null | ValueRef::Unavailable => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0.view() {
            // A plugin without configuration is opened with an empty struct.
            ValueRef::Struct(row) if row.is_empty() => visitor.visit_unit(),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'b>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'b>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.0.view() {
            ValueRef::String(text) => visitor.visit_enum(text.into_deserializer()),
            ValueRef::Struct(row) => {
                let fields = row.iter().map(|(name, value)| (Name(name), ValueDeserializer(value)));
                de::value::MapAccessDeserializer::new(MapDeserializer::new(fields))
                    .deserialize_enum(name, variants, visitor)
            }
            _ => Err(Mismatch(format!("expected one of {variants:?}"))),
        }
    }

    forward_to_deserialize_any! {
        <W: Visitor<'b>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The name of a field, borrowed from the batch.
struct Name<'b>(&'b str);

impl<'b> IntoDeserializer<'b, Mismatch> for Name<'b> {
    type Deserializer = de::value::BorrowedStrDeserializer<'b, Mismatch>;

    fn into_deserializer(self) -> Self::Deserializer {
        de::value::BorrowedStrDeserializer::new(self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use tidegate_abi::Field;

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Row<'b> {
        id: i64,
        name: &'b str,
        price: Option<String>,
        tags: Vec<String>,
        mode: Mode,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Plain,
        Deep { level: u8 },
    }

    #[test]
    fn a_struct_is_deserialized_from_a_row() {
        let tags = [Value::string("a"), Value::string("b")];
        let level = [Field::new("level", Value::int(3))];
        let deep = [Field::new("deep", Value::object(&level))];
        let fields = [
            Field::new("id", Value::int(7)),
            Field::new("name", Value::string("x")),
            Field::new("price", Value::decimal(&[0x03, 0xfc], 2)),
            Field::new("tags", Value::list(&tags)),
            Field::new("mode", Value::object(&deep)),
        ];
        let row: Row<'_> = from_value(Value::object(&fields)).unwrap();
        let expected = Row {
            id: 7,
            name: "x",
            price: Some("10.20".to_owned()),
            tags: vec!["a".to_owned(), "b".to_owned()],
            mode: Mode::Deep { level: 3 },
        };
        assert_eq!(row, expected);
        assert_eq!(from_value::<Mode>(Value::string("plain")).unwrap(), Mode::Plain);
    }

    #[test]
    fn a_mismatch_rejects_the_record() {
        let error = from_value::<Row<'_>>(Value::object(&[])).unwrap_err();
        assert!(error.is_rejected());
        assert_eq!(error.message(), "missing field `id`");
    }
}
