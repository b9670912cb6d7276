//! All statements, with given names.

use crate::{
    sql::{
        Column, Copying, Merge, Meta, MissingValues, OffsetNames, TableName, add_columns, copy_moved,
        create_deleted_keys, create_offsets, create_table, insert_rows, list_tables, merge,
        offsets_add_missing, offsets_claim, offsets_move, offsets_read, purge_deletes, show_columns,
        store_deletes, truncate_hard, truncate_soft, unmatched, widen, without_values,
    },
    types::ColumnType,
};

/// All names, and the comment of new tables.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) table: TableName,
    pub(super) deleted_keys: TableName,
    pub(super) offsets: TableName,
    pub(super) columns: [String; 6],
    pub(super) meta: Meta,
    pub(super) offset_names: OffsetNames,
    pub(super) comment: String,
}

/// A statement, its name, and its number of binds.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) binds: usize,
}

const KEY: [usize; 2] = [0, 1];
const KEPT: [usize; 2] = [3, 4];
const ABOUT: [usize; 4] = [5, 6, 7, 8];

impl Sample {
    /// The columns of a table with two key columns, except the time of writing.
    pub(super) fn columns(&self) -> Vec<Column> {
        let [id, region, amount, document, photo, topic] = &self.columns;
        let Meta { operation, timestamp, position, .. } = &self.meta;
        let text = ColumnType::Text { length: None };
        [
            (id, ColumnType::Number { precision: 38, scale: 0 }),
            (region, text.clone()),
            (amount, ColumnType::Number { precision: 18, scale: 4 }),
            (document, ColumnType::Variant),
            (photo, ColumnType::Binary { length: None }),
            (operation, text.clone()),
            (timestamp, ColumnType::TimestampTz),
            (position, text.clone()),
            (topic, text),
        ]
        .map(|(name, kind)| Column { name: name.clone(), kind })
        .into()
    }

    /// A MERGE in its simplest form.
    pub(super) fn plain<'a>(&'a self, columns: &'a [Column]) -> Merge<'a> {
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
            case("merge_plain", 2, merge(&plain)),
            case("merge_single_key_deletes", 2, merge(&single_key)),
            case("merge_guarded", 2, merge(&guarded)),
            case("merge_soft", 2, merge(&soft)),
            case("merge_soft_flagged", 2, merge(&soft_flagged)),
            case("insert_rows", 2, insert_rows(&self.table, &columns, &self.meta)),
            case("copy_moved", 2, copy_moved(&copying)),
            case("copy_moved_soft", 2, copy_moved(&Copying { deleted_keys: None, ..copying })),
            case("without_values", 1, without_values(&missing)),
            case("without_values_soft", 1, without_values(&MissingValues { deleted_keys: None, ..missing })),
            case("unmatched", 1, unmatched(&self.table, key, None)),
            case("unmatched_soft", 1, unmatched(&self.table, key, Some(&self.meta))),
        ]
    }

    fn deletes(&self) -> Vec<Case> {
        vec![
            case("store_deletes", 2, store_deletes(&self.deleted_keys, &self.meta)),
            case("purge_deletes", 1, purge_deletes(&self.deleted_keys, &self.meta)),
            case("truncate_hard", 1, truncate_hard(&self.table, &self.meta)),
            case("truncate_soft", 4, truncate_soft(&self.table, &self.meta)),
        ]
    }

    fn offsets(&self) -> Vec<Case> {
        vec![
            case("offsets_add_missing", 1, offsets_add_missing(&self.offsets, &self.offset_names)),
            case("offsets_claim", 1, offsets_claim(&self.offsets, &self.offset_names)),
            case(
                "offsets_read",
                2,
                offsets_read(&[self.offsets.clone(), self.deleted_keys.clone()], &self.offset_names),
            ),
            case("offsets_move", 2, offsets_move(&self.offsets, &self.offset_names)),
        ]
    }

    fn ddl(&self) -> Vec<Case> {
        let mut columns = self.columns();
        let (amount, photo) = (columns[2].clone(), columns[4].clone());
        columns.push(Column { name: self.meta.processed_at.clone(), kind: ColumnType::TimestampTz });
        vec![
            case("create_table", 0, create_table(&self.table, &columns, &KEY, &self.comment)),
            case("create_table_keyless", 0, create_table(&self.table, &columns, &[], &self.comment)),
            case("create_deleted_keys", 0, create_deleted_keys(&self.deleted_keys, &self.meta)),
            case("create_offsets", 0, create_offsets(&self.offsets, &self.offset_names)),
            case("add_column", 0, add_columns(&self.table, std::slice::from_ref(&amount)).unwrap()),
            case("add_columns", 0, add_columns(&self.table, &[amount.clone(), photo]).unwrap()),
            case("widen", 0, widen(&self.table, &amount)),
            case("show_columns", 0, show_columns(&self.table)),
            case("list_tables", 1, list_tables(&self.table.database)),
        ]
    }
}

fn case(name: &'static str, binds: usize, text: String) -> Case {
    Case { name, text, binds }
}
