//! Every statement of a dialect, with given names.

use crate::{
    dialect::Dialect,
    history::HistoryDialect,
    names::Naming,
    statement::{
        AddVersions, Call, Column, Copying, EarlierValues, HistoryTable, Merge, Meta, MissingValues,
        OffsetNames, TableName, Validity,
    },
};

const KEY: [usize; 2] = [0, 1];
const KEPT: [usize; 2] = [3, 4];
const VALUES: [usize; 3] = [2, 3, 4];
const POSITION: usize = 7;
const ABOUT: [usize; 4] = [5, 6, 7, 8];

/// Types of the sample's columns.
#[derive(Clone, Debug)]
pub struct Kinds<T> {
    /// Whole numbers.
    pub whole: T,
    /// Decimal numbers.
    pub number: T,
    /// Text.
    pub text: T,
    /// Documents.
    pub document: T,
    /// Bytes.
    pub bytes: T,
    /// Points in time.
    pub time: T,
}

/// All names, and the comment of new tables.
#[derive(Clone, Debug)]
pub struct Sample<D: Dialect> {
    /// How the statements are written.
    pub dialect: D,
    /// Types of the columns.
    pub kinds: Kinds<D::Type>,
    /// A table.
    pub table: TableName,
    /// Its table of deleted keys.
    pub deleted_keys: TableName,
    /// A history table.
    pub history: TableName,
    /// Its table of truncates.
    pub truncates: TableName,
    /// An offsets table.
    pub offsets: TableName,
    /// The columns of the source, of which the first two are the key, and one more metadata column.
    pub columns: [String; 6],
    /// Names of the metadata columns.
    pub meta: Meta,
    /// Names of the columns of the history table with the times of a version.
    pub validity: Validity,
    /// Names of the columns of the offsets table.
    pub offset_names: OffsetNames,
    /// The comment of a new table.
    pub comment: String,
}

/// The statements for one intent, and its name.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name of the intent, and of its golden file.
    pub name: &'static str,
    /// The statements.
    pub calls: Vec<Call>,
}

impl Case {
    /// The statements one after the other, each with a semicolon and a line break.
    #[must_use]
    pub fn text(&self) -> String {
        self.calls.iter().map(|call| format!("{};\n", call.text)).collect()
    }
}

impl<D: Dialect> Sample<D> {
    /// With plain names.
    pub fn plain(dialect: D, kinds: Kinds<D::Type>) -> Self {
        let names = [
            "orders",
            "orders__cdc_deleted",
            "_cdc_offsets_shop",
            "id",
            "region",
            "amount",
            "document",
            "photo",
            "_cdc_topic",
            "_cdc_operation",
            "_cdc_timestamp",
            "_cdc_source_lsn",
            "_cdc_processed_at",
            "key",
            "topic",
            "partition",
            "warehouse",
            "epoch",
            "next_offset",
            "state",
            "updated_at",
        ];
        let comment = r"Written by the connector's \ sink".to_owned();
        let named = Self::named(dialect, kinds, names.map(str::to_owned), comment);
        let [history, truncates] =
            ["orders_history", "_cdc_truncates_orders_history"].map(|name| named.dialect.table(name));
        let [from, to] = ["_cdc_valid_from", "_cdc_valid_to"].map(str::to_owned);
        Self { history, truncates, validity: Validity { from, to }, ..named }
    }

    /// With the names in the case of a naming rule.
    #[must_use]
    pub fn cased(mut self, naming: &Naming) -> Self {
        let tables = [
            &mut self.table,
            &mut self.deleted_keys,
            &mut self.history,
            &mut self.truncates,
            &mut self.offsets,
        ];
        for table in tables {
            *table = self.dialect.table(&naming.cased(&table.table));
        }
        self.columns = self.columns.map(|name| naming.cased(&name));
        (self.meta, self.offset_names) = (Meta::cased(naming), OffsetNames::cased(naming));
        self.validity = Validity::cased(naming);
        self
    }

    /// With these names: of the tables, the columns, the metadata columns and the columns of the offsets table. Those of history tables
    /// are made of them.
    pub fn named(dialect: D, kinds: Kinds<D::Type>, names: [String; 21], comment: String) -> Self {
        let [table, deleted_keys, offsets, a, b, c, d, e, f, operation, timestamp, position, rest @ ..] =
            names;
        let [processed_at, key, topic, partition, warehouse, epoch, next_offset, state, updated_at] = rest;
        let [history, truncates] = [format!("{table}_history"), format!("{deleted_keys}_truncates")];
        let [history, truncates] = [history, truncates].map(|name| dialect.table(&name));
        let validity = Validity { from: format!("{timestamp}_from"), to: format!("{timestamp}_to") };
        let [table, deleted_keys, offsets] = [table, deleted_keys, offsets].map(|name| dialect.table(&name));
        let offset_names = OffsetNames { topic, partition, warehouse, epoch, next_offset, state, updated_at };
        Self {
            dialect,
            kinds,
            table,
            deleted_keys,
            history,
            truncates,
            validity,
            offsets,
            columns: [a, b, c, d, e, f],
            meta: Meta { operation, timestamp, position, processed_at, key },
            offset_names,
            comment,
        }
    }

