//! The type of a new column.

use tidegate_plugin::{Kind, SchemaField, Value, ValueRef};

use super::ColumnType;

/// Maximum digits of a declared numeric.
const MAX_PRECISION: u32 = 1_000;

/// The type for the values of a field.
pub(super) fn of_field(field: SchemaField<'_>) -> ColumnType {
    match (field.kind(), field.semantic()) {
        (Kind::INT, _) => of_bits(field.length()),
        (Kind::UINT | Kind::NUMBER, _) => ColumnType::Numeric(None),
        (Kind::DECIMAL, _) => of_decimals(field.precision(), field.scale()),
        (Kind::FLOAT, _) => ColumnType::Double,
        (Kind::BOOL, _) => ColumnType::Boolean,
        (Kind::BYTES, _) => ColumnType::Bytea,
        (Kind::DATE, _) => ColumnType::Date,
        (Kind::TIME, "io.debezium.time.ZonedTime") => ColumnType::TimeTz,
        (Kind::TIME, _) => ColumnType::Time,
        // Avro's own timestamps are points in time, in UTC.
        (
            Kind::TIMESTAMP,
            "io.debezium.time.ZonedTimestamp" | "timestamp-millis" | "timestamp-micros" | "timestamp-nanos",
        ) => ColumnType::TimestampTz,
        (Kind::TIMESTAMP, _) => ColumnType::Timestamp,
        (Kind::INTERVAL, _) => ColumnType::Interval,
        (Kind::UUID, _) => ColumnType::Uuid,
        // Debezium does not tell by default whether the number of bits is fixed.
        (Kind::STRING, "io.debezium.data.Bits") => ColumnType::Native("bit varying".to_owned()),
        (Kind::STRING, "io.debezium.data.Tsvector") => ColumnType::Native("tsvector".to_owned()),
        (Kind::STRING, semantic) => of_source_type(semantic).unwrap_or(ColumnType::Text(None)),
        (Kind::LIST, _) => of_list(field).unwrap_or(ColumnType::Jsonb),
        _ => ColumnType::Jsonb,
    }
}

/// The same type as that of a column in another PostgreSQL server, for types of which Debezium sends the text. Others are text: they
/// may be unknown here, or read a text in another way.
fn of_source_type(name: &str) -> Option<ColumnType> {
    const SAME: [&str; 10] = [
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "int4range",
        "int8range",
        "numrange",
        "tsrange",
        "tstzrange",
        "daterange",
    ];
    let same = SAME.iter().find(|same| same.eq_ignore_ascii_case(name))?;
    Some(ColumnType::Native((*same).to_owned()))
}

/// The type for whole numbers of this many bits.
fn of_bits(bits: Option<u32>) -> ColumnType {
    match bits {
        Some(8 | 16) => ColumnType::SmallInt,
        Some(32) => ColumnType::Integer,
        _ => ColumnType::BigInt,
    }
}

/// The array for a list; none if its items are lists or structs, or if it has the pairs of a map.
fn of_list(field: SchemaField<'_>) -> Option<ColumnType> {
    let item = field.nested()?.get("item")?;
    let is_document = matches!(item.kind(), Kind::LIST | Kind::STRUCT | Kind::NULL);
    (!is_document).then(|| ColumnType::Array(Box::new(of_field(item))))
}

fn of_decimals(precision: Option<u32>, scale: Option<i32>) -> ColumnType {
    let (Some(precision), Some(scale)) = (precision, scale) else { return ColumnType::Numeric(None) };
    let fits = precision <= MAX_PRECISION && (0..=precision as i32).contains(&scale);
    ColumnType::Numeric(fits.then_some((precision as u16, scale as u16)))
}

/// The type for a value without a schema; none if the value has no type.
pub(super) fn of_value(value: Value<'_>) -> Option<ColumnType> {
    Some(match value.view() {
        ValueRef::Bool(_) => ColumnType::Boolean,
        ValueRef::Int(_) => ColumnType::BigInt,
        ValueRef::UInt(_) | ValueRef::Number(_) | ValueRef::Decimal(_) => ColumnType::Numeric(None),
        ValueRef::Float(_) => ColumnType::Double,
        ValueRef::Bytes(_) => ColumnType::Bytea,
        ValueRef::Interval(_) => ColumnType::Interval,
        ValueRef::Uuid(_) => ColumnType::Uuid,
        ValueRef::String(_) => ColumnType::Text(None),
        ValueRef::Json(_) | ValueRef::List(_) | ValueRef::Struct(_) => ColumnType::Jsonb,
        _ => return of_kind(value),
    })
}

/// The type for a kind of value, even if the value is out of range.
pub(super) fn of_kind(value: Value<'_>) -> Option<ColumnType> {
    match value.view() {
        ValueRef::Date(_) => Some(ColumnType::Date),
        ValueRef::Time(time) if time.offset_seconds.is_some() => Some(ColumnType::TimeTz),
        ValueRef::Time(_) => Some(ColumnType::Time),
        ValueRef::Timestamp(timestamp) if timestamp.offset_seconds.is_some() => Some(ColumnType::TimestampTz),
        ValueRef::Timestamp(_) => Some(ColumnType::Timestamp),
        _ => None,
    }
}

/// Combines the inferred type of a new column with that of a value that does not fit.
pub(super) fn join(one: &ColumnType, other: &ColumnType) -> ColumnType {
    match (one, other) {
        (ColumnType::Jsonb, _) | (_, ColumnType::Jsonb) => ColumnType::Jsonb,
        (ColumnType::BigInt, ColumnType::Numeric(_) | ColumnType::Double) => ColumnType::Numeric(None),
        (ColumnType::Double, ColumnType::Numeric(_)) => ColumnType::Numeric(None),
        (ColumnType::Date, ColumnType::Timestamp) => ColumnType::Timestamp,
        _ => ColumnType::Text(None),
    }
}
