//! `schema_evolution = "off"`: the log contains each statement to run, and after these were run manually, everything is
//! written.

use serde_json::json;
use tidegate_tests::Finished;

use super::{Connector, Pipe, Source};

const OFF: &str = "schema_evolution = \"off\"\n";

/// The statements in the log.
#[track_caller]
fn asked(finished: &Finished) -> Vec<String> {
    let line = finished.expect_log("schema_evolution = \"off\": run `");
    let (_, behind) = line.split_once("run `").expect("a statement");
    let (statements, _) = behind.split_once('`').expect("its end");
    // In log messages, quotes are not escaped but line breaks are.
    let text = statements.replace("\\n", "\n");
    let mut is_in_quotes = false;
    let ends = |character: char| {
        is_in_quotes ^= character == '\'';
        character == ';' && !is_in_quotes
    };
    text.split(ends).map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

/// Runs the statements in the log until nothing is missing; returns them.
#[track_caller]
fn obey(pipe: &Pipe) -> Vec<String> {
    let mut obeyed = Vec::new();
    for _ in 0..10 {
        let finished = pipe.home.run_once(&pipe.broker);
        if finished.code == Some(0) {
            return obeyed;
        }
        for statement in asked(&finished) {
            let _status = pipe.schema.query(&statement);
            obeyed.push(statement);
        }
    }
    panic!("it asks again and again: {obeyed:#?}");
}

#[test]
fn the_log_names_each_statement_to_run() {
    let Some(pipe) = Pipe::find("off") else { return };
    pipe.connector(Connector { sink: OFF, ..Connector::default() });
    let mut users = Source::new("users", &["id"]);
    let insert = users.insert(json!({ "id": 1, "name": "a" }));
    users.send(&pipe.broker, [insert]);
    let failed = pipe.run_with_code(3);
    let _output = asked(&failed);
    assert_eq!(pipe.schema.tables(), Vec::<String>::new());
    let created = obey(&pipe);
    println!("{created:#?}");
    assert!(
        created
            .iter()
            .any(|statement| statement.starts_with("CREATE TABLE") && statement.contains("\"users\""))
    );
    assert_eq!(pipe.select("\"id\", \"name\"", "users"), ["1 a"]);

    let columns = pipe.columns("users");
    let insert = users.insert(json!({ "id": 2, "name": "b", "tier": 3 }));
    let delete = users.delete(json!({ "id": 1 }));
    users.send(&pipe.broker, [insert, delete]);
    let failed = pipe.run_with_code(3);
    let [alter] = asked(&failed).try_into().expect("one statement");
    let table = pipe.schema.qualified_table("users");
    assert_eq!(alter, format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS \"tier\" NUMBER(38,0)"));
    assert_eq!(pipe.columns("users"), columns);
    assert_eq!(pipe.select("\"id\", \"name\"", "users"), ["1 a"]);
    assert_eq!(obey(&pipe), [alter]);
    assert_eq!(pipe.select("\"id\", \"name\", \"tier\"", "users"), ["2 b 3"]);
}
