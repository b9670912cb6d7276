//! Random schemas and values, written by Apache's library, decode to what was written; random bytes to anything but a panic.

use apache_avro::{
    Days, Duration as AvroDuration, Millis, Months, Schema as AvroSchema, Uuid, types::Value as AvroValue,
    writer::datum::GenericDatumWriter,
};
use fastrand::Rng;
use proptest::prelude::*;
use tidegate_abi::{Date, Field, Interval, Time, Timestamp, Value};

use super::{Decoder, try_program};

/// A random type.
#[derive(Debug)]
enum Shape {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(String, usize),
    Enum(String, usize),
    Decimal(u32, i32),
    Date,
    TimeMillis,
    TimeMicros,
    /// Logical type and parts of a second.
    Timestamp(&'static str, i64),
    Uuid,
    Duration(String),
    Array(Box<Shape>),
    Map(Box<Shape>),
    Union(Vec<Shape>),
    Record(String, Vec<Shape>),
}

const TIMESTAMPS: [(&str, i64); 6] = [
    ("timestamp-millis", 1_000),
    ("timestamp-micros", 1_000_000),
    ("timestamp-nanos", 1_000_000_000),
    ("local-timestamp-millis", 1_000),
    ("local-timestamp-micros", 1_000_000),
    ("local-timestamp-nanos", 1_000_000_000),
];

struct Generator {
    rng: Rng,
    names: usize,
}

impl Generator {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    fn shape(&mut self, depth: u32) -> Shape {
        match self.rng.u32(0..if depth == 0 { 17 } else { 24 }) {
            0 => Shape::Null,
            1 => Shape::Boolean,
            2 => Shape::Int,
            3 => Shape::Long,
            4 => Shape::Float,
            5 => Shape::Double,
            6 => Shape::Bytes,
            7 | 8 => Shape::Text,
            9 => Shape::Fixed(self.name(), self.rng.usize(1..20)),
            10 => Shape::Enum(self.name(), self.rng.usize(1..5)),
            11 => {
                let precision = self.rng.u32(1..80);
                Shape::Decimal(precision, self.rng.u32(0..=precision) as i32)
            }
            12 => Shape::Date,
            13 => Shape::TimeMillis,
            14 => {
                let (name, per_second) = TIMESTAMPS[self.rng.usize(0..TIMESTAMPS.len())];
                Shape::Timestamp(name, per_second)
            }
            15 => Shape::Uuid,
            16 => Shape::Duration(self.name()),
            17 => Shape::TimeMicros,
            18 => Shape::Array(Box::new(self.shape(depth - 1))),
            19 => Shape::Map(Box::new(self.shape(depth - 1))),
            20 => self.union(depth),
            _ => {
                let name = self.name();
                let count = self.rng.usize(0..6);
                Shape::Record(name, (0..count).map(|_| self.shape(depth - 1)).collect())
            }
        }
    }

    /// No branch is of the unnamed type of another one.
    fn union(&mut self, depth: u32) -> Shape {
        let mut branches: Vec<Shape> = Vec::new();
        for _ in 0..self.rng.usize(1..4) {
            let branch = self.shape(depth - 1);
            let kind = base(&branch);
            if kind != "union" && (kind == "record" || branches.iter().all(|other| base(other) != kind)) {
                branches.push(branch);
            }
        }
        if branches.is_empty() {
            branches.push(Shape::Null);
        }
        Shape::Union(branches)
    }

    fn text(&mut self) -> String {
        (0..self.rng.usize(0..12)).map(|_| self.rng.char('\0'..'\u{10ffff}')).collect()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.rng.u8(..)).collect()
    }

    /// A number of any length.
    fn number(&mut self) -> i64 {
        self.rng.i64(..) >> self.rng.u32(0..64)
    }

