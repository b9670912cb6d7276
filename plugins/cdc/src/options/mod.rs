//! The options that all sinks have which keep tables.

mod choices;

use std::collections::BTreeMap;

use tidegate_plugin::{HumanDuration, prelude::*};

pub use choices::{
    DeleteMode, Evolution, Identifiers, Metadata, Mode, OnUnavailable, OrderBy, OtherRecords, Truncate,
    TypeConflict, Unmatched, UpdateMissing,
};

use crate::names::{NameError, NameRules, Naming};

/// Maximum of `lanes`.
const MAX_LANES_OF_TASK: u8 = 16;

/// Options with the same meaning in all table sinks. A sink's configuration contains them with `#[serde(flatten)]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Options {
    /// `upsert` keeps tables equal to those of the source. `append` inserts a row for every event, as an audit log. `history` keeps
    /// every version of a row, with the times from when to when it was valid.
    #[serde(default)]
    pub mode: Mode,
    /// What a delete does: `hard` deletes the row, `soft` keeps it with `_cdc_operation = 'd'`.
    #[serde(default)]
    pub delete_mode: DeleteMode,
    /// What a truncate does. It is not ordered across partitions.
    #[serde(default)]
    pub truncate: Truncate,
    /// What an update of a missing row does.
    #[serde(default)]
    pub update_missing: UpdateMissing,
    /// Whether to detect updates and deletes that matched no row. While there are such rows, with one query per batch and
    /// table.
    #[serde(default)]
    pub unmatched: Unmatched,
    /// What happens to an insert with Debezium's placeholder for an unchanged large value, if the value
    /// is neither in an earlier event nor in the table.
    #[serde(default)]
    pub on_unavailable: OnUnavailable,
    /// What happens to records that are not change events. Tombstones and logical messages are always skipped.
    #[serde(default)]
    pub other_records: OtherRecords,
    /// How the events of a row are ordered: by the source's position and then the Kafka offset, or only by the offset.
    #[serde(default)]
    pub order_by: OrderBy,

    /// Template of table names, with `{database}`, `{schema}`, `{table}` and `{topic}` of the source.
    #[serde(default = "table_template")]
    pub table: String,
    /// Case of names: as in the source, or upper case, so that they need no quotes in SQL.
    #[serde(default)]
    pub identifiers: Identifiers,
    /// Whether the sink creates and alters tables.
    #[serde(default)]
    pub schema_evolution: Evolution,
    /// What happens to a value that does not fit its column, if the database cannot widen the column.
    #[serde(default)]
    pub type_conflict: TypeConflict,
    /// Additional metadata columns. Every table has four.
    #[serde(default)]
    pub metadata: Vec<Metadata>,
    /// Name of the offsets table; it begins with `_cdc_`. Default: `_cdc_offsets_<connector>`.
    #[serde(default)]
    pub offsets_table: Option<String>,
    /// How long keys of deleted rows are kept, so that a late older event cannot restore the row.
    #[serde(default = "week")]
    pub deleted_retention: HumanDuration,

    /// Number of sessions that write the tables of a flush at the same time, each with its own transaction and offsets table.
    #[serde(default = "eight")]
    pub lanes: u8,
    /// Print the statements and their row counts, and change nothing in the database. The offsets of the consumer group
    /// are committed nevertheless, so use a separate `group_id`.
    #[serde(default)]
    pub dry_run: bool,
}

/// Options of one table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct TableOptions<T> {
    /// Name in the database, used exactly as written.
    #[serde(default)]
    pub name: Option<String>,
    /// Primary key columns of the source.
    #[serde(default)]
    pub key_columns: Vec<String>,
    /// Columns of the table that the connector never writes. Every other column that an event does not have is set to NULL.
    #[serde(default)]
    pub unmanaged_columns: Vec<String>,
    /// Types of columns that the sink creates, by column of the source. They take precedence over schemas, hints and the first
    /// values.
    #[serde(default)]
    pub columns: BTreeMap<String, T>,
}

