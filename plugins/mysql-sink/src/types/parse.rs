//! Types of existing columns, and types that the connector file declares.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::{Charset, ColumnType, Kind, Size};

/// Types of MariaDB that take the text of their values.
const NATIVE: [&str; 3] = ["uuid", "inet4", "inet6"];

/// A column as the server describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Described<'d> {
    /// Its type, such as `bigint(20) unsigned`.
    pub(crate) declared: &'d str,
    /// Its character set; empty if it has none.
    pub(crate) charset: &'d str,
    /// Its collation; empty if it has none.
    pub(crate) collation: &'d str,
    /// The collation of the sink's texts.
    pub(crate) own_collation: &'d str,
    /// Whether a check lets it hold only JSON.
    pub(crate) is_document: bool,
    /// Whether a new definition would lose more than the type.
    pub(crate) is_fixed: bool,
}

impl ColumnType {
    /// The type of an existing column.
    pub(crate) fn described(column: &Described<'_>) -> Self {
        let Described { declared, charset, collation, own_collation, is_document, is_fixed } = *column;
        let kind = match Kind::parse(declared) {
            Kind::Text(Size::Long) if is_document => Kind::Document,
            kind => kind,
        };
        let is_own = charset.is_empty() || collation == own_collation;
        let charset =
            (!is_own).then(|| Charset { name: charset.to_owned(), collation: collation.to_owned() });
        Self { kind, charset, is_fixed }
    }
}

impl Kind {
    /// Parses a type as the server describes it, or as in a definition.
    pub(super) fn parse(text: &str) -> Self {
        let unsupported = || Self::Unsupported(text.trim().to_owned());
        let lower = text.trim().to_lowercase();
        let (base, size, rest) = parts(&lower);
        if matches!(base, "enum" | "set") {
            let members = members(text);
            return match (members, base) {
                (Some(members), "enum") => Self::Enum(members),
                (Some(members), _) => Self::Set(members),
                _ => unsupported(),
            };
        }
        let numbers: Vec<u32> = size.split(',').filter_map(|part| part.trim().parse().ok()).collect();
        let first = numbers.first().copied();
        let is_unsigned = rest.split_whitespace().any(|word| matches!(word, "unsigned" | "zerofill"));
        let fraction = || first.and_then(|digits| u8::try_from(digits).ok()).filter(|digits| *digits <= 6);
        let digits = if first.is_none() { Some(0) } else { fraction() };
        let known = match base {
            "tinyint" if first == Some(1) && !is_unsigned => Some(Self::Boolean),
            "bool" | "boolean" => Some(Self::Boolean),
            "tinyint" | "int1" => Some(Self::Integer { bytes: 1, is_unsigned }),
            "smallint" | "int2" => Some(Self::Integer { bytes: 2, is_unsigned }),
            "mediumint" | "int3" => Some(Self::Integer { bytes: 3, is_unsigned }),
            "int" | "integer" | "int4" => Some(Self::Integer { bytes: 4, is_unsigned }),
            "bigint" | "int8" => Some(Self::Integer { bytes: 8, is_unsigned }),
            "decimal" | "numeric" | "dec" | "fixed" => decimal(&numbers, is_unsigned),
            // With two numbers, values are rounded.
            "float" | "double" | "real" | "double precision" if numbers.len() > 1 => None,
            "float" if first.is_none_or(|bits| bits <= 24) => Some(Self::Float { is_unsigned }),
            "float" | "double" | "real" | "double precision" => Some(Self::Double { is_unsigned }),
            "bit" => {
                u8::try_from(first.unwrap_or(1)).ok().filter(|bits| (1..=64).contains(bits)).map(Self::Bit)
            }
            "year" => Some(Self::Year),
            "date" => Some(Self::Date),
            "time" => digits.map(Self::Time),
            "datetime" => digits.map(Self::DateTime),
            "timestamp" => digits.map(Self::Timestamp),
            "char" => Some(Self::Char(first.unwrap_or(1))),
            "varchar" => first.map(Self::VarChar),
            "binary" => Some(Self::Binary(first.unwrap_or(1))),
            "varbinary" => first.map(Self::VarBinary),
            "json" => Some(Self::Json),
            name if NATIVE.contains(&name) => Some(Self::Native(name.to_owned())),
            name => sized(name),
        };
        known.unwrap_or_else(unsupported)
    }
}

/// Name, what is in parentheses, and what follows.
fn parts(text: &str) -> (&str, &str, &str) {
    if let Some((base, rest)) = text.split_once('(') {
        let (size, rest) = rest.rsplit_once(')').unwrap_or((rest, ""));
        return (base.trim_end(), size, rest);
    }
    for attribute in [" unsigned", " zerofill"] {
        if let Some((base, _)) = text.split_once(attribute) {
            return (base.trim_end(), "", attribute);
        }
    }
    (text, "", "")
}

fn decimal(numbers: &[u32], is_unsigned: bool) -> Option<Kind> {
    let (precision, scale) = match *numbers {
        [] => (10, 0),
        [precision] => (precision, 0),
        [precision, scale, ..] => (precision, scale),
    };
    let is_known = (1..=65).contains(&precision) && scale <= precision && scale <= 38;
    is_known.then_some(Kind::Decimal { precision: precision as u8, scale: scale as u8, is_unsigned })
}

fn sized(name: &str) -> Option<Kind> {
    let size = |prefix: &str| {
        Some(match prefix {
            "tiny" => Size::Tiny,
            "" => Size::Plain,
            "medium" => Size::Medium,
            "long" => Size::Long,
            _ => return None,
        })
    };
    if let Some(prefix) = name.strip_suffix("text") {
        return size(prefix).map(Kind::Text);
    }
    name.strip_suffix("blob").and_then(size).map(Kind::Bytes)
}

/// The texts of an `enum` or `set`.
fn members(text: &str) -> Option<Vec<String>> {
    let (_, rest) = text.split_once('(')?;
    let (list, _) = rest.rsplit_once(')')?;
    let mut members = Vec::new();
    let mut characters = list.chars().peekable();
    while characters.next_if(|next| matches!(next, ' ' | ',')).is_some() || characters.peek() == Some(&'\'') {
        if characters.next_if_eq(&'\'').is_none() {
            continue;
        }
        let mut member = String::new();
        loop {
            match characters.next()? {
                '\'' if characters.next_if_eq(&'\'').is_some() => member.push('\''),
                '\'' => break,
                other => member.push(other),
            }
        }
        members.push(member);
    }
    (!members.is_empty()).then_some(members)
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let kind = match Kind::parse(&text) {
            Kind::Unsupported(_) => {
                return Err(de::Error::custom(format_args!(
                    "{text:?} is not a column type: write it as in CREATE TABLE, such as varchar(200), decimal(12,2) or datetime(6)"
                )));
            }
            // MySQL's own type would round numbers.
            Kind::Json => Kind::Document,
            kind => kind,
        };
        Ok(kind.into())
    }
}

impl JsonSchema for ColumnType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ColumnType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "Type of a column as in CREATE TABLE, such as varchar(200) or decimal(12,2)" })
    }
}