    /// A value as it is written, and as it is to be decoded.
    fn value(&mut self, shape: &Shape) -> (AvroValue, Value<'static>) {
        match shape {
            Shape::Null => (AvroValue::Null, Value::NULL),
            Shape::Boolean => {
                let value = self.rng.bool();
                (AvroValue::Boolean(value), Value::bool(value))
            }
            Shape::Int => {
                let value = self.number() as i32;
                (AvroValue::Int(value), Value::int(value.into()))
            }
            Shape::Long => {
                let value = self.number();
                (AvroValue::Long(value), Value::int(value))
            }
            Shape::Float => {
                let value = f32::from_bits(self.rng.u32(..));
                // As its shortest text.
                (AvroValue::Float(value), Value::float(value.to_string().parse().unwrap()))
            }
            Shape::Double => {
                let value = f64::from_bits(self.rng.u64(..));
                (AvroValue::Double(value), Value::float(value))
            }
            Shape::Bytes => {
                let len = self.rng.usize(0..20);
                let value = self.bytes(len);
                (AvroValue::Bytes(value.clone()), Value::bytes(value.leak()))
            }
            Shape::Text => {
                let value = self.text();
                (AvroValue::String(value.clone()), Value::string(value.leak()))
            }
            Shape::Fixed(_, size) => {
                let value = self.bytes(*size);
                (AvroValue::Fixed(*size, value.clone()), Value::bytes(value.leak()))
            }
            Shape::Enum(_, symbols) => {
                let symbol = self.rng.usize(0..*symbols);
                let name = format!("S{symbol}");
                (AvroValue::Enum(symbol as u32, name.clone()), Value::string(name.leak()))
            }
            Shape::Decimal(_, scale) => {
                let len = self.rng.usize(1..40);
                let unscaled = self.bytes(len);
                let value = AvroValue::Decimal(apache_avro::Decimal::from(&unscaled));
                (value, Value::decimal(unscaled.leak(), *scale))
            }
            Shape::Date => {
                let days = self.number() as i32;
                (AvroValue::Date(days), Value::date(Date { days: days.into() }))
            }
            Shape::TimeMillis => {
                let millis = self.rng.u32(0..=86_400_000);
                let nanoseconds = u64::from(millis) * 1_000_000;
                (
                    AvroValue::TimeMillis(millis as i32),
                    Value::time(Time { nanoseconds, offset_seconds: None }),
                )
            }
            Shape::TimeMicros => {
                let micros = self.rng.u64(0..=86_400_000_000);
                let time = Time { nanoseconds: micros * 1_000, offset_seconds: None };
                (AvroValue::TimeMicros(micros as i64), Value::time(time))
            }
            Shape::Timestamp(name, per_second) => {
                let count = self.number();
                let offset = (!name.starts_with("local")).then_some(0);
                let written = match *name {
                    "timestamp-millis" => AvroValue::TimestampMillis(count),
                    "timestamp-micros" => AvroValue::TimestampMicros(count),
                    "timestamp-nanos" => AvroValue::TimestampNanos(count),
                    "local-timestamp-millis" => AvroValue::LocalTimestampMillis(count),
                    "local-timestamp-micros" => AvroValue::LocalTimestampMicros(count),
                    _ => AvroValue::LocalTimestampNanos(count),
                };
                (written, Value::timestamp(Timestamp::from_parts(count, *per_second, offset)))
            }
            Shape::Uuid => {
                let bits = self.rng.u128(..);
                (AvroValue::Uuid(Uuid::from_u128(bits)), Value::uuid(bits.to_be_bytes()))
            }
            Shape::Duration(_) => {
                let [months, days] = [(); 2].map(|()| self.rng.i32(0..i32::MAX));
                let millis = self.rng.u32(..);
                let written = AvroDuration::new(
                    Months::new(months as u32),
                    Days::new(days as u32),
                    Millis::new(millis),
                );
                let interval = Interval { months, days, microseconds: i64::from(millis) * 1_000 };
                (AvroValue::Duration(written), Value::interval(interval))
            }
            Shape::Array(item) => {
                let (written, decoded): (Vec<_>, Vec<_>) =
                    (0..self.rng.usize(0..4)).map(|_| self.value(item)).unzip();
                (AvroValue::Array(written), Value::list(decoded.leak()))
            }
            // One entry at most: the library keeps no order.
            Shape::Map(values) => {
                let entries: Vec<_> =
                    (0..self.rng.usize(0..2)).map(|_| (self.text(), self.value(values))).collect();
                let fields: Vec<_> = entries
                    .iter()
                    .map(|(name, (_, value))| Field::new(String::leak(name.clone()), *value))
                    .collect();
                let written = entries.into_iter().map(|(name, (written, _))| (name, written)).collect();
                (AvroValue::Map(written), Value::object(fields.leak()))
            }
            Shape::Union(branches) => {
                let branch = self.rng.usize(0..branches.len());
                let (written, decoded) = self.value(&branches[branch]);
                (AvroValue::Union(branch as u32, Box::new(written)), decoded)
            }
            Shape::Record(_, fields) => {
                let mut written = Vec::new();
                let mut decoded = Vec::new();
                for (index, field) in fields.iter().enumerate() {
                    let (one, other) = self.value(field);
                    let name = format!("f{index}");
                    written.push((name.clone(), one));
                    decoded.push(Field::new(name.leak(), other));
                }
                (AvroValue::Record(written), Value::object(decoded.leak()))
            }
        }
    }
}