    /// The columns of a table with two key columns, except the time of writing.
    pub fn columns(&self) -> Vec<Column<D::Type>> {
        let [id, region, amount, document, photo, topic] = &self.columns;
        let Meta { operation, timestamp, position, .. } = &self.meta;
        let kinds = &self.kinds;
        [
            (id, &kinds.whole),
            (region, &kinds.text),
            (amount, &kinds.number),
            (document, &kinds.document),
            (photo, &kinds.bytes),
            (operation, &kinds.text),
            (timestamp, &kinds.time),
            (position, &kinds.text),
            (topic, &kinds.text),
        ]
        .map(|(name, kind)| Column { name: name.clone(), kind: kind.clone() })
        .into()
    }

    /// All columns of a table.
    pub fn all_columns(&self) -> Vec<Column<D::Type>> {
        let time = Column { name: self.meta.processed_at.clone(), kind: self.kinds.time.clone() };
        self.columns().into_iter().chain([time]).collect()
    }

    /// A merge in its simplest form.
    pub fn merge<'a>(&'a self, columns: &'a [Column<D::Type>]) -> Merge<'a, D::Type> {
        Merge {
            table: &self.table,
            columns,
            key: &KEY,
            kept: &[],
            about: &ABOUT,
            deleted_keys: None,
            soft_delete: false,
            insert_flag: false,
            has_deletes: true,
            meta: &self.meta,
        }
    }

    /// All statements, except those that read the database's catalog and that widen a column, which not every database has.
    pub fn statements(&self) -> Vec<Case> {
        let mut cases = self.rows();
        cases.extend(self.deletes());
        cases.extend(self.of_offsets());
        cases.extend(self.ddl());
        cases.extend(self.dialect.history().map(|history| self.of_history(history)).into_iter().flatten());
        cases
    }

    fn rows(&self) -> Vec<Case> {
        let (dialect, columns) = (&self.dialect, self.columns());
        let key = columns.split_at(KEY.len()).0;
        let plain = self.merge(&columns);
        let deleted_keys = Some(&self.deleted_keys);
        let single_key = Merge { key: &[0], deleted_keys, ..plain };
        let guarded = Merge { kept: &KEPT, deleted_keys, insert_flag: true, ..plain };
        let soft = Merge { soft_delete: true, ..plain };
        let soft_flagged = Merge { kept: &KEPT, insert_flag: true, ..soft };
        let without_deletes = Merge { has_deletes: false, ..single_key };
        let (table, meta) = (&self.table, &self.meta);
        let copying = Copying { table, columns: &columns, key: &KEY, position: 7, deleted_keys, meta };
        let missing = MissingValues { table, key, deleted_keys, meta };
        let soft_copying = Copying { deleted_keys: None, ..copying };
        let soft_missing = MissingValues { deleted_keys: None, ..missing };
        let deleting = dialect.merge(&single_key);
        let not_deleting = dialect.merge(&without_deletes);
        // Not every dialect has other statements for rows without deletes.
        let not_deleting = (not_deleting != deleting).then(|| case("merge_without_deletes", not_deleting));
        let cases = [
            case("merge_plain", dialect.merge(&plain)),
            case("merge_single_key_deletes", deleting),
            case("merge_guarded", dialect.merge(&guarded)),
            case("merge_soft", dialect.merge(&soft)),
            case("merge_soft_flagged", dialect.merge(&soft_flagged)),
            case("insert_rows", dialect.insert_rows(table, &columns, meta)),
            case("copy_moved", dialect.copy_moved(&copying)),
            case("copy_moved_soft", dialect.copy_moved(&soft_copying)),
            case("without_values", dialect.without_values(&missing)),
            case("without_values_soft", dialect.without_values(&soft_missing)),
            case("unmatched", dialect.unmatched(table, key, None)),
            case("unmatched_soft", dialect.unmatched(table, key, Some(meta))),
        ];
        cases.into_iter().chain(not_deleting).collect()
    }

