//! Tests of the stand-in itself, with Snowflake's Python client.

use tidegate_tests::{Snowflake, StandIn};

#[test]
fn the_stand_in_answers_as_snowflake_does() {
    StandIn::run_own_tests();
}

#[test]
fn a_schema_is_empty_until_something_is_written() {
    let Some(snowflake) = Snowflake::find() else { return };
    let schema = snowflake.schema("empty");
    assert_eq!(schema.tables(), Vec::<String>::new());
    let table = schema.qualified_table("a \"quoted\" name");
    let _status = schema.query(&format!("CREATE TABLE {table} (\"id\" NUMBER(38,0), \"v\" VARCHAR)"));
    let inserted = schema.query(&format!("INSERT INTO {table} VALUES (1, 'x'), (2, NULL)"));
    assert_eq!(inserted.number(), 2);
    assert_eq!(schema.tables(), ["a \"quoted\" name"]);
    let rows = schema.query(&format!("SELECT * FROM {table} ORDER BY 1")).rows;
    assert_eq!(rows, [[Some("1".to_owned()), Some("x".to_owned())], [Some("2".to_owned()), None]]);
}
