//! Names of tables and columns by the rules of the connector file.

use serde_json::json;
use tidegate_tests::{Rows, compare};

use super::{Connector, Pipe, Source, pipe::topics};

/// Converts the names to the source's.
fn in_lower_case(mut rows: Rows) -> Rows {
    for column in &mut rows.columns {
        assert_eq!(column.name, column.name.to_uppercase());
        column.name = column.name.to_lowercase();
    }
    rows
}

#[test]
fn upper_case_names_need_no_quotes() {
    let Some(pipe) = Pipe::find("names_upper") else { return };
    pipe.load("shop-string", "json-schema", 1);
    let sink = "identifiers = \"upper\"\ntable = \"{database}_{schema}_{table}\"\n";
    pipe.connector(Connector { sink, ..Connector::default() });
    let _finished = pipe.run();
    let tables = pipe.schema.tables();
    assert!(tables.iter().all(|table| *table == table.to_uppercase()), "{tables:?}");
    for topic in topics("shop-string") {
        let name = topic.replace("cdc.", "").replace('.', "_").to_uppercase();
        let of_table = tables.iter().filter(|table| table.ends_with(&name)).count();
        assert_eq!(of_table, 1, "{name} in {tables:?}");
    }
    let stored = |table: &str| {
        let ending = format!("_PUBLIC_{}", table.to_uppercase());
        tables.iter().find(|name| name.ends_with(&ending)).expect("a table by the template")
    };
    let comparison =
        compare("shop-string", "json-schema", |table| in_lower_case(pipe.schema.table(stored(table))));
    comparison.expect_none();
    println!("{} values are equal under names in upper case", comparison.values);
}

#[test]
fn tables_have_the_configured_names() {
    let Some(pipe) = Pipe::find("names_given") else { return };
    let sink = "[sink.config.tables]\norders.name = 'All \"our\" orders; --'\n\"public.customers\".name = \"clients\"\n\
                \"cdc.public.items\".name = \"Items\"\n";
    pipe.connector(Connector { sink, ..Connector::default() });
    for table in ["orders", "customers", "items", "others"] {
        let mut source = Source::new(table, &["id"]);
        let event = source.insert(json!({ "id": 1, "a \"b\"; --": "x" }));
        source.send(&pipe.broker, [event]);
    }
    let _finished = pipe.run();
    for table in ["All \"our\" orders; --", "clients", "Items", "others"] {
        assert_eq!(pipe.select("\"id\", \"a \"\"b\"\"; --\"", table), ["1 x"], "{table}");
    }
}
