//! Semantic types: the names that Debezium and Kafka Connect put on a schema, and what each makes of its primitive type.
//!
//! The names are those of the sources: `LOGICAL_NAME` and `SCHEMA_NAME` in Debezium's `io.debezium.data`,
//! `io.debezium.data.geometry`, `io.debezium.data.vector`, `io.debezium.time` and
//! `io.debezium.connector.postgresql.data`, and in Kafka's `org.apache.kafka.connect.data`.

use super::{Scalar, Unit, bit_length};

/// The parameter with the type of the column in the source, such as `INET`, which Debezium's `column.propagate.source.type` adds.
pub(crate) const SOURCE_TYPE: &str = "__debezium.source.column.type";

/// What a schema says of a scalar beside its primitive type and its name.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Parameters<'s> {
    /// `scale` of a decimal.
    pub(crate) scale: Option<i32>,
    /// `length` of bits.
    pub(crate) length: Option<u32>,
    /// Type of the column in the source, where the connector is configured to tell it.
    pub(crate) source_type: &'s str,
}

/// What a semantic name makes of a primitive type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Declared {
    /// The name is known on this primitive type.
    Known(Scalar),
    /// It is not: values are of the primitive type.
    Unknown,
}

impl Declared {
    /// What the semantic `name` makes of `primitive`; an empty name makes nothing of it.
    pub(crate) fn of(name: &str, primitive: Scalar, parameters: Parameters<'_>) -> Self {
        let scalar = match primitive {
            _ if name.is_empty() => Some(primitive),
            Scalar::Integer(_) => of_integer(name, primitive),
            Scalar::Text => of_text(name),
            Scalar::Bytes => of_bytes(name, parameters),
            _ => None,
        };
        scalar.map_or(Self::Unknown, Self::Known)
    }
}

fn of_integer(name: &str, primitive: Scalar) -> Option<Scalar> {
    Some(match name {
        "org.apache.kafka.connect.data.Date" | "io.debezium.time.Date" => Scalar::Date,
        "org.apache.kafka.connect.data.Time" | "io.debezium.time.Time" => Scalar::Time(Unit::Millis),
        "org.apache.kafka.connect.data.Timestamp" | "io.debezium.time.Timestamp" => {
            Scalar::Timestamp(Unit::Millis)
        }
        "io.debezium.time.MicroTime" => Scalar::Time(Unit::Micros),
        "io.debezium.time.NanoTime" => Scalar::Time(Unit::Nanos),
        "io.debezium.time.MicroTimestamp" => Scalar::Timestamp(Unit::Micros),
        "io.debezium.time.NanoTimestamp" => Scalar::Timestamp(Unit::Nanos),
        "io.debezium.time.MicroDuration" => Scalar::Duration(Unit::Micros),
        "io.debezium.time.NanoDuration" => Scalar::Duration(Unit::Nanos),
        "io.debezium.time.Year" => primitive,
        _ => return None,
    })
}

fn of_text(name: &str) -> Option<Scalar> {
    Some(match name {
        "io.debezium.time.ZonedTimestamp" => Scalar::ZonedTimestamp,
        "io.debezium.time.ZonedTime" => Scalar::ZonedTime,
        "io.debezium.time.IsoDate" => Scalar::IsoDate,
        "io.debezium.time.IsoTime" => Scalar::IsoTime,
        "io.debezium.time.IsoTimestamp" => Scalar::IsoTimestamp,
        "io.debezium.time.Interval" => Scalar::Interval,
        "io.debezium.data.Uuid" => Scalar::Uuid,
        "io.debezium.data.Json" => Scalar::Json,
        "io.debezium.data.Enum"
        | "io.debezium.data.EnumSet"
        | "io.debezium.data.Xml"
        | "io.debezium.data.Tsvector"
        | "io.debezium.data.Ltree" => Scalar::Text,
        _ => return None,
    })
}

fn of_bytes(name: &str, parameters: Parameters<'_>) -> Option<Scalar> {
    match name {
        "org.apache.kafka.connect.data.Decimal" => parameters.scale.map(Scalar::Decimal),
        "io.debezium.data.Bits" => {
            let varies = parameters.source_type.eq_ignore_ascii_case("varbit");
            Some(Scalar::Bits(bit_length(parameters.length).filter(|_| !varies)))
        }
        _ => None,
    }
}

/// Whether nothing of what the name of a list, map or struct says is missed when its items or fields are read as they are
/// declared. Structs have names of all kinds; only those in the packages of semantic types say what the value is.
pub(crate) fn is_known_collection(type_name: &str, name: &str) -> bool {
    match type_name {
        "array" => matches!(name, "" | "io.debezium.data.FloatVector" | "io.debezium.data.DoubleVector"),
        "map" => name.is_empty(),
        _ => is_known_struct(name),
    }
}

fn is_known_struct(name: &str) -> bool {
    const PACKAGES: [&str; 3] = ["io.debezium.data.", "io.debezium.time.", "org.apache.kafka.connect.data."];
    let Some(name) = PACKAGES.iter().find_map(|package| name.strip_prefix(package)) else {
        return true;
    };
    matches!(
        name,
        "VariableScaleDecimal"
            | "SparseDoubleVector"
            | "geometry.Point"
            | "geometry.Geometry"
            | "geometry.Geography"
            | "geometry.Circle"
            | "geometry.Line"
            | "StructuredDate"
            | "StructuredTime"
            | "StructuredTimestamp"
            | "StructuredZonedTime"
            | "StructuredZonedTimestamp"
            | "StructuredDuration"
    )
}
