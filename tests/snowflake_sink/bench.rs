//! Benchmark: rows per second from Kafka to the stand-in by batch size, compared with a program that sends one
//! statement per event.
//!
//! `cargo test --release --workspace --test snowflake -- --ignored bench --nocapture` prints the table for
//! `docs/performance.md`. Both use the same stand-in. The test only asserts that the tables are equal.

use serde_json::{Value as Json, json};
use tidegate_tests::{Broker, Home, LogEntry, Rows, StandIn};

const EVENTS: usize = 10_000;
const BATCHES: [usize; 3] = [100, 1_000, 10_000];
const TOPIC: &str = "cdc.public.orders";
/// The operations of 20 events, as in `tests/snowflake/one_by_one.py`: 12 updates, 5 inserts, 3 deletes.
const PATTERN: &[u8; 20] = b"iuuduuiuuuidiuuuduiu";
/// The types that are not in JSON without a schema.
const HINTS: &str = "[source.columns]\n\"orders.amount\" = { decimal = 2 }\n\"orders.created_at\" = \"timestamp_micros\"\n\
    \"orders.updated_at\" = \"timestamp_micros\"\n";

/// The same row as in the other program.
fn row(id: usize, number: usize) -> Json {
    json!({
        "id": id, "name": format!("name {number}"), "email": format!("user{number}@example.com"), "city": "Amsterdam",
        "amount": format!("{number}.25"), "quantity": number % 7, "price": 9.75,
        "note": "a note of some length that nobody reads, as notes are",
        // 2024-01-01 00:07:00 and 2024-02-29 13:14:15.123456
        "created_at": 1_704_067_620_000_000_i64, "updated_at": 1_709_212_455_123_456_i64, "is_open": number.is_multiple_of(2),
    })
}

/// Key and value of every event.
fn events() -> Vec<(String, String)> {
    let mut known = Vec::new();
    let event = |number: usize| {
        let op = PATTERN[number % PATTERN.len()];
        let any = if known.is_empty() { 0 } else { number * 7919 % known.len() };
        let (op, id, before, after) = if op == b'i' || known.is_empty() {
            known.push(number);
            ("c", number, Json::Null, row(number, number))
        } else if op == b'u' {
            ("u", known[any], Json::Null, row(known[any], known[any] + 1))
        } else {
            let id = known.remove(any);
            ("d", id, json!({ "id": id }), Json::Null)
        };
        let source = json!({
            "connector": "postgresql", "name": "cdc", "db": "shop", "schema": "public", "table": "orders",
            "lsn": number, "ts_ms": 1_700_000_000_000_i64, "snapshot": "false",
        });
        let value = json!({ "op": op, "before": before, "after": after, "source": source, "ts_ms": 1_700_000_000_000_i64 });
        (json!({ "id": id }).to_string(), value.to_string())
    };
    (0..EVENTS).map(event).collect()
}

/// Durations in seconds, from the stand-in's log.
struct Times {
    /// From the first BEGIN after the claim to the end of the last COMMIT.
    writing: f64,
    /// Of that, in the stand-in.
    in_stand_in: f64,
    /// From the end of the claim, so including reading the first batch and creating the table.
    whole: f64,
    transactions: usize,
}

fn times(log: &[LogEntry]) -> Times {
    let done = |entry: &LogEntry| entry.done.unwrap_or_default();
    // The first transaction is the claim.
    let claimed = log.iter().find(|entry| entry.kind == "COMMIT").map(done).expect("a claim");
    let first = log.iter().position(|entry| entry.kind == "BEGIN" && entry.time > claimed).expect("a batch");
    let writing: Vec<&LogEntry> = log[first..].iter().filter(|entry| entry.done.is_some()).collect();
    let commits: Vec<f64> =
        writing.iter().filter(|entry| entry.kind == "COMMIT").map(|entry| done(entry)).collect();
    let end = commits.last().expect("a batch that was committed");
    Times {
        writing: end - writing[0].time,
        in_stand_in: writing.iter().map(|entry| done(entry) - entry.time).sum(),
        whole: end - claimed,
        transactions: commits.len(),
    }
}

/// Columns of both tables, ordered by key.
fn rows(stand_in: &StandIn, schema: &str) -> Rows {
    let columns = "\"id\", \"name\", \"email\", \"city\", \"amount\", \"quantity\", \"price\", \"note\", \"created_at\", \
        \"updated_at\", \"is_open\"";
    stand_in.query(schema, &format!("SELECT {columns} FROM \"orders\" ORDER BY 1"))
}

/// Writes all events in batches of this size into a new schema.
fn write(stand_in: &StandIn, broker: &Broker, batch: usize) -> Times {
    let schema = format!("BATCHES_OF_{batch}");
    let _status = stand_in.query("PUBLIC", &format!("CREATE SCHEMA {schema}"));
    let home = Home::new(&["snowflake-sink"]);
    home.connector(
        &format!("bench-{batch}"),
        &format!(
            "[source]\ntopics = [\"{TOPIC}\"]\n{HINTS}[sink]\nplugin = \"snowflake\"\n[sink.config]\n{}schema = \"{schema}\"\n\
             [batch]\nmax_records = {batch}\n",
            stand_in.options()
        ),
    );
    let since = stand_in.log_end();
    let _finished = home.run_once(broker).expect_code(0);
    times(&stand_in.log(since))
}

#[test]
#[ignore = "takes minutes, and its figures mean something only in a release build"]
fn bench() {
    let Some(stand_in) = StandIn::start(&[]) else { return };
    let broker = Broker::start();
    broker.topic(TOPIC, 1);
    let events = events();
    broker.produce(events.iter().map(|(key, value)| (TOPIC, 0, Some(key.as_str()), Some(value.as_str()))));
    // Warms up the stand-in.
    let _warm = write(&stand_in, &broker, 5_000);
    let measured: Vec<(usize, Times)> =
        BATCHES.iter().map(|batch| (*batch, write(&stand_in, &broker, *batch))).collect();
    let seconds = stand_in.run_one_by_one(EVENTS);
    let expected = rows(&stand_in, "ONE_BY_ONE");
    for batch in BATCHES {
        assert!(rows(&stand_in, &format!("BATCHES_OF_{batch}")).rows == expected.rows, "batches of {batch}");
    }
    let single = EVENTS as f64 / seconds;
    println!(
        "| Events per transaction | Seconds | of them in the stand-in | Events per second | Beside one by one | With the \
         first batch's way | Beside one by one |"
    );
    println!("|---|---|---|---|---|---|---|");
    println!("| one by one, in Python | {seconds:.1} | | {single:.0} | 1 | | |");
    for (batch, Times { writing, in_stand_in, whole, transactions }) in measured {
        assert_eq!(transactions, EVENTS / batch);
        let (rate, whole) = (EVENTS as f64 / writing, EVENTS as f64 / whole);
        let (ratio, whole_ratio) = (rate / single, whole / single);
        println!(
            "| {batch} | {writing:.2} | {in_stand_in:.2} | {rate:.0} | {ratio:.0} | {whole:.0} | {whole_ratio:.0} |"
        );
    }
    println!("{} rows are equal", expected.rows.len());
}