    fn deletes(&self) -> Vec<Case> {
        let Self { dialect, table, deleted_keys, meta, .. } = self;
        vec![
            case("store_deletes", dialect.store_deletes(deleted_keys, meta)),
            case("purge_deletes", [dialect.purge_deletes(deleted_keys, meta)]),
            case("truncate_hard", dialect.truncate_hard(table, meta)),
            case("truncate_soft", dialect.truncate_soft(table, meta)),
        ]
    }

    fn of_offsets(&self) -> Vec<Case> {
        let Self { dialect, offsets, deleted_keys, offset_names: names, .. } = self;
        let lanes = [offsets.clone(), deleted_keys.clone()];
        vec![
            case("offsets_add_missing", [dialect.offsets_add_missing(offsets, names)]),
            case("offsets_claim", [dialect.offsets_claim(offsets, names)]),
            case("offsets_read", [dialect.offsets_read(&lanes, names)]),
            case("offsets_move", [dialect.offsets_move(offsets, names)]),
        ]
    }

    /// The written columns of a history table.
    pub fn version_columns(&self) -> Vec<Column<D::Type>> {
        let from = Column { name: self.validity.from.clone(), kind: self.kinds.time.clone() };
        self.columns().into_iter().chain([from]).collect()
    }

    /// Versions in their simplest form.
    pub fn add_versions<'a>(&'a self, columns: &'a [Column<D::Type>]) -> AddVersions<'a, D::Type> {
        AddVersions {
            table: &self.history,
            columns,
            key: &KEY,
            kept: &[],
            compared: &[],
            truncates: None,
            meta: &self.meta,
            validity: &self.validity,
        }
    }

    /// The statement that creates the history table.
    pub fn create_history(&self, history: &dyn HistoryDialect<D::Type>) -> Vec<String> {
        let mut columns = self.version_columns();
        let times = [&self.meta.processed_at, &self.validity.to];
        columns.extend(times.map(|name| Column { name: name.clone(), kind: self.kinds.time.clone() }));
        let (table, position, valid_to) = (&self.history, POSITION, columns.len() - 1);
        let comment = &self.comment;
        history.create_history(&HistoryTable {
            table,
            columns: &columns,
            key: &KEY,
            position,
            valid_to,
            comment,
        })
    }

    fn of_history(&self, history: &dyn HistoryDialect<D::Type>) -> Vec<Case> {
        let Self { history: table, truncates, meta, validity, .. } = self;
        let columns = self.version_columns();
        let key = columns.split_at(KEY.len()).0;
        let plain = self.add_versions(&columns);
        let truncated = AddVersions { truncates: Some(truncates), ..plain };
        let compared = AddVersions { compared: &VALUES, ..truncated };
        let kept = AddVersions { kept: &KEPT, ..truncated };
        let both = AddVersions { kept: &KEPT, ..compared };
        let creating = |text| Call::new("CREATE TABLE", text, []);
        let created: Vec<Call> = self.create_history(history).into_iter().map(creating).collect();
        vec![
            case("create_history", created),
            case("create_truncates", [creating(history.create_truncates(truncates, meta))]),
            case("add_versions", history.add_versions(&plain)),
            case("add_versions_compared", history.add_versions(&compared)),
            case("add_versions_kept", history.add_versions(&kept)),
            case("add_versions_of_all_kinds", history.add_versions(&both)),
            case("earlier_values", history.earlier_values(&EarlierValues { table, key, meta })),
            case("end_all", history.end_all(table, meta, validity)),
            case("store_truncate", history.store_truncate(truncates, meta)),
        ]
    }

    fn ddl(&self) -> Vec<Case> {
        let Self { dialect, table, deleted_keys, offsets, meta, offset_names, comment, .. } = self;
        let columns = self.all_columns();
        let added: Vec<Column<D::Type>> =
            [2, 4].iter().filter_map(|index| columns.get(*index).cloned()).collect();
        let plain = |name, text: String| case(name, [Call::new("CREATE TABLE", text, [])]);
        let adding = dialect.add_columns(table, &added).into_iter();
        let adding: Vec<Call> = adding.map(|text| Call::new("ALTER TABLE", text, [])).collect();
        vec![
            plain("create_table", dialect.create_table(table, &columns, &KEY, comment)),
            plain("create_table_keyless", dialect.create_table(table, &columns, &[], comment)),
            plain("create_deleted_keys", dialect.create_deleted_keys(deleted_keys, meta)),
            plain("create_offsets", dialect.create_offsets(offsets, offset_names)),
            case("add_columns", adding),
        ]
    }
}

fn case(name: &'static str, calls: impl Into<Vec<Call>>) -> Case {
    Case { name, calls: calls.into() }
}
