//! What the statements do to a database, row by row.

use tidegate_cdc::{
    Dialect as _,
    statement::{Bind, Call, Column, Copying, EARLY, EVERY_KEY, Merge, Meta, MissingValues},
    testing::Sample,
};

use super::sample;
use crate::{dialect::Sqlite, session::Session, types::ColumnType};

/// A table `orders` of key, text and position, with its table of deleted keys.
struct Scene {
    session: Session,
    sample: Sample<Sqlite>,
    columns: Vec<Column<ColumnType>>,
}

/// Columns of the scene's rows: `id`, `v`, operation, time in the source, position.
const POSITION: usize = 4;

impl Scene {
    /// A table with these rows: `(id, v, operation, position)`. `id` is the type of the key.
    fn new(id: &str, rows: &str) -> Self {
        let sample = sample();
        let session = Session::in_memory();
        let Meta { operation, timestamp, position, processed_at, .. } = &sample.meta;
        session.execute(&format!(
            "CREATE TABLE orders (id {id}, v TEXT, {operation} TEXT, {timestamp} TEXT, {position} TEXT, {processed_at} TEXT)"
        ));
        session.execute(&Sqlite.create_deleted_keys(&sample.deleted_keys, &sample.meta));
        if !rows.is_empty() {
            session.execute(&format!("INSERT INTO orders (id, v, {operation}, {position}) VALUES {rows}"));
        }
        let kind = if id.starts_with("INT") { ColumnType::Integer } else { ColumnType::Text };
        let text = |name: &String| Column { name: name.clone(), kind: ColumnType::Text };
        let columns = vec![
            Column { name: "id".to_owned(), kind },
            text(&"v".to_owned()),
            text(operation),
            text(timestamp),
            text(position),
        ];
        Self { session, sample, columns }
    }

    fn merge(&self) -> Merge<'_, ColumnType> {
        Merge { key: &[0], about: &[2, 3, 4], ..self.sample.merge(&self.columns) }
    }

    /// Runs statements, and returns the numbers of inserted, updated and deleted rows.
    fn run(&self, calls: &[Call], rows: &str) -> (u64, u64, u64) {
        let mut counts = (0, 0, 0);
        for call in calls {
            let binds: Vec<&str> = call
                .binds
                .iter()
                .map(|bind| match bind {
                    Bind::Rows => rows,
                    Bind::Now | Bind::Time => "2026-01-01T00:00:00Z",
                    Bind::Position => "50",
                })
                .collect();
            let answer = self.session.counts(call, &binds).unwrap();
            counts = (counts.0 + answer.inserted, counts.1 + answer.updated, counts.2 + answer.deleted);
        }
        counts
    }

    /// The rows, each as `id=v operation position`.
    fn rows(&self) -> Vec<String> {
        let sql = "SELECT id || '=' || COALESCE(v, '-') || ' ' || _cdc_operation || ' ' || _cdc_source_lsn FROM orders ORDER BY id";
        self.session.query(sql, &[]).rows.into_iter().flatten().flatten().collect()
    }

    /// The rows of a query.
    fn found(&self, calls: &[Call], rows: &str) -> Vec<String> {
        let [call] = calls else { panic!("one query") };
        let found = self.session.query(&call.text, &[rows.to_owned()]).rows;
        found.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" ")).collect()
    }
}

#[test]
fn each_row_is_applied_once_if_it_is_newer() {
    for id in ["INTEGER NOT NULL PRIMARY KEY", "INTEGER", "TEXT PRIMARY KEY"] {
        let scene = Scene::new(
            id,
            "(1, 'a', 'c', '10'), (2, 'b', 'c', '10'), (3, 'c', 'c', '30'), (4, 'd', 'c', '10')",
        );
        let merge = Merge { deleted_keys: Some(&scene.sample.deleted_keys), ..scene.merge() };
        let rows = r#"[["1","A","u",null,"20","[1]"],["2",null,"d",null,"20","[2]"],["3","C","u",null,"20","[3]"],
            ["5","E","c",null,"20","[5]"],["6",null,"d",null,"20","[6]"]]"#;
        assert_eq!(scene.run(&Sqlite.merge(&merge), rows), (1, 1, 1), "{id}");
        let after = ["1=A u 20", "3=c c 30", "4=d c 10", "5=E c 20"];
        assert_eq!(scene.rows(), after, "{id}");
        // The same rows again, as after a lost answer.
        assert_eq!(scene.run(&Sqlite.merge(&merge), rows), (0, 0, 0), "{id}");
        assert_eq!(scene.rows(), after, "{id}");
    }
}

