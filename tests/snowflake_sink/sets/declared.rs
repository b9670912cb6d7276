//! Types that the connector file declares: for keys whose values do not fit the source's type, and for numbers whose
//! number of digits is not clear from the first values.

use serde_json::json;

use super::{Connector, Pipe, Source};

const TIMESTAMP: &str = "io.debezium.time.ZonedTimestamp";

/// A table whose key includes a timestamp, which may be infinity.
fn rates() -> Source {
    let mut rates = Source::new("rates", &["cur", "until"]);
    rates.declare(json!([
        { "field": "cur", "type": "string", "optional": false },
        { "field": "until", "type": "string", "optional": false, "name": TIMESTAMP, "version": 1 },
        { "field": "r", "type": "int32", "optional": true },
    ]));
    rates
}

#[test]
fn a_key_that_does_not_fit_its_type_is_rejected_with_the_option_to_set() {
    for (name, events) in [("first", 1..2), ("later", 0..2)] {
        let Some(pipe) = Pipe::find(&format!("declared_{name}")) else { return };
        pipe.connector(Connector { batch: Some(1), ..Connector::default() });
        let mut source = rates();
        let rows = ["2026-03-01T00:00:00Z", "infinity"]
            .map(|until| source.insert(json!({ "cur": "EUR", "until": until, "r": 1 })));
        source.send(&pipe.broker, rows[events].to_vec());
        let failed = pipe.run_with_code(3);
        let line = failed.expect_log("rejected cdc.public.rates-0 offset");
        for part in
            ["key column \"until\"", "is TIMESTAMP_TZ and cannot hold", "infinity", "[sink.config.tables."]
        {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert_eq!(
            line.contains("does not change the type of a key in a table that exists"),
            name == "later",
            "{line}"
        );
        assert_eq!(pipe.schema.tables().contains(&"rates".to_owned()), name == "later");
    }
}

#[test]
fn a_key_of_a_declared_type_holds_all_its_values() {
    for batch in [1, 100] {
        let Some(pipe) = Pipe::find(&format!("declared_key_{batch}")) else { return };
        let sink = "[sink.config.tables.rates]\ncolumns = { until = \"text\" }\n";
        pipe.connector(Connector { sink, batch: Some(batch), ..Connector::default() });
        let mut source = rates();
        let row = |until: &str, r: i64| json!({ "cur": "EUR", "until": until, "r": r });
        let events = [
            source.insert(row("2026-03-01T00:00:00Z", 1)),
            source.insert(row("infinity", 2)),
            source.update(row("infinity", 3)),
            source.update(row("2026-03-01T00:00:00Z", 4)),
            source.insert(row("-infinity", 5)),
            source.delete(row("-infinity", 5)),
        ];
        source.send(&pipe.broker, events);
        let _finished = pipe.run();
        assert_eq!(pipe.select("\"until\", \"r\"", "rates"), ["2026-03-01T00:00:00Z 4", "infinity 3"]);
        assert_eq!(pipe.columns("rates"), ["cur text", "r fixed", "until text"]);
    }
}

#[test]
fn numbers_of_a_declared_type_keep_their_fractions() {
    let Some(pipe) = Pipe::find("declared_numbers") else { return };
    let sink = "[sink.config.tables.\"public.tariffs\"]\n\
                columns = { qty = \"number(38,10)\", factor = \"float\" }\n";
    pipe.connector(Connector { sink, batch: Some(1), ..Connector::default() });
    let mut source = Source::new("tariffs", &["id"]);
    let events = [(1, json!(1), json!(2)), (2, json!(1.5), json!(0.333)), (3, json!(2), json!(1e-7))]
        .map(|(id, qty, factor)| source.insert(json!({ "id": id, "qty": qty, "factor": factor })));
    source.send(&pipe.broker, events);
    let finished = pipe.run();
    assert_eq!(pipe.columns("tariffs"), ["factor real", "id fixed", "qty fixed"]);
    let rows = pipe.select("\"id\", \"qty\"", "tariffs");
    assert_eq!(rows, ["1 1.0000000000", "2 1.5000000000", "3 2.0000000000"]);
    assert_eq!(finished.count_log(" WARN "), 0, "{}", finished.stderr);
}

#[test]
fn a_declared_type_that_snowflake_does_not_have_is_named() {
    let Some(pipe) = Pipe::find("declared_wrong") else { return };
    let sink = "[sink.config.tables.rates]\ncolumns = { until = \"number(99,0)\" }\n";
    pipe.connector(Connector { sink, ..Connector::default() });
    let mut source = rates();
    let row = source.insert(json!({ "cur": "EUR", "until": "infinity", "r": 1 }));
    source.send(&pipe.broker, [row]);
    let failed = pipe.run_with_code(1);
    let _line = failed.expect_log("\"number(99,0)\" is not a column type: use one of text, number(p,s)");
}
