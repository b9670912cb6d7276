//! Safe access to schemas, and builders for formats.

use std::{fmt, mem::offset_of};

use crate::{
    arena::Arena,
    raw::{Bytes, FieldView, Kind, SchemaView, field_flags},
    value::Value,
};

/// The schema of a struct: a row, a key, an envelope. Lives as long as the batch with its records.
#[derive(Clone, Copy)]
pub struct Schema<'b>(&'b SchemaView);

/// One field of a schema.
#[derive(Clone, Copy)]
pub struct Field<'b>(&'b FieldView);

impl<'b> Schema<'b> {
    /// Wraps a schema.
    ///
    /// # Safety
    /// The pointer is null, or the schema and all that it points to are immutable and live for `'b`.
    #[must_use]
    pub const unsafe fn from_ptr(schema: *const SchemaView) -> Option<Self> {
        // SAFETY: guaranteed by the caller.
        match unsafe { schema.as_ref() } {
            Some(schema) => Some(Self(schema)),
            None => None,
        }
    }

    /// The pointer that crosses the boundary.
    #[must_use]
    pub const fn as_ptr(self) -> *const SchemaView {
        self.0
    }

    /// Schemas with the same id are equal. Use it as the key of a cache of bounded size: equal schemas mostly have the same id, but
    /// the host forgets ids of schemas that it has not seen for long.
    #[must_use]
    pub const fn id(self) -> u64 {
        self.0.id
    }

    /// The schema's name, such as `cdc.public.customers.Value`; may be empty.
    #[must_use]
    pub const fn name(self) -> &'b str {
        // SAFETY: the host sets it to UTF-8 that lives as long as the schema.
        unsafe { self.0.name.text() }
    }

    /// The schema's version, or 0.
    #[must_use]
    pub const fn version(self) -> u32 {
        self.0.version
    }

    /// Number of fields.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.field_count as usize
    }

    /// Whether there are no fields.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The field at `index`, in the order of the source.
    #[must_use]
    pub fn field(self, index: usize) -> Option<Field<'b>> {
        (index < self.len()).then(|| self.field_unchecked(index))
    }

    fn field_unchecked(self, index: usize) -> Field<'b> {
        debug_assert!(index < self.len());
        // SAFETY: the host has laid out `field_count` fields with the stride `field_size`, at least that of v1, and both
        // callers stay below the count.
        Field(unsafe { &*self.0.fields.add(index * self.0.field_size as usize).cast() })
    }

    /// All fields.
    pub fn fields(self) -> impl ExactSizeIterator<Item = Field<'b>> + use<'b> {
        (0..self.len()).map(move |index| self.field_unchecked(index))
    }

    /// The field `name`.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Field<'b>> {
        self.fields().find(|field| field.name() == name)
    }
}

impl<'b> Field<'b> {
    /// Name.
    #[must_use]
    pub const fn name(self) -> &'b str {
        // SAFETY: UTF-8 that lives as long as the schema.
        unsafe { self.0.name.text() }
    }

    /// Name of the semantic type in the source, such as `io.debezium.time.Date`, or else the type of the column, such as `INET`, if the
    /// schema tells it; may be empty.
    #[must_use]
    pub const fn semantic(self) -> &'b str {
        // SAFETY: UTF-8 that lives as long as the schema.
        unsafe { self.0.semantic.text() }
    }

    /// Kind of the decoded value.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.0.kind
    }

    /// Whether the field may be null.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        self.0.flags & field_flags::OPTIONAL != 0
    }

    /// Total number of digits, if known.
    #[must_use]
    pub fn precision(self) -> Option<u32> {
        (self.0.precision != 0).then_some(self.0.precision)
    }

    /// Digits after the decimal point, if fixed.
    #[must_use]
    pub fn scale(self) -> Option<i32> {
        (self.0.flags & field_flags::HAS_SCALE != 0).then_some(self.0.scale)
    }

    /// Maximum length in characters, bytes or bits, if known. That of a whole number is its size in bits, with the sign: 8 to 64.
    #[must_use]
    pub fn length(self) -> Option<u32> {
        (self.0.length != 0).then_some(self.0.length)
    }

    /// Schema of a nested struct, of a list's items (one field) or of a map's values (one field).
    #[must_use]
    pub const fn nested(self) -> Option<Schema<'b>> {
        // SAFETY: the host sets it to a schema that lives as long as this one.
        unsafe { Schema::from_ptr(self.0.nested) }
    }

    /// Default value of the field.
    #[must_use]
    pub fn default_value(self) -> Option<Value<'b>> {
        // SAFETY: the host sets it to a tree that lives as long as the schema.
        (self.0.flags & field_flags::HAS_DEFAULT != 0).then(|| unsafe { Value::from_node(self.0.default) })
    }
}

