//! Which column each field of a row belongs to.

use tidegate_plugin::Struct;

use super::Table;
use crate::{
    config::{Config, Metadata, TypeConflict},
    names::{Naming, metadata_column},
    sql::Meta,
    types::ColumnType,
};

/// The names that the sink gives to columns.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// The rules.
    pub(crate) naming: Naming,
    /// The four columns about the event.
    pub(crate) meta: Meta,
    /// More of them.
    pub(crate) extra: Vec<(Metadata, String)>,
    /// What becomes of values that do not fit.
    pub(crate) conflict: TypeConflict,
}

/// What a column about the event holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum About {
    /// The operation's letter.
    Operation,
    /// When the source committed.
    Timestamp,
    /// The position.
    Position,
    /// When the sink wrote it.
    ProcessedAt,
    /// What the options ask for.
    Extra(Metadata),
}

impl About {
    /// The type of such a column.
    pub(crate) fn kind(self) -> ColumnType {
        match self {
            Self::Timestamp | Self::ProcessedAt => ColumnType::TimestampTz,
            Self::Extra(Metadata::Partition | Metadata::Offset) => {
                ColumnType::Number { precision: 38, scale: 0 }
            }
            _ => ColumnType::Text { length: None },
        }
    }
}

impl Columns {
    /// The names that a configuration asks for.
    pub(crate) fn of(config: &Config, naming: Naming) -> Self {
        let meta = Meta::cased(&naming);
        let mut extra: Vec<(Metadata, String)> = Vec::new();
        for metadata in &config.metadata {
            if extra.iter().all(|(known, _)| known != metadata) {
                extra.push((*metadata, naming.cased(metadata_column(*metadata))));
            }
        }
        Self { naming, meta, extra, conflict: config.type_conflict }
    }

    /// The columns about the event, in the order in which a new table has them.
    pub(crate) fn about(&self) -> impl Iterator<Item = (About, &str)> {
        let Meta { operation, timestamp, position, processed_at, .. } = &self.meta;
        let four = [
            (About::Operation, operation.as_str()),
            (About::Timestamp, timestamp.as_str()),
            (About::Position, position.as_str()),
            (About::ProcessedAt, processed_at.as_str()),
        ];
        four.into_iter().chain(self.extra.iter().map(|(extra, name)| (About::Extra(*extra), name.as_str())))
    }

    /// The name of the column that takes what does not fit `column`, and its type; none where such records are refused.
    pub(crate) fn beside(&self, column: &str) -> Option<(String, ColumnType)> {
        match self.conflict {
            TypeConflict::Variant => {
                Some((format!("{column}{}", self.naming.cased("__variant")), ColumnType::Variant))
            }
            TypeConflict::Text => {
                Some((format!("{column}{}", self.naming.cased("__text")), ColumnType::Text { length: None }))
            }
            TypeConflict::Fail => None,
        }
    }
}

/// The columns of a row's fields, remembered for as long as rows have the same fields.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    names: Vec<String>,
    /// For each field its column, if there is one.
    fields: Vec<Option<usize>>,
}

impl Layout {
    /// The column of each field of a row in `table`, and whether it is another layout than that of the row before.
    ///
    /// # Errors
    /// When two fields mean the same column, or one means a column about the event.
    pub(crate) fn of(&mut self, row: Struct<'_>, table: &Table, columns: &Columns) -> Result<bool, String> {
        if self.names.iter().map(String::as_str).eq(row.iter().map(|(name, _)| name)) {
            return Ok(false);
        }
        self.forget();
        let fields = resolve(row, table, columns)?;
        self.names = row.iter().map(|(name, _)| name.to_owned()).collect();
        self.fields = fields;
        Ok(true)
    }

    /// The column of each field.
    pub(crate) fn fields(&self) -> &[Option<usize>] {
        &self.fields
    }

    /// Has the next row looked at afresh.
    pub(crate) fn forget(&mut self) {
        self.names.clear();
        self.fields.clear();
    }
}

fn resolve(row: Struct<'_>, table: &Table, columns: &Columns) -> Result<Vec<Option<usize>>, String> {
    let mut wanted = Vec::with_capacity(row.len());
    for (name, _) in row.iter() {
        let column = columns.naming.column(name).map_err(|error| error.to_string())?;
        if columns.about().any(|(_, about)| about == column) {
            return Err(format!(
                "the source has a column {name:?}, which is the name of one of the sink's own columns: rename or remove it with a transform"
            ));
        }
        if wanted.contains(&column) {
            return Err(format!(
                "two columns of the source become {column:?}: use identifiers = \"preserve\", or rename one with a transform"
            ));
        }
        wanted.push(column);
    }
    let mut fields: Vec<Option<usize>> =
        wanted.iter().map(|name| table.columns.iter().position(|column| column.name == *name)).collect();
    // Names that differ in case alone mean the same column only where no other field means just that column.
    for (index, name) in wanted.iter().enumerate() {
        let is_new = fields.get(index).is_some_and(Option::is_none);
        if let Some(alike) = table.find(name).filter(|alike| is_new && !fields.contains(&Some(*alike)))
            && let Some(field) = fields.get_mut(index)
        {
            *field = Some(alike);
        }
    }
    Ok(fields)
}
