//! The metadata columns.

use serde_json::json;

use super::{Connector, Pipe, Source};

const ALL: &str = "metadata = [\"topic\", \"partition\", \"offset\", \"database\", \"schema\", \"transaction\", \"snapshot\"]\n";
const SELECTED: &str = "\"_cdc_offset\", \"id\", \"_cdc_partition\", \"_cdc_topic\", \"_cdc_database\", \"_cdc_schema\", \
                        \"_cdc_transaction_id\", \"_cdc_snapshot\"";

#[test]
fn four_metadata_columns_describe_the_last_event() {
    let Some(pipe) = Pipe::find("meta_four") else { return };
    let mut users = Source::new("users", &["id"]);
    let events = [
        users.read(json!({ "id": 1, "name": "a" })),
        users.insert(json!({ "id": 2, "name": "b" })),
        users.update(json!({ "id": 2, "name": "c" })),
    ];
    users.send(&pipe.broker, events);
    let _finished = pipe.run();
    let columns = pipe.schema.table("users").columns.into_iter();
    let about: Vec<String> = columns.map(|column| format!("{} {}", column.name, column.kind)).collect();
    let expected = [
        "id fixed",
        "name text",
        "_cdc_operation text",
        "_cdc_timestamp timestamp_tz",
        "_cdc_source_lsn text",
        "_cdc_processed_at timestamp_tz",
    ];
    assert_eq!(about, expected);
    let rows = pipe.select("\"id\", \"_cdc_operation\", \"_cdc_timestamp\", \"_cdc_source_lsn\"", "users");
    let expected = [
        "1 r 2023-11-14T22:13:21.000000Z 0000000000000001/0000000000000001",
        "2 u 2023-11-14T22:13:23.000000Z 0000000000000003/0000000000000003",
    ];
    assert_eq!(rows, expected);
    assert_eq!(
        pipe.select("COUNT(DISTINCT \"_cdc_processed_at\"), COUNT(\"_cdc_processed_at\")", "users"),
        ["1 2"]
    );
}

#[test]
fn optional_metadata_columns_give_the_origin() {
    let Some(pipe) = Pipe::find("meta_all") else { return };
    let mut users = Source::new("users", &["id"]);
    let read = users.read(json!({ "id": 1, "name": "a" }));
    users.send(&pipe.broker, [read]);
    let _finished = pipe.run();
    // They are added to an existing table too.
    pipe.connector(Connector { sink: ALL, ..Connector::default() });
    let more = [users.insert(json!({ "id": 2, "name": "b" })), users.read(json!({ "id": 3, "name": "c" }))];
    users.send(&pipe.broker, more);
    let _finished = pipe.run();
    let topic = users.topic();
    let expected = [
        format!("1 2 0 {topic} shop public 702 false"),
        format!("2 3 0 {topic} shop public 703 true"),
        "- 1 - - - - - -".to_owned(),
    ];
    let mut rows = pipe.select(SELECTED, "users");
    rows.sort_by_key(|row| row.starts_with('-'));
    assert_eq!(rows, expected);
}
