//! A compiled schema: what to read, and what to make of it.

use tidegate_abi::{Schema, Value};

use crate::formats::{
    read::Unknown,
    types::{Scalar, Unit},
};

/// A writer's schema, resolved to the reader's, if there is one.
#[derive(Debug)]
pub(crate) struct Program<'m> {
    pub(super) root: Type<'m>,
    pub(super) records: Vec<RecordType<'m>>,
    /// The schema of the value, if it is a record.
    pub(crate) schema: Option<Schema<'m>>,
    pub(crate) unknown: Vec<Unknown>,
    /// Number of types in it, and of symbols of enums.
    pub(super) types: usize,
}

impl Program<'_> {
    /// Bytes that it takes outside of its arena.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.types.saturating_mul(size_of::<Step<'_>>())
    }
}

/// Number of a record in its program: records may be recursive.
pub(super) type RecordId = u32;

/// How a value is encoded, and what becomes of it.
#[derive(Debug)]
pub(super) enum Type<'m> {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Box<[Symbol<'m>]>),
    /// An int, a long, a string or bytes that a logical or semantic type makes another value of.
    IntAs(Scalar),
    LongAs(Scalar),
    TextAs(Scalar),
    BytesAs(Scalar),
    FixedAs(usize, Scalar),
    /// Days since 1970-01-01, all of them days.
    Date,
    /// Since 1970-01-01T00:00:00, in UTC or local.
    Timestamp {
        unit: Unit,
        is_utc: bool,
    },
    /// A string that should be a UUID.
    UuidText,
    /// A fixed of 16 bytes.
    Uuid,
    /// A fixed of 12 bytes: months, days and milliseconds.
    Duration,
    /// Text of a document of MongoDB, unless it is a column of a row.
    Document,
    /// Numbers that the reader reads as a floating point number.
    IntAsFloat,
    LongAsFloat,
    /// Bytes that the reader reads as text.
    BytesAsText,
    /// Text that the reader reads as bytes.
    TextAsBytes,
    Record(RecordId),
    /// Debezium's record of a scale and an unscaled value.
    VariableScaleDecimal(RecordId),
    List(Box<Type<'m>>),
    Map(Box<Type<'m>>),
    /// Connect's form of a map whose keys are not text: a list of records of a key and a value.
    Entries {
        record: RecordId,
        is_object: bool,
    },
    /// A union of null and another type.
    Optional {
        null_at: u8,
        some: Box<Type<'m>>,
    },
    Union(Box<[Type<'m>]>),
    /// The reader cannot take what the writer wrote.
    Incompatible(&'m str),
}

/// A symbol of an enum; an error if the reader's enum does not have it.
#[derive(Debug)]
pub(super) enum Symbol<'m> {
    Known(&'m str),
    Incompatible(&'m str),
}

#[derive(Debug)]
pub(super) struct RecordType<'m> {
    /// In the writer's order.
    pub(super) steps: Vec<Step<'m>>,
    /// Fields of the reader that the writer does not have.
    pub(super) defaults: Vec<(u32, &'m str, Value<'m>)>,
    /// Number of fields of the value.
    pub(super) width: usize,
    /// The writer's fields are those of the value, in their order.
    pub(super) is_plain: bool,
    /// A row that Debezium's ExtractNewRecordState has flattened.
    pub(super) is_row: bool,
}

#[derive(Debug)]
pub(super) enum Step<'m> {
    Read {
        name: &'m str,
        /// Place in the value.
        slot: u32,
        ty: Type<'m>,
        /// The field is a row of a change event, where placeholders for unavailable values are recognised.
        is_row: bool,
    },
    Skip(Type<'m>),
}
