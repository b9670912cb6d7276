//! What a column holds, without its character set.

use std::fmt;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `tinyint(1)`, which is MySQL's boolean.
    Boolean,
    /// A whole number of this many bytes.
    Integer { bytes: u8, is_unsigned: bool },
    /// An exact number.
    Decimal { precision: u8, scale: u8, is_unsigned: bool },
    /// A binary floating point number of 32 bits.
    Float { is_unsigned: bool },
    /// A binary floating point number of 64 bits.
    Double { is_unsigned: bool },
    /// This many bits.
    Bit(u8),
    /// A year from 1901 to 2155.
    Year,
    /// A date.
    Date,
    /// A time of day, with this many fractional digits.
    Time(u8),
    /// A date and time without a zone.
    DateTime(u8),
    /// A point in time from 1970 to 2038.
    Timestamp(u8),
    /// Text of up to this many characters, without spaces at its end.
    Char(u32),
    /// Text of up to this many characters.
    VarChar(u32),
    /// Text of up to this many bytes.
    Text(Size),
    /// Exactly this many bytes.
    Binary(u32),
    /// Up to this many bytes.
    VarBinary(u32),
    /// Up to this many bytes.
    Bytes(Size),
    /// One of these texts.
    Enum(Vec<String>),
    /// Some of these texts.
    Set(Vec<String>),
    /// The text of a JSON document, which a check ensures; in MariaDB, that is what `json` means.
    Document,
    /// MySQL's JSON, whose numbers are integers of 64 bits or floats.
    Json,
    /// Another type, which takes its text.
    Native(String),
    /// A type that the sink does not write.
    Unsupported(String),
}

/// Size of texts and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// 255 bytes.
    Tiny,
    /// 64 KiB.
    Plain,
    /// 16 MiB.
    Medium,
    /// 4 GiB.
    Long,
}

impl Size {
    /// Maximum bytes.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Tiny => u8::MAX.into(),
            Self::Plain => u16::MAX.into(),
            Self::Medium => (1 << 24) - 1,
            Self::Long => u32::MAX as usize,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Plain => "",
            Self::Medium => "medium",
            Self::Long => "long",
        }
    }
}

impl Kind {
    /// A whole number of 64 bits with a sign.
    pub(crate) const BIGINT: Self = Self::Integer { bytes: 8, is_unsigned: false };
    /// The number with the most digits that MySQL has, of which 30 are behind the decimal point.
    pub(super) const NUMBER: Self = Self::Decimal { precision: 65, scale: 30, is_unsigned: false };
    /// A binary floating point number of 64 bits.
    pub(super) const DOUBLE: Self = Self::Double { is_unsigned: false };

    /// Whether it has a character set.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Char(_) | Self::VarChar(_) | Self::Text(_) | Self::Enum(_) | Self::Set(_))
    }
}

impl fmt::Display for Kind {
    /// As in a column definition, without character set and checks.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, is_unsigned) = match self {
            Self::Boolean => ("tinyint(1)", false),
            Self::Integer { bytes, is_unsigned } => (integer(*bytes), *is_unsigned),
            Self::Decimal { precision, scale, is_unsigned } => {
                write!(formatter, "decimal({precision},{scale})")?;
                ("", *is_unsigned)
            }
            Self::Float { is_unsigned } => ("float", *is_unsigned),
            Self::Double { is_unsigned } => ("double", *is_unsigned),
            Self::Bit(bits) => return write!(formatter, "bit({bits})"),
            Self::Time(digits) => return write!(formatter, "time({digits})"),
            Self::DateTime(digits) => return write!(formatter, "datetime({digits})"),
            Self::Timestamp(digits) => return write!(formatter, "timestamp({digits})"),
            Self::Char(length) => return write!(formatter, "char({length})"),
            Self::VarChar(length) => return write!(formatter, "varchar({length})"),
            Self::Text(size) => return write!(formatter, "{}text", size.prefix()),
            Self::Binary(length) => return write!(formatter, "binary({length})"),
            Self::VarBinary(length) => return write!(formatter, "varbinary({length})"),
            Self::Bytes(size) => return write!(formatter, "{}blob", size.prefix()),
            Self::Enum(members) => return members_of(formatter, "enum", members),
            Self::Set(members) => return members_of(formatter, "set", members),
            Self::Year => ("year", false),
            Self::Date => ("date", false),
            Self::Document => ("longtext", false),
            Self::Json => ("json", false),
            Self::Native(name) | Self::Unsupported(name) => (name.as_str(), false),
        };
        formatter.write_str(name)?;
        if is_unsigned { formatter.write_str(" unsigned") } else { Ok(()) }
    }
}

fn integer(bytes: u8) -> &'static str {
    match bytes {
        1 => "tinyint",
        2 => "smallint",
        3 => "mediumint",
        4 => "int",
        _ => "bigint",
    }
}

fn members_of(formatter: &mut fmt::Formatter<'_>, name: &str, members: &[String]) -> fmt::Result {
    let quoted: Vec<String> =
        members.iter().map(|member| format!("'{}'", member.replace('\'', "''"))).collect();
    write!(formatter, "{name}({})", quoted.join(","))
}
