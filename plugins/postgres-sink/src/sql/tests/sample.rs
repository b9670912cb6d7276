//! All statements, with given names.

use tidegate_cdc::{
    Dialect as _,
    statement::{Call, Column, Copying, Merge, Meta, MissingValues, OffsetNames, TableName},
};

use crate::{dialect::Postgres, types::ColumnType};

/// All names.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) table: TableName,
    pub(super) deleted_keys: TableName,
    pub(super) offsets: TableName,
    pub(super) columns: [String; 6],
    pub(super) meta: Meta,
    pub(super) offset_names: OffsetNames,
}

/// Statements for one intent, and its name.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) calls: Vec<Call>,
}

/// The dialect of a schema.
pub(super) fn dialect() -> Postgres {
    Postgres { schema: "shop".to_owned() }
}

const KEY: [usize; 2] = [0, 1];
const KEPT: [usize; 2] = [3, 4];
const ABOUT: [usize; 4] = [5, 6, 7, 8];

impl Sample {
    /// Plain names.
    pub(super) fn tame() -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            table: dialect().table("orders"),
            deleted_keys: dialect().table("orders__cdc_deleted"),
            offsets: dialect().table("_cdc_offsets_shop"),
            columns: ["id", "region", "amount", "document", "photo", "_cdc_topic"].map(text),
            meta: Meta {
                operation: text("_cdc_operation"),
                timestamp: text("_cdc_timestamp"),
                position: text("_cdc_source_lsn"),
                processed_at: text("_cdc_processed_at"),
                key: text("key"),
            },
            offset_names: OffsetNames {
                topic: text("topic"),
                partition: text("partition"),
                warehouse: text("warehouse"),
                epoch: text("epoch"),
                next_offset: text("next_offset"),
                state: text("state"),
                updated_at: text("updated_at"),
            },
        }
    }

    /// The columns of a table with two key columns, except the time of writing.
    pub(super) fn columns(&self) -> Vec<Column<ColumnType>> {
        let [id, region, amount, document, photo, topic] = &self.columns;
        let Meta { operation, timestamp, position, .. } = &self.meta;
        [
            (id, ColumnType::BigInt),
            (region, ColumnType::Text(None)),
            (amount, ColumnType::Numeric(Some((18, 4)))),
            (document, ColumnType::Jsonb),
            (photo, ColumnType::Bytea),
            (operation, ColumnType::Text(None)),
            (timestamp, ColumnType::TimestampTz),
            (position, ColumnType::Text(None)),
            (topic, ColumnType::Text(None)),
        ]
        .map(|(name, kind)| Column { name: name.clone(), kind })
        .into()
    }

    /// All columns of a table.
    pub(super) fn all_columns(&self) -> Vec<Column<ColumnType>> {
        let time = Column { name: self.meta.processed_at.clone(), kind: ColumnType::TimestampTz };
        self.columns().into_iter().chain([time]).collect()
    }

    /// A merge in its simplest form.
    pub(super) fn plain<'a>(&'a self, columns: &'a [Column<ColumnType>]) -> Merge<'a, ColumnType> {
        Merge {
            table: &self.table,
            columns,
            key: &KEY,
            kept: &[],
            about: &ABOUT,
            deleted_keys: None,
            soft_delete: false,
            insert_flag: false,
            meta: &self.meta,
        }
    }

    /// All statements.
    pub(super) fn statements(&self) -> Vec<Case> {
        let mut cases = self.rows();
        cases.extend(self.deletes());
        cases.extend(self.offsets());
        cases.extend(self.ddl());
        cases
    }

    fn rows(&self) -> Vec<Case> {
        let columns = self.columns();
        let key = columns.get(..2).unwrap();
        let plain = self.plain(&columns);
        let guarded =
            Merge { kept: &KEPT, deleted_keys: Some(&self.deleted_keys), insert_flag: true, ..plain };
        let soft = Merge { soft_delete: true, ..plain };
        let soft_flagged = Merge { kept: &KEPT, insert_flag: true, ..soft };
        let copying = Copying {
            table: &self.table,
            columns: &columns,
            key: &KEY,
            position: 7,
            deleted_keys: Some(&self.deleted_keys),
            meta: &self.meta,
        };
        let missing = MissingValues {
            table: &self.table,
            key,
            deleted_keys: Some(&self.deleted_keys),
            meta: &self.meta,
        };
        let single_key = Merge { key: &[0], deleted_keys: Some(&self.deleted_keys), ..plain };
        vec![
            case("merge_plain", dialect().merge(&plain)),
            case("merge_single_key_deletes", dialect().merge(&single_key)),
            case("merge_guarded", dialect().merge(&guarded)),
            case("merge_soft", dialect().merge(&soft)),
            case("merge_soft_flagged", dialect().merge(&soft_flagged)),
            case("insert_rows", dialect().insert_rows(&self.table, &columns, &self.meta)),
            case("copy_moved", dialect().copy_moved(&copying)),
            case("copy_moved_soft", dialect().copy_moved(&Copying { deleted_keys: None, ..copying })),
            case("without_values", dialect().without_values(&missing)),
            case(
                "without_values_soft",
                dialect().without_values(&MissingValues { deleted_keys: None, ..missing }),
            ),
            case("unmatched", dialect().unmatched(&self.table, key, None)),
            case("unmatched_soft", dialect().unmatched(&self.table, key, Some(&self.meta))),
        ]
    }

    fn deletes(&self) -> Vec<Case> {
        vec![
            case("store_deletes", dialect().store_deletes(&self.deleted_keys, &self.meta)),
            case("purge_deletes", [dialect().purge_deletes(&self.deleted_keys, &self.meta)]),
            case("truncate_hard", dialect().truncate_hard(&self.table, &self.meta)),
            case("truncate_soft", dialect().truncate_soft(&self.table, &self.meta)),
        ]
    }

    fn offsets(&self) -> Vec<Case> {
        let (table, names) = (&self.offsets, &self.offset_names);
        vec![
            case("offsets_add_missing", [dialect().offsets_add_missing(table, names)]),
            case("offsets_claim", [dialect().offsets_claim(table, names)]),
            case("offsets_read", [dialect().offsets_read(&[table.clone(), table.clone()], names)]),
            case("offsets_move", [dialect().offsets_move(table, names)]),
        ]
    }

    fn ddl(&self) -> Vec<Case> {
        let columns = self.all_columns();
        let added = columns.get(2..4).unwrap();
        let added = dialect()
            .add_columns(&self.table, added)
            .into_iter()
            .map(|text| Call::new("ALTER TABLE", text, []));
        vec![
            plain("create_table", dialect().create_table(&self.table, &columns, &KEY, "")),
            plain("create_table_keyless", dialect().create_table(&self.table, &columns, &[], "")),
            plain("create_deleted_keys", dialect().create_deleted_keys(&self.deleted_keys, &self.meta)),
            plain("create_offsets", dialect().create_offsets(&self.offsets, &self.offset_names)),
            case("add_columns", added.collect::<Vec<_>>()),
        ]
    }
}

fn case(name: &'static str, calls: impl Into<Vec<Call>>) -> Case {
    Case { name, calls: calls.into() }
}

fn plain(name: &'static str, text: String) -> Case {
    case(name, [Call::new("CREATE TABLE", text, [])])
}