impl<T> Default for TableOptions<T> {
    fn default() -> Self {
        Self { name: None, key_columns: Vec::new(), unmanaged_columns: Vec::new(), columns: BTreeMap::new() }
    }
}

/// A sink's configuration, without what only concerns its connection.
#[derive(Clone, Debug)]
pub struct Settings<T> {
    /// The common options.
    pub options: Options,
    /// Options of individual tables, by topic, by `schema.table`, or by table of the source.
    pub tables: BTreeMap<String, TableSettings<T>>,
    /// What runs statements, for databases that have several of those; `None` for the default.
    pub warehouse: Option<String>,
    /// The warehouse for rows of snapshots, if it is another one than that of their table.
    pub snapshot_warehouse: Option<String>,
    /// Maximum bytes of rows in one statement. A larger row is sent alone.
    pub max_statement_bytes: usize,
    /// Maximum bytes of a text or a document, and of all values of a row as they are sent. Larger records are rejected.
    pub max_value_bytes: usize,
    /// Which rows the session stores in files before the statements that read them; `None` to bind all rows.
    pub stored_rows: Option<StoredRows>,
}

/// Which rows are stored in files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredRows {
    /// Bytes of the rows of one table in a batch from which they are stored.
    pub from_bytes: usize,
    /// Maximum bytes of rows in one file.
    pub max_bytes: usize,
    /// Whether a batch fails if its rows cannot be stored, instead of being bound.
    pub is_required: bool,
}

/// Options of one table, and what writes it.
#[derive(Clone, Debug)]
pub struct TableSettings<T> {
    /// The options.
    pub options: TableOptions<T>,
    /// The warehouse that writes this table; `None` for that of the sink.
    pub warehouse: Option<String>,
}

fn table_template() -> String {
    "{table}".to_owned()
}

fn eight() -> u8 {
    8
}

fn week() -> HumanDuration {
    HumanDuration::from_secs(7 * 24 * 3600)
}

impl Options {
    /// Checks the options without connecting. `tables` are the names that are set for individual tables, with the keys of their
    /// options.
    ///
    /// Returns an error for each invalid option.
    pub fn faults<'o>(
        &self,
        rules: &NameRules,
        tables: impl Iterator<Item = (&'o String, &'o Option<String>)>,
    ) -> Vec<Error> {
        let invalid =
            |name: &Option<String>,
             check: fn(&NameRules, String) -> std::result::Result<String, NameError>| {
                check(rules, name.clone()?).err().map(Error::invalid_config)
            };
        let mut errors = Vec::new();
        let offsets = invalid(&self.offsets_table, NameRules::offsets_table);
        errors.extend(offsets.map(|error| error.at("offsets_table")));
        errors.extend(tables.filter_map(|(table, name)| {
            Some(invalid(name, NameRules::table)?.at("name").at(table).at("tables"))
        }));
        let naming = Naming::new(&self.table, self.identifiers, *rules);
        errors.extend(naming.err().map(|error| Error::invalid_option("table", error)));
        errors.extend(self.history_faults());
        if !(1..=MAX_LANES_OF_TASK).contains(&self.lanes) {
            errors.push(Error::invalid_option(
                "lanes",
                format_args!("is {}, but must be between 1 and {MAX_LANES_OF_TASK}", self.lanes),
            ));
        }
        errors
    }

    /// Options that contradict `mode = "history"`.
    fn history_faults(&self) -> Vec<Error> {
        if self.mode != Mode::History {
            return Vec::new();
        }
        let soft = (self.delete_mode == DeleteMode::Soft).then(|| {
            let message = "\"soft\" cannot be combined with mode = \"history\", which keeps deleted rows in any case: remove it";
            Error::invalid_option("delete_mode", message)
        });
        let skip = (self.update_missing == UpdateMissing::Skip).then(|| {
            let message = "\"skip\" cannot be combined with mode = \"history\", in which every update is a version: remove it";
            Error::invalid_option("update_missing", message)
        });
        soft.into_iter().chain(skip).collect()
    }
}