#[test]
fn keys_of_two_columns_are_deleted_and_updated_together() {
    let sample = sample();
    let session = Session::in_memory();
    let columns = sample.columns();
    session.execute(&Sqlite.create_table(&sample.table, &sample.all_columns(), &[0, 1], ""));
    let calls = Sqlite.merge(&sample.merge(&columns));
    let counts = |rows: &str| {
        let answers = calls.iter().map(|call| {
            let binds = ["now", rows];
            session.counts(call, binds.get(..call.binds.len()).unwrap()).unwrap()
        });
        answers.fold((0, 0, 0), |sum, answer| {
            (sum.0 + answer.inserted, sum.1 + answer.updated, sum.2 + answer.deleted)
        })
    };
    let row = |id: u32, region: &str, op: &str, position: u32| {
        format!(r#"[{id},"{region}",1.5,"{{}}","00ff","{op}",null,"{position}","t"]"#)
    };
    let rows = |rows: &[String]| format!("[{}]", rows.join(","));
    assert_eq!(counts(&rows(&[row(1, "a", "c", 10), row(1, "b", "c", 10), row(2, "a", "c", 10)])), (3, 0, 0));
    assert_eq!(counts(&rows(&[row(1, "a", "d", 20), row(2, "a", "u", 20), row(2, "b", "d", 20)])), (0, 1, 1));
    let left = session.query("SELECT id || region || hex(photo) FROM orders ORDER BY 1", &[]).rows;
    assert_eq!(left, [[Some("1b00FF".to_owned())], [Some("2a00FF".to_owned())]]);
}

#[test]
fn keys_that_differ_in_case_are_different_keys_in_any_column() {
    let scene = Scene::new("TEXT COLLATE NOCASE", "('a', 'x', 'c', '10'), ('A', 'y', 'c', '10')");
    let rows = r#"[["A",null,"d",null,"20"],["a","z","u",null,"20"]]"#;
    assert_eq!(scene.run(&Sqlite.merge(&scene.merge()), rows), (0, 1, 1));
    assert_eq!(scene.rows(), ["a=z u 20"]);
}

#[test]
fn deleted_keys_and_truncates_keep_older_rows_out() {
    let scene = Scene::new("INTEGER PRIMARY KEY", "");
    let store = Sqlite.store_deletes(&scene.sample.deleted_keys, &scene.sample.meta);
    scene.run(&store, &format!(r#"[["[1]","30"],["[1]","40"],["[1]","20"],["{EVERY_KEY}","15"]]"#));
    let merge = Merge { deleted_keys: Some(&scene.sample.deleted_keys), ..scene.merge() };
    let rows =
        r#"[["1","a","c",null,"35","[1]"],["2","b","c",null,"10","[2]"],["3","c","c",null,"16","[3]"]]"#;
    assert_eq!(scene.run(&Sqlite.merge(&merge), rows), (1, 0, 0));
    assert_eq!(scene.rows(), ["3=c c 16"]);
    assert_eq!(scene.run(&Sqlite.merge(&merge), r#"[["1","a","c",null,"41","[1]"]]"#), (1, 0, 0));
}

#[test]
fn soft_deletes_keep_values_and_are_stored_without_a_row() {
    let scene = Scene::new("INTEGER PRIMARY KEY", "(1, 'a', 'c', '10'), (2, 'b', 'c', '10')");
    let soft = Merge { soft_delete: true, ..scene.merge() };
    let rows =
        r#"[["1",null,"d",null,"20",false],["2","B","d",null,"20",true],["3",null,"d",null,"20",false]]"#;
    assert_eq!(scene.run(&Sqlite.merge(&soft), rows), (1, 2, 0));
    assert_eq!(scene.rows(), ["1=a d 20", "2=B d 20", "3=- d 20"]);
    let truncate = Sqlite.truncate_soft(&scene.sample.table, &scene.sample.meta);
    assert_eq!(scene.run(&truncate, ""), (0, 3, 0));
    assert_eq!(scene.run(&truncate, ""), (0, 0, 0));
}

#[test]
fn rows_that_must_exist_are_not_inserted() {
    let scene = Scene::new("INTEGER PRIMARY KEY", "(1, 'a', 'd', '10'), (2, 'b', 'c', '10')");
    let hard = Merge { insert_flag: true, ..scene.merge() };
    assert_eq!(
        scene.run(&Sqlite.merge(&hard), r#"[["3","c","u",null,"20",false],["4","d","c",null,"20",true]]"#),
        (1, 0, 0)
    );
    // A soft-deleted row is no row.
    let soft = Merge { soft_delete: true, ..hard };
    let rows = r#"[["1","A","u",null,"20",false,false],["2","B","u",null,"20",false,false]]"#;
    assert_eq!(scene.run(&Sqlite.merge(&soft), rows), (0, 1, 0));
    assert_eq!(scene.rows(), ["1=a d 10", "2=B u 20", "4=d c 20"]);
}

#[test]
fn omitted_values_are_kept_from_rows_that_are_new_enough() {
    let scene = Scene::new("INTEGER PRIMARY KEY", "(1, 'a', 'c', '10'), (2, 'b', 'c', '10')");
    let kept = Merge { kept: &[1], ..scene.merge() };
    let rows =
        r#"[["1",null,"u",null,"20","10"],["2",null,"u",null,"20","11"],["3","c","c",null,"20",null]]"#;
    assert_eq!(scene.run(&Sqlite.merge(&kept), rows), (1, 2, 0));
    assert_eq!(scene.rows(), ["1=a u 20", "2=- u 20", "3=c c 20"]);
}

#[test]
fn rows_exchange_their_keys_and_the_first_old_row_is_copied() {
    let scene = Scene::new("INTEGER PRIMARY KEY", "(1, 'a', 'c', '10'), (2, 'b', 'c', '10')");
    let copying = Copying {
        table: &scene.sample.table,
        columns: &scene.columns,
        key: &[0],
        position: POSITION,
        deleted_keys: None,
        meta: &scene.sample.meta,
    };
    // Columns; whether v, the operation and the time come from the old row; rank, old key, and its positions.
    let row = |id: u32, rank: u32, old: u32| {
        format!(r#"["{id}",null,"u",null,"20",true,false,false,"{rank}","{old}","","15",""]"#)
    };
    let rows = [row(1, 1, 2), row(2, 2, 1), row(7, 10, 2), row(7, 9, 1), row(8, 1, 5)].join(",");
    assert_eq!(scene.run(&Sqlite.copy_moved(&copying), &format!("[{rows}]")), (1, 2, 0));
    assert_eq!(scene.rows(), ["1=b u 20", "2=a u 20", "7=a u 20"]);
}

#[test]
fn keys_without_a_row_and_rows_without_values_are_found() {
    let scene = Scene::new("INTEGER PRIMARY KEY", "(1, 'a', 'c', '10'), (2, 'b', 'd', '10')");
    let key = scene.columns.get(..1).unwrap();
    let (table, meta) = (&scene.sample.table, &scene.sample.meta);
    let rows = r#"[["[1]","1"],["[2]","2"],["[3]","3"]]"#;
    assert_eq!(scene.found(&Sqlite.unmatched(table, key, None), rows), ["[3]"]);
    assert_eq!(scene.found(&Sqlite.unmatched(table, key, Some(meta)), rows), ["[2]", "[3]"]);
    let missing = MissingValues { table, key, deleted_keys: None, meta };
    // Number, key, position, oldest position of its values, old key, its three positions, and whether it may change.
    let rows = r#"[["0","1","20","10",null,"","","",false],["1","1","20","11",null,"","","",false],
        ["2","9","20","","1","","15","",true],["3","9","20","","1","","15","",false]]"#;
    let early = format!("2 {EARLY}");
    assert_eq!(scene.found(&Sqlite.without_values(&missing), rows), ["1 ", &early]);
}

#[test]
fn offsets_move_only_under_the_last_claim_and_from_the_expected_offset() {
    let scene = Scene::new("INTEGER", "");
    let (table, names) = (&scene.sample.offsets, &scene.sample.offset_names);
    scene.session.execute(&Sqlite.create_offsets(table, names));
    let run = |call: Call, rows: &str| {
        let (inserted, updated, _) = scene.run(&[call], rows);
        inserted + updated
    };
    let add = || Sqlite.offsets_add_missing(table, names);
    assert_eq!(run(add(), r#"[["t","0","","7","s"],["t","1","",null,null]]"#), 2);
    assert_eq!(run(add(), r#"[["t","0","","9","other"]]"#), 0);
    let epoch = (1_u64 << 62) + 1;
    assert_eq!(
        run(Sqlite.offsets_claim(table, names), &format!(r#"[["t","0","{epoch}"],["t","1","5"]]"#)),
        2
    );
    assert_eq!(run(Sqlite.offsets_claim(table, names), r#"[["t","0","4"]]"#), 0);
    let moves = |row: &str| run(Sqlite.offsets_move(table, names), row);
    assert_eq!(moves(&format!(r#"[["t","0","","{epoch}","7","8","s2"]]"#)), 1);
    assert_eq!(moves(&format!(r#"[["t","0","","{epoch}","7","9","s3"]]"#)), 0);
    assert_eq!(moves(r#"[["t","1","","4",null,"1",null]]"#), 0);
    assert_eq!(moves(r#"[["t","1","","5",null,"1",null]]"#), 1);
    let read = Sqlite.offsets_read(std::slice::from_ref(table), names);
    let found = scene.found(&[read], r#"[["t","0"],["u","0"]]"#);
    assert_eq!(found, [format!("t 0  {epoch} 8 s2 0")]);
}
