//! MySQL's column types: the type for a value, whether it fits, and its text in loaded rows.
//!
//! ```text
//! schema field or value ── desired: the type of a new column
//! type of a column      ── parse: its kind ── charset: which characters it has
//! value, column's type  ── fit: fits, fits a wider type, or does not fit ── write: its text for LOAD DATA
//! ```

mod charset;
mod desired;
mod fit;
mod kind;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use charset::Charset;
pub(crate) use kind::{Kind, Size};
pub(crate) use parse::Described;
pub(crate) use write::LoadRows;

use std::fmt;

use tidegate_cdc::types::{Fit, MetadataKind};
use tidegate_plugin::{SchemaField, Timestamp, Value, ValueRef};

/// Maximum characters of all texts of a key: 3,072 bytes, of which a character may need four.
const KEY_CHARACTERS: usize = 768;
/// Characters of it that the other columns in the indexes of a history table need: a position, and the end of a version.
const VERSION_CHARACTERS: usize = 258;
/// The type of the position in a key. The longest one has some 120 characters, and a metadata column has to have 255.
pub(crate) const POSITION: Kind = Kind::VarChar(255);

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnType {
    /// What it holds.
    pub(crate) kind: Kind,
    /// Character set and collation of texts; `None` for those of the sink.
    pub(crate) charset: Option<Charset>,
    /// Whether the column keeps its type, because a new definition would lose its default, its comment or an index.
    pub(crate) is_fixed: bool,
}

impl From<Kind> for ColumnType {
    fn from(kind: Kind) -> Self {
        Self { kind, charset: None, is_fixed: false }
    }
}

impl ColumnType {
    /// The type of the column in the temporary table that rows are loaded into. `key_parts` is the number of columns of a key to
    /// which it belongs, `collation` that of the sink's texts.
    ///
    /// What the column of the table may refuse or read in another way, such as enumerations, is loaded as text.
    pub(crate) fn loaded(&self, key_parts: Option<usize>, collation: &str) -> String {
        let text = |name: &str| match &self.charset {
            Some(charset) => format!("{name}{charset}"),
            None => format!("{name} COLLATE {collation}"),
        };
        if let Some(parts) = key_parts.filter(|_| self.is_unlimited()) {
            let kind = self.of_key(parts);
            return if self.kind.is_text() { text(&kind) } else { kind };
        }
        match &self.kind {
            Kind::Document | Kind::Json | Kind::Native(_) | Kind::Year => text("longtext"),
            kind if kind.is_text() => text("longtext"),
            Kind::Binary(_) | Kind::VarBinary(_) | Kind::Bytes(_) => "longblob".to_owned(),
            // The first TIMESTAMP of a table could otherwise get a default.
            Kind::Timestamp(digits) => format!("datetime({digits})"),
            kind => kind.to_string(),
        }
    }

    /// The type as that of a column in a key with this number of columns, in a table that the sink creates.
    pub(crate) fn of_key(&self, parts: usize) -> String {
        self.of_characters(KEY_CHARACTERS / parts.max(1))
    }

    /// The type as that of a column in the key of a history table, in which the position is beside this number of columns.
    pub(crate) fn of_version_key(&self, parts: usize) -> String {
        self.of_characters((KEY_CHARACTERS - VERSION_CHARACTERS) / parts.max(1))
    }

    fn of_characters(&self, characters: usize) -> String {
        match self.kind {
            Kind::Text(_) | Kind::Document => format!("varchar({characters})"),
            Kind::Bytes(_) => format!("varbinary({})", 4 * characters),
            _ => self.to_string(),
        }
    }

    fn is_unlimited(&self) -> bool {
        matches!(self.kind, Kind::Text(_) | Kind::Bytes(_))
    }

    /// The type with its collation, as in the definition of a column in a table with any.
    pub(crate) fn with_collation(&self, collation: &str) -> String {
        match self.charset {
            None if self.kind.is_text() || self.is_document() => format!("{self} COLLATE {collation}"),
            _ => self.to_string(),
        }
    }

