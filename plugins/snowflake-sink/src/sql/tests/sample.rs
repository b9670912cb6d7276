//! All statements, with given names.

use tidegate_cdc::{
    Dialect as _,
    statement::{Call, Column, Copying, Merge, Meta, MissingValues, OffsetNames, TableName},
};

use crate::{dialect::Snowflake, types::ColumnType};

/// All names, and the comment of new tables.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) dialect: Snowflake,
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
    pub(super) fn columns(&self) -> Vec<Column<ColumnType>> {
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
        let d = &self.dialect;
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
            case("merge_plain", d.merge(&plain)),
            case("merge_single_key_deletes", d.merge(&single_key)),
            case("merge_guarded", d.merge(&guarded)),
            case("merge_soft", d.merge(&soft)),
            case("merge_soft_flagged", d.merge(&soft_flagged)),
            case("insert_rows", d.insert_rows(&self.table, &columns, &self.meta)),
            case("copy_moved", d.copy_moved(&copying)),
            case("copy_moved_soft", d.copy_moved(&Copying { deleted_keys: None, ..copying })),
            case("without_values", d.without_values(&missing)),
            case("without_values_soft", d.without_values(&MissingValues { deleted_keys: None, ..missing })),
            case("unmatched", d.unmatched(&self.table, key, None)),
            case("unmatched_soft", d.unmatched(&self.table, key, Some(&self.meta))),
        ]
    }

    fn deletes(&self) -> Vec<Case> {
        let d = &self.dialect;
        vec![
            case("store_deletes", d.store_deletes(&self.deleted_keys, &self.meta)),
            case("purge_deletes", [d.purge_deletes(&self.deleted_keys, &self.meta)]),
            case("truncate_hard", d.truncate_hard(&self.table, &self.meta)),
            case("truncate_soft", d.truncate_soft(&self.table, &self.meta)),
        ]
    }

    fn offsets(&self) -> Vec<Case> {
        let d = &self.dialect;
        vec![
            case("offsets_add_missing", [d.offsets_add_missing(&self.offsets, &self.offset_names)]),
            case("offsets_claim", [d.offsets_claim(&self.offsets, &self.offset_names)]),
            case(
                "offsets_read",
                [d.offsets_read(&[self.offsets.clone(), self.deleted_keys.clone()], &self.offset_names)],
            ),
            case("offsets_move", [d.offsets_move(&self.offsets, &self.offset_names)]),
        ]
    }

    fn ddl(&self) -> Vec<Case> {
        let d = &self.dialect;
        let mut columns = self.columns();
        let (amount, photo) = (columns[2].clone(), columns[4].clone());
        columns.push(Column { name: self.meta.processed_at.clone(), kind: ColumnType::TimestampTz });
        vec![
            plain("create_table", d.create_table(&self.table, &columns, &KEY, &self.comment)),
            plain("create_table_keyless", d.create_table(&self.table, &columns, &[], &self.comment)),
            plain("create_deleted_keys", d.create_deleted_keys(&self.deleted_keys, &self.meta)),
            plain("create_offsets", d.create_offsets(&self.offsets, &self.offset_names)),
            plain("add_column", d.add_columns(&self.table, std::slice::from_ref(&amount)).remove(0)),
            plain("add_columns", d.add_columns(&self.table, &[amount.clone(), photo]).remove(0)),
            plain("widen", d.widen(&self.table, &amount)),
            plain("show_columns", d.describe(&self.table).text),
            Case { name: "list_tables", text: d.list_tables().text, binds: d.list_tables().binds.len() },
        ]
    }
}

/// A statement with binds, of which there is only one for each intent.
fn case(name: &'static str, calls: impl Into<Vec<Call>>) -> Case {
    let [Call { text, binds, loads: false, .. }] = <[Call; 1]>::try_from(calls.into()).unwrap() else {
        panic!("Snowflake's rows are bound");
    };
    Case { name, text, binds: binds.len() }
}

fn plain(name: &'static str, text: String) -> Case {
    Case { name, text, binds: 0 }
}