impl fmt::Debug for Schema<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct(self.name()).field("id", &self.id()).field("fields", &self.len()).finish()
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {:?} {}", self.name(), self.kind(), self.semantic())
    }
}

/// Definition of a [`Schema`], for formats.
#[derive(Clone, Debug, Default)]
pub struct SchemaDef<'m> {
    /// Id; see [`Schema::id`].
    pub id: u64,
    /// Name; may be empty.
    pub name: String,
    /// Version, 0 for none.
    pub version: u32,
    /// Fields, in order.
    pub fields: Vec<FieldDef<'m>>,
}

/// One field of a [`SchemaDef`].
#[derive(Clone, Debug)]
pub struct FieldDef<'m> {
    /// Name.
    pub name: String,
    /// Name of the semantic type; may be empty.
    pub semantic: String,
    /// Kind of the decoded value.
    pub kind: Kind,
    /// Whether the field may be null.
    pub optional: bool,
    /// Total number of digits, if known.
    pub precision: Option<u32>,
    /// Digits after the decimal point, if fixed.
    pub scale: Option<i32>,
    /// Maximum length, if known; see [`Field::length`].
    pub length: Option<u32>,
    /// Schema of nested values.
    pub nested: Option<Schema<'m>>,
    /// Default value of the field.
    pub default: Option<Value<'m>>,
}

impl<'m> SchemaDef<'m> {
    /// Creates the schema in `arena`.
    ///
    /// # Panics
    /// If the memory limit of the arena is reached.
    #[must_use]
    pub fn create(&self, arena: Arena<'m>) -> Schema<'m> {
        let fields = arena.collect(self.fields.iter().map(|field| field.view(arena)));
        let size = offset_of!(SchemaView, version) + size_of::<u32>();
        Schema(arena.alloc(SchemaView {
            size: size as u32,
            field_size: size_of::<FieldView>() as u32,
            id: self.id,
            name: text(&self.name, arena),
            fields: fields.as_ptr().cast(),
            field_count: fields.len() as u32,
            version: self.version,
        }))
    }
}

impl<'m> FieldDef<'m> {
    fn view(&self, arena: Arena<'m>) -> FieldView {
        let mut flags = 0;
        for (set, flag) in [
            (self.optional, field_flags::OPTIONAL),
            (self.scale.is_some(), field_flags::HAS_SCALE),
            (self.default.is_some(), field_flags::HAS_DEFAULT),
        ] {
            flags |= if set { flag } else { 0 };
        }
        FieldView {
            name: text(&self.name, arena),
            semantic: text(&self.semantic, arena),
            kind: self.kind,
            flags,
            reserved: 0,
            precision: self.precision.unwrap_or(0),
            scale: self.scale.unwrap_or(0),
            length: self.length.unwrap_or(0),
            nested: self.nested.map_or(std::ptr::null(), Schema::as_ptr),
            default: self.default.unwrap_or(Value::NULL).node(),
        }
    }
}

fn text(text: &str, arena: Arena<'_>) -> Bytes {
    Bytes::new(arena.str(text).as_bytes())
}
