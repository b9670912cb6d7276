//! Texts of Canal's messages as values of their MySQL types.

use tidegate_abi::{Field, Struct, Value};

use super::translate::Translator;
use crate::formats::types::{ArenaStore, Scalar, convert};

/// The types of a message's columns, which its field `mysqlType` names.
#[derive(Clone, Copy)]
pub(super) struct MySqlTypes<'b>(Struct<'b>);

/// What a column's text stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    /// A whole number, of 64 bits with or without a sign.
    Integer,
    /// A number with all of its digits, and the number of digits after the decimal point if the type states it.
    Decimal(Option<i32>),
    /// Characters U+0000 to U+00FF, one for each byte.
    Latin1,
    /// As these types are written.
    Scalar(Scalar),
    /// Text.
    Text,
}

impl<'b> MySqlTypes<'b> {
    pub(super) fn of(message: Struct<'b>) -> Self {
        Self(message.get("mysqlType").and_then(|types| types.as_struct()).unwrap_or(Struct::EMPTY))
    }

    /// The row with typed values. Text that does not fit its type, such as the date 0000-00-00, stays.
    pub(super) fn row(self, row: Struct<'b>, translator: &mut Translator<'b, '_, '_>) -> Struct<'b> {
        if self.0.is_empty() {
            return row;
        }
        let base = translator.work.scratch.fields.len();
        for (index, (name, value)) in row.iter().enumerate() {
            let typed = match (value.as_str(), self.encoding(index, name)) {
                (Some(text), encoding) => typed(encoding, text, translator).unwrap_or(value),
                (None, _) => value,
            };
            translator.work.scratch.fields.push(Field::new(name, typed));
        }
        let typed = translator.work.arena.object(&translator.work.scratch.fields[base..]);
        translator.work.scratch.fields.truncate(base);
        typed.as_struct().unwrap_or(row)
    }

    /// The encoding of a column. Types mostly come in the order of the row.
    fn encoding(self, index: usize, column: &str) -> Encoding {
        let at_index = self.0.fields().get(index).filter(|field| field.name() == column);
        let ty = at_index.map(Field::value).or_else(|| self.0.get(column));
        ty.and_then(|ty| ty.as_str()).map_or(Encoding::Text, encoding)
    }
}

/// Types whose values are bytes, those of MySQL's internal geometry format.
const SPATIAL: [&str; 9] = [
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "geomcollection",
];

fn encoding(ty: &str) -> Encoding {
    let end = ty.find(['(', ' ']).unwrap_or(ty.len());
    let is = |name: &&str| ty[..end].eq_ignore_ascii_case(name);
    let any = |names: &[&str]| names.iter().any(is);
    match () {
        () if any(&[
            "tinyint",
            "smallint",
            "mediumint",
            "int",
            "integer",
            "bigint",
            "year",
            "bool",
            "boolean",
        ]) =>
        {
            Encoding::Integer
        }
        () if any(&["decimal", "numeric"]) => Encoding::Decimal(scale(&ty[end..])),
        () if any(&["float", "double", "real"]) => Encoding::Scalar(Scalar::Float),
        () if any(&["date"]) => Encoding::Scalar(Scalar::IsoDate),
        () if any(&["time"]) => Encoding::Scalar(Scalar::IsoTime),
        () if any(&["datetime", "timestamp"]) => Encoding::Scalar(Scalar::IsoTimestamp),
        () if any(&["json"]) => Encoding::Scalar(Scalar::Json),
        () if any(&["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"])
            || any(&SPATIAL) =>
        {
            Encoding::Latin1
        }
        () => Encoding::Text,
    }
}

/// Of `(10,4)`, 4; of `(10)`, 0.
fn scale(parameters: &str) -> Option<i32> {
    let inside = parameters.strip_prefix('(')?.split_once(')')?.0;
    inside.split_once(',').map_or(Some(0), |(_, scale)| scale.trim().parse().ok())
}

fn typed<'b>(
    encoding: Encoding,
    text: &'b str,
    translator: &mut Translator<'b, '_, '_>,
) -> Option<Value<'b>> {
    let arena = translator.work.arena;
    let mut convert = |scalar, value| {
        let mut store = ArenaStore { arena, buffer: &mut translator.work.scratch.bytes };
        convert(scalar, value, &mut store).ok()
    };
    match encoding {
        Encoding::Integer => text.parse().map(Value::int).ok().or_else(|| text.parse().map(Value::uint).ok()),
        Encoding::Decimal(Some(scale)) => convert(Scalar::Decimal(scale), Value::number(text)),
        Encoding::Decimal(None) if is_decimal(text) => {
            let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
            convert(Scalar::Decimal(i32::try_from(digits).ok()?), Value::number(text))
        }
        Encoding::Decimal(None) | Encoding::Text => None,
        Encoding::Latin1 => {
            let bytes = &mut translator.work.scratch.bytes;
            bytes.clear();
            for character in text.chars() {
                bytes.push(u8::try_from(u32::from(character)).ok()?);
            }
            Some(Value::bytes(arena.slice(bytes)))
        }
        Encoding::Scalar(Scalar::Float) => text.parse().ok().map(Value::float),
        Encoding::Scalar(scalar) => convert(scalar, Value::string(text)),
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_by_their_names() {
        for (ty, expected) in [
            ("int(11)", Encoding::Integer),
            ("bigint unsigned", Encoding::Integer),
            ("TINYINT(1)", Encoding::Integer),
            ("decimal(10,4)", Encoding::Decimal(Some(4))),
            ("decimal(10, 2) unsigned", Encoding::Decimal(Some(2))),
            ("decimal(10)", Encoding::Decimal(Some(0))),
            ("decimal", Encoding::Decimal(None)),
            ("datetime(6)", Encoding::Scalar(Scalar::IsoTimestamp)),
            ("varbinary(16)", Encoding::Latin1),
            ("point", Encoding::Latin1),
            ("MULTIPOLYGON", Encoding::Latin1),
            ("varchar(255)", Encoding::Text),
            ("enum('a','b')", Encoding::Text),
            ("bit(1)", Encoding::Text),
            ("", Encoding::Text),
        ] {
            assert_eq!(encoding(ty), expected, "{ty:?}");
        }
    }
}
