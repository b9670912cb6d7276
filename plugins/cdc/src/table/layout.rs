//! Maps the fields of rows to columns.

use tidegate_plugin::Struct;

use super::Table;
use crate::{
    names::{Naming, metadata_column},
    options::{Metadata, Mode, Settings, TypeConflict},
    statement::{Meta, Validity},
    types::{ColumnType, MetadataKind},
};

/// Naming of columns.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The naming rules.
    pub naming: Naming,
    /// The four metadata columns.
    pub meta: Meta,
    /// The columns with the times of a version, in history tables.
    pub validity: Option<Validity>,
    /// Additional metadata columns.
    pub extra: Vec<(Metadata, String)>,
    /// What happens to values that do not fit.
    pub conflict: TypeConflict,
    /// Maximum bytes of a text or a document, and of a row as it is sent.
    pub max_value_bytes: usize,
}

/// Content of a metadata column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About {
    /// Code of the operation.
    Operation,
    /// Commit time in the source.
    Timestamp,
    /// The position.
    Position,
    /// Time of writing.
    ProcessedAt,
    /// From when a version is valid.
    ValidFrom,
    /// Until when it is, which statements determine.
    ValidTo,
    /// An additional column.
    Extra(Metadata),
}

impl About {
    /// What the column contains.
    #[must_use]
    pub fn kind(self) -> MetadataKind {
        match self {
            Self::Timestamp | Self::ProcessedAt | Self::ValidFrom | Self::ValidTo => MetadataKind::Time,
            Self::Extra(Metadata::Partition | Metadata::Offset) => MetadataKind::Count,
            _ => MetadataKind::Text,
        }
    }
}

impl Columns {
    pub(super) fn of<T>(settings: &Settings<T>, naming: Naming) -> Self {
        let meta = Meta::cased(&naming);
        let validity = (settings.options.mode == Mode::History).then(|| Validity::cased(&naming));
        let mut extra: Vec<(Metadata, String)> = Vec::new();
        for metadata in &settings.options.metadata {
            if extra.iter().all(|(known, _)| known != metadata) {
                extra.push((*metadata, naming.cased(metadata_column(*metadata))));
            }
        }
        let (conflict, max_value_bytes) = (settings.options.type_conflict, settings.max_value_bytes);
        Self { naming, meta, validity, extra, conflict, max_value_bytes }
    }

    /// The metadata columns, in the order of new tables.
    pub fn about(&self) -> impl Iterator<Item = (About, &str)> {
        let Meta { operation, timestamp, position, processed_at, .. } = &self.meta;
        let four = [
            (About::Operation, operation.as_str()),
            (About::Timestamp, timestamp.as_str()),
            (About::Position, position.as_str()),
            (About::ProcessedAt, processed_at.as_str()),
        ];
        let validity = self.validity.iter().flat_map(|validity| {
            [(About::ValidFrom, validity.from.as_str()), (About::ValidTo, validity.to.as_str())]
        });
        four.into_iter()
            .chain(validity)
            .chain(self.extra.iter().map(|(extra, name)| (About::Extra(*extra), name.as_str())))
    }

    /// Whether statements determine the content of a column, and not the rows.
    pub fn is_computed(&self, name: &str) -> bool {
        self.meta.processed_at == name || self.validity.as_ref().is_some_and(|validity| validity.to == name)
    }

    /// Name and type of the fallback column of `column`; none if such records are rejected.
    pub fn fallback<T: ColumnType>(&self, column: &str) -> Option<(String, T)> {
        let (ending, kind) = match self.conflict {
            TypeConflict::Variant => ("__variant", T::document()?),
            TypeConflict::Text => ("__text", T::of_metadata(MetadataKind::Text)),
            TypeConflict::Fail => return None,
        };
        Some((format!("{column}{}", self.naming.cased(ending)), kind))
    }
}

/// The columns of a row's fields, cached as long as rows have the same fields.
#[derive(Debug, Default)]
pub(super) struct Layout {
    names: Vec<String>,
    /// The column of each field, if there is one.
    fields: Vec<Option<usize>>,
}

impl Layout {
    /// Updates the mapping for a row. Returns whether it is different from that of the previous row.
    ///
    /// # Errors
    /// If two fields have the same column, or one has a metadata column.
    pub(super) fn of<T: Clone>(
        &mut self,
        row: Struct<'_>,
        table: &Table<T>,
        columns: &Columns,
    ) -> Result<bool, String> {
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
    pub(super) fn fields(&self) -> &[Option<usize>] {
        &self.fields
    }

    /// Invalidates the cache.
    pub(super) fn forget(&mut self) {
        self.names.clear();
        self.fields.clear();
    }
}

fn resolve<T: Clone>(
    row: Struct<'_>,
    table: &Table<T>,
    columns: &Columns,
) -> Result<Vec<Option<usize>>, String> {
    let mut wanted: Vec<String> = Vec::with_capacity(row.len());
    for (name, _) in row.iter() {
        let column = columns.naming.column(name).map_err(|error| error.to_string())?;
        if columns.about().any(|(_, about)| columns.naming.are_same(about, &column)) {
            return Err(format!(
                "the source has a column {name:?}, but the sink uses that name for one of its own columns: rename or drop it with a transform"
            ));
        }
        if wanted.iter().any(|known| columns.naming.are_same(known, &column)) {
            return Err(format!(
                "two columns of the source map to {column:?}: use identifiers = \"preserve\", or rename one with a transform"
            ));
        }
        wanted.push(column);
    }
    let mut fields: Vec<Option<usize>> =
        wanted.iter().map(|name| table.columns.iter().position(|column| column.name == *name)).collect();
    // A column whose name differs only in case is used if no other field has exactly that column.
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
