//! What sources mean by a plain JSON value: decimals, dates, times and the like, as Connect and Debezium encode them.
//!
//! Names and encodings: Kafka Connect's `org.apache.kafka.connect.data`, and Debezium's documentation of its PostgreSQL
//! and MySQL connectors ("Data type mappings"). A value that is of the declared type but does not fit its kind (an
//! infinite timestamp, a span with nanoseconds, a document that our reader does not take) stays as the source wrote it;
//! what is not of the type is an error.

mod bits;
mod convert;
mod decimal;
mod infinity;
mod iso;
mod mismatch;
mod semantic;
mod short_text;
mod unavailable;

pub(crate) use bits::length as bit_length;
pub(crate) use convert::{ArenaStore, convert, convert_bytes, convert_written, uuid as parse_uuid};
pub(super) use decimal::unscaled_of_bytes;
pub(crate) use mismatch::Mismatch;
pub(crate) use semantic::{Declared, Parameters, SOURCE_TYPE, is_known_collection};
pub(crate) use short_text::ShortText;
pub(crate) use unavailable::Unavailable;
pub use unavailable::{PlaceholderError, placeholder_text};

use tidegate_abi::raw::Kind;

/// The type of a value that is neither list nor struct.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scalar {
    /// True or false.
    Boolean,
    /// A whole number of at most so many bits, sign included.
    Integer(u32),
    /// A binary floating point number.
    Float,
    /// Text.
    Text,
    /// Bytes, in base64.
    Bytes,
    /// A decimal with this many digits after the point: base64 of the unscaled value, or a number.
    Decimal(i32),
    /// Days since 1970-01-01.
    Date,
    /// Parts of a second since midnight.
    Time(Unit),
    /// Parts of a second since 1970-01-01T00:00:00, without a zone.
    Timestamp(Unit),
    /// ISO 8601 date.
    IsoDate,
    /// ISO 8601 time without a zone, whatever letter ends it.
    IsoTime,
    /// ISO 8601 date and time without a zone, whatever letter ends it.
    IsoTimestamp,
    /// ISO 8601 time with an offset.
    ZonedTime,
    /// ISO 8601 date and time with an offset.
    ZonedTimestamp,
    /// Length of a span in parts of a second.
    Duration(Unit),
    /// ISO 8601 duration.
    Interval,
    /// A UUID as text.
    Uuid,
    /// A JSON document as text.
    Json,
    /// Bits in base64, the lowest byte first; so many at least, where that is known.
    Bits(Option<u32>),
}

/// Parts of a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// How many make a second.
    pub(crate) const fn per_second(self) -> i64 {
        match self {
            Self::Seconds => 1,
            Self::Millis => 1_000,
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }
}

impl Scalar {
    /// The scalar of one of Connect's primitive types.
    pub(crate) fn of_primitive(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "int8" => Self::Integer(8),
            "int16" => Self::Integer(16),
            "int32" => Self::Integer(32),
            "int64" => Self::Integer(64),
            "float" | "double" => Self::Float,
            "string" => Self::Text,
            "bytes" => Self::Bytes,
            _ => return None,
        })
    }

    /// Kind of the value that it decodes to.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Boolean => Kind::BOOL,
            Self::Integer(_) => Kind::INT,
            Self::Float => Kind::FLOAT,
            Self::Text | Self::Bits(_) => Kind::STRING,
            Self::Bytes => Kind::BYTES,
            Self::Decimal(_) => Kind::DECIMAL,
            Self::Date | Self::IsoDate => Kind::DATE,
            Self::Time(_) | Self::IsoTime | Self::ZonedTime => Kind::TIME,
            Self::Timestamp(_) | Self::IsoTimestamp | Self::ZonedTimestamp => Kind::TIMESTAMP,
            Self::Duration(_) | Self::Interval => Kind::INTERVAL,
            Self::Uuid => Kind::UUID,
            Self::Json => Kind::JSON,
        }
    }

    /// What a value of the type looks like in JSON, for errors.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Integer(8) => "a whole number of 8 bits",
            Self::Integer(16) => "a whole number of 16 bits",
            Self::Integer(32) => "a whole number of 32 bits",
            Self::Integer(_) => "a whole number of 64 bits",
            Self::Float => "a number",
            Self::Text => "text",
            Self::Bytes => "base64 for bytes",
            Self::Bits(_) => "base64 for bits",
            Self::Decimal(_) => "base64 for a decimal, or a number of its scale",
            Self::Date => "a whole number of days",
            Self::Time(_) => "a whole number for a time of day",
            Self::Timestamp(_) => "a whole number for a timestamp",
            Self::IsoDate => "an ISO 8601 date",
            Self::IsoTime | Self::ZonedTime => "an ISO 8601 time",
            Self::IsoTimestamp | Self::ZonedTimestamp => "an ISO 8601 timestamp",
            Self::Duration(_) => "a whole number for a duration",
            Self::Interval => "an ISO 8601 duration",
            Self::Uuid => "a uuid",
            Self::Json => "text for a JSON document",
        }
    }
}