    /// What reads a loaded element, with a `?` for it.
    pub(crate) fn read(&self) -> &'static str {
        match self.kind {
            Kind::Binary(_) | Kind::VarBinary(_) | Kind::Bytes(_) => "UNHEX(?)",
            Kind::Bit(_) => "CAST(? AS UNSIGNED)",
            _ => "?",
        }
    }

    /// Condition that two columns of this type are equal. Most collations say that of texts that differ in case or in spaces at the
    /// end, which are different rows in the source.
    pub(crate) fn same(&self, one: &str, other: &str) -> String {
        if self.charset.is_none() {
            return format!("{one} = {other}");
        }
        format!("{one} = {other} AND CAST({one} AS BINARY) = CAST({other} AS BINARY)")
    }

    /// Condition that a stored value and a loaded one are the same, or both null.
    pub(crate) fn is_unchanged(&self, stored: &str, loaded: &str) -> String {
        match (&self.kind, &self.charset) {
            (Kind::Json, _) => format!("{stored} <=> CAST({loaded} AS JSON)"),
            (_, None) => format!("{stored} <=> {loaded}"),
            (_, Some(_)) => format!("CAST({stored} AS BINARY) <=> CAST({loaded} AS BINARY)"),
        }
    }

    /// Whether a check lets the column hold only JSON.
    pub(crate) fn is_document(&self) -> bool {
        self.kind == Kind::Document
    }

    /// Fractional digits of a second, if there are fewer than nanoseconds have.
    pub(crate) fn kept_fraction(&self) -> Option<u8> {
        match self.kind {
            Kind::Time(digits) | Kind::DateTime(digits) | Kind::Timestamp(digits) => Some(digits),
            _ => None,
        }
    }

    /// The same column with another kind.
    fn widened(&self, kind: Kind) -> Self {
        Self { kind, ..self.clone() }
    }
}

impl fmt::Display for ColumnType {
    /// As in a column definition.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.kind)?;
        self.charset.iter().try_for_each(|charset| write!(formatter, "{charset}"))
    }
}

impl tidegate_cdc::types::ColumnType for ColumnType {
    fn of_field(field: SchemaField<'_>) -> Self {
        desired::of_field(field).into()
    }

    fn of_value(value: Value<'_>) -> Option<Self> {
        desired::of_value(value).map(Self::from)
    }

    fn of_kind(value: Value<'_>) -> Option<Self> {
        desired::of_kind(value).map(Self::from)
    }

    fn join(&self, other: &Self) -> Self {
        self.widened(desired::join(&self.kind, &other.kind))
    }

    fn fit(&self, value: Value<'_>) -> Fit<Self> {
        match fit::fit(self, value) {
            Fit::Fits => Fit::Fits,
            Fit::Widens(kind) if !self.is_fixed => Fit::Widens(self.widened(kind)),
            _ => Fit::Mismatch,
        }
    }

    fn write(&self, value: Value<'_>, out: &mut String) {
        write::write(&self.kind, value, out);
    }

    fn of_metadata(kind: MetadataKind) -> Self {
        match kind {
            MetadataKind::Text => Kind::Text(Size::Long),
            MetadataKind::Time => Kind::DateTime(6),
            MetadataKind::Count => Kind::BIGINT,
        }
        .into()
    }

    fn can_be(&self, kind: MetadataKind) -> bool {
        match kind {
            MetadataKind::Text => {
                self.charset.is_none()
                    && matches!(self.kind, Kind::Text(Size::Medium | Size::Long) | Kind::VarChar(255..))
            }
            MetadataKind::Time => self.kind == Kind::DateTime(6),
            MetadataKind::Count => self.kind == Kind::BIGINT,
        }
    }

    fn document() -> Option<Self> {
        Some(Kind::Document.into())
    }

    fn is_supported(&self) -> bool {
        !matches!(self.kind, Kind::Unsupported(_))
    }

    fn max_bytes(&self, of_row: usize) -> Option<usize> {
        // Bytes are sent in hexadecimal.
        matches!(self.kind, Kind::Binary(_) | Kind::VarBinary(_) | Kind::Bytes(_)).then_some(of_row / 2)
    }

    /// Points in time are in UTC.
    fn loses_offset(&self, timestamp: Timestamp) -> bool {
        matches!(self.kind, Kind::DateTime(_)) && timestamp.offset_seconds.is_some_and(|offset| offset != 0)
    }
}

/// Whether a value is null, or not in the event.
fn is_missing(value: ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Null | ValueRef::Unavailable)
}
