//! Tables that the user has created before the sink starts.

use serde_json::json;

use super::{Connector, Pipe, Source};

#[track_caller]
fn with_table(test: &str, name: &str, columns: &str) -> Option<Pipe> {
    let pipe = Pipe::find(test)?;
    let table = pipe.schema.qualified_table(name);
    let _status = pipe.schema.query(&format!("CREATE TABLE {table} ({columns})"));
    Some(pipe)
}

#[test]
fn columns_without_quotes_are_found() {
    let Some(pipe) =
        with_table("hand_upper", "users", "ID NUMBER(38,0) NOT NULL, NAME VARCHAR, PRIMARY KEY (ID)")
    else {
        return;
    };
    let mut users = Source::new("users", &["id"]);
    let events = [
        users.insert(json!({ "id": 1, "name": "a", "Tier": 1 })),
        users.insert(json!({ "id": 2, "name": "b", "Tier": 2 })),
        users.update(json!({ "id": 1, "name": "a2", "Tier": 3 })),
        users.delete(json!({ "id": 2 })),
    ];
    users.send(&pipe.broker, events);
    let _finished = pipe.run();
    assert_eq!(pipe.columns("users"), ["ID fixed", "NAME text", "Tier fixed"]);
    assert_eq!(pipe.select("ID, NAME, \"Tier\"", "users"), ["1 a2 3"]);
}

#[test]
fn column_defaults_are_kept() {
    let columns = "\"id\" NUMBER(38,0), \"name\" VARCHAR, \"region\" VARCHAR DEFAULT 'emea', \"team\" VARCHAR DEFAULT 'none'";
    for batch in [1, 100] {
        let Some(pipe) = with_table(&format!("hand_default_{batch}"), "users", columns) else { return };
        pipe.connector(Connector { batch: Some(batch), ..Connector::default() });
        let mut users = Source::new("users", &["id"]);
        // Events contain one of the two columns.
        let events = [
            users.insert(json!({ "id": 1, "name": "a", "team": "x" })),
            users.insert(json!({ "id": 2, "name": "b", "team": null })),
        ];
        users.send(&pipe.broker, events);
        let _finished = pipe.run();
        let select = "\"id\", \"name\", \"region\", \"team\"";
        assert_eq!(pipe.select(select, "users"), ["1 a emea x", "2 b emea -"]);
        let table = pipe.schema.qualified_table("users");
        let _count = pipe.schema.query(&format!("UPDATE {table} SET \"region\" = 'apac' WHERE \"id\" = 1"));
        let update = users.update(json!({ "id": 1, "name": "a2", "team": "y" }));
        users.send(&pipe.broker, [update]);
        let _finished = pipe.run();
        assert_eq!(pipe.select(select, "users"), ["1 a2 apac y", "2 b emea -"]);
    }
}

#[test]
fn unmanaged_columns_are_not_written_and_columns_without_a_value_become_null() {
    let columns = "\"id\" NUMBER(38,0), \"name\" VARCHAR, \"mine\" VARCHAR, \"old\" VARCHAR";
    let Some(pipe) = with_table("hand_unmanaged", "users", columns) else { return };
    let sink = "[sink.config.tables]\nusers.unmanaged_columns = [\"mine\"]\n";
    pipe.connector(Connector { sink, ..Connector::default() });
    let table = pipe.schema.qualified_table("users");
    let _count = pipe.schema.query(&format!("INSERT INTO {table} VALUES (1, 'a', 'kept', 'gone')"));
    let mut users = Source::new("users", &["id"]);
    let events =
        [users.update(json!({ "id": 1, "name": "b" })), users.insert(json!({ "id": 2, "name": "c" }))];
    users.send(&pipe.broker, events);
    let _finished = pipe.run();
    assert_eq!(pipe.select("\"id\", \"name\", \"mine\", \"old\"", "users"), ["1 b kept -", "2 c - -"]);
}

#[test]
fn decimals_in_text_become_numbers() {
    let columns = "\"id\" NUMBER(38,0), \"total\" NUMBER(10,2)";
    let Some(pipe) = with_table("hand_number", "bills", columns) else { return };
    pipe.connector(Connector { batch: Some(1), ..Connector::default() });
    let mut bills = Source::new("bills", &["id"]);
    let totals = ["12.34", "-0.5", "99999999.99", "100", "123456789012.34", "1.005", "n/a", "1e3"];
    let events: Vec<_> =
        (1..).zip(totals).map(|(id, total)| bills.insert(json!({ "id": id, "total": total }))).collect();
    bills.send(&pipe.broker, events);
    let finished = pipe.run();
    // The column is widened for more digits before the decimal point. Values with more digits after it would be
    // rounded, so they are stored in the additional column.
    let _line = finished.expect_log("ALTER COLUMN \"total\" SET DATA TYPE NUMBER(14,2)");
    let expected = [
        "1 12.34 -",
        "2 -0.50 -",
        "3 99999999.99 -",
        "4 100.00 -",
        "5 123456789012.34 -",
        "6 - \"1.005\"",
        "7 - \"n/a\"",
        "8 - \"1e3\"",
    ];
    assert_eq!(pipe.select("\"id\", \"total\", \"total__variant\"", "bills"), expected);
}