/// The type that a union may have only once.
fn base(shape: &Shape) -> &'static str {
    match shape {
        Shape::Null => "null",
        Shape::Boolean => "boolean",
        Shape::Int | Shape::Date | Shape::TimeMillis => "int",
        Shape::Long | Shape::TimeMicros | Shape::Timestamp(..) => "long",
        Shape::Float => "float",
        Shape::Double => "double",
        Shape::Bytes | Shape::Decimal(..) => "bytes",
        Shape::Text | Shape::Uuid => "string",
        Shape::Fixed(..) | Shape::Duration(_) => "fixed",
        Shape::Enum(..) => "enum",
        Shape::Array(_) => "array",
        Shape::Map(_) => "map",
        Shape::Union(_) => "union",
        Shape::Record(..) => "record",
    }
}

fn json(shape: &Shape) -> String {
    let logical = |base: &str, name: &str| format!(r#"{{"type":"{base}","logicalType":"{name}"}}"#);
    match shape {
        Shape::Fixed(name, size) => format!(r#"{{"type":"fixed","name":"{name}","size":{size}}}"#),
        Shape::Enum(name, symbols) => {
            let symbols: Vec<String> = (0..*symbols).map(|symbol| format!("\"S{symbol}\"")).collect();
            format!(r#"{{"type":"enum","name":"{name}","symbols":[{}]}}"#, symbols.join(","))
        }
        Shape::Decimal(precision, scale) => {
            format!(r#"{{"type":"bytes","logicalType":"decimal","precision":{precision},"scale":{scale}}}"#)
        }
        Shape::Date => logical("int", "date"),
        Shape::TimeMillis => logical("int", "time-millis"),
        Shape::TimeMicros => logical("long", "time-micros"),
        Shape::Timestamp(name, _) => logical("long", name),
        Shape::Uuid => logical("string", "uuid"),
        Shape::Duration(name) => {
            format!(r#"{{"type":"fixed","name":"{name}","size":12,"logicalType":"duration"}}"#)
        }
        Shape::Array(item) => format!(r#"{{"type":"array","items":{}}}"#, json(item)),
        Shape::Map(values) => format!(r#"{{"type":"map","values":{}}}"#, json(values)),
        Shape::Union(branches) => {
            format!("[{}]", branches.iter().map(json).collect::<Vec<_>>().join(","))
        }
        Shape::Record(name, fields) => {
            let fields: Vec<String> = fields
                .iter()
                .enumerate()
                .map(|(index, field)| format!(r#"{{"name":"f{index}","type":{}}}"#, json(field)))
                .collect();
            format!(r#"{{"type":"record","name":"{name}","fields":[{}]}}"#, fields.join(","))
        }
        simple => format!("\"{}\"", base(simple)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_apaches_library_writes_is_decoded(seed: u64) {
        let mut generator = Generator { rng: Rng::with_seed(seed), names: 0 };
        let shape = generator.shape(3);
        let (written, expected) = generator.value(&shape);
        let schema = json(&shape);
        let avro_schema = AvroSchema::parse_str(&schema).unwrap();
        let writer = GenericDatumWriter::builder(&avro_schema).build().unwrap();
        let data = writer.write_value_to_vec(written).unwrap();
        let decoder = Decoder::new(try_program(&schema, None).unwrap());
        prop_assert_eq!(decoder.show(&data), format!("{expected:?}"), "{}", schema);
        // Cut anywhere, it is an error, unless what is cut off has no bytes.
        for end in 0..data.len() {
            prop_assert!(decoder.show(&data[..end]).starts_with("error: "), "{} of {} bytes: {}", end, data.len(), schema);
        }
        // As its own reader, too, which takes the other way through records.
        let resolved = Decoder::new(try_program(&schema, Some(&schema)).unwrap());
        prop_assert_eq!(resolved.show(&data), format!("{expected:?}"), "{}", schema);
    }

    #[test]
    fn random_bytes_never_panic(seed: u64, bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut generator = Generator { rng: Rng::with_seed(seed), names: 0 };
        let schema = json(&generator.shape(4));
        Decoder::new(try_program(&schema, None).unwrap()).show(&bytes);
    }

    #[test]
    fn random_readers_never_panic(seed: u64, bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut generator = Generator { rng: Rng::with_seed(seed), names: 0 };
        let writer = json(&generator.shape(3));
        generator.names = 0;
        let reader = json(&generator.shape(3));
        Decoder::new(try_program(&writer, Some(&reader)).unwrap()).show(&bytes);
    }
}
