//! Debezium's change events: schema and envelope as in a captured event of PostgreSQL's connector, with our rows.

use tidegate_tests::captured;

use super::row::Row;

/// The captured topic whose schema the events have.
const CAPTURED: &str = "cdc.public.products";

/// The type of a column of the captured events, and what it is here: Debezium's sink binds the number of a [`MICRO_TIMESTAMP`] unchanged to
/// an array of timestamps, which PostgreSQL rejects.
const MICRO_TIMESTAMP: &str = r#""type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp""#;
const ZONED_TIMESTAMP: &str = r#""type":"string","optional":true,"name":"io.debezium.time.ZonedTimestamp""#;

/// What has happened to a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// The row before the change, with `REPLICA IDENTITY FULL`.
    pub(crate) before: Option<Row>,
    /// The row after it.
    pub(crate) after: Option<Row>,
    /// The number of the change, which becomes its position in the source's log.
    pub(crate) number: u64,
}

/// The topic of a table.
pub(crate) fn topic(table: &str) -> String {
    format!("cdc.public.{table}")
}

/// Writes the events of one table.
#[derive(Debug)]
pub(crate) struct Events {
    table: String,
    /// A key up to its payload.
    key: String,
    /// A value up to its payload.
    value: String,
}

impl Events {
    /// Events with the schema of the captured ones.
    ///
    /// # Panics
    /// If there is no captured event.
    pub(crate) fn of(table: &str) -> Self {
        let captured = captured("shop-precise/json-schema.jsonl.gz");
        let event = captured.into_iter().find(|record| record.topic == CAPTURED).expect("a captured event");
        let schema = |json: Option<String>| {
            let json = json.expect("a key and a value");
            let (schema, _) = json.split_once(r#","payload":"#).expect("a schema and a payload");
            let schema = schema.replace(MICRO_TIMESTAMP, ZONED_TIMESTAMP);
            format!(r#"{},"payload":"#, schema.replace(CAPTURED, &topic(table)))
        };
        Self { table: table.to_owned(), key: schema(event.key), value: schema(event.value) }
    }

    /// The record's key.
    pub(crate) fn key(&self, key: u32) -> String {
        format!(r#"{}{{"product_id":{key}}}}}"#, self.key)
    }

    /// The record's value.
    pub(crate) fn value(&self, change: Change) -> String {
        let row = |row: Option<Row>| row.map_or_else(|| "null".to_owned(), Row::json);
        let operation = match (change.before, change.after) {
            (None, _) => "c",
            (Some(_), Some(_)) => "u",
            (Some(_), None) => "d",
        };
        let (lsn, transaction) = (43_000_000 + change.number * 64, 2_000 + change.number);
        let millis = 1_795_356_265_886 + change.number / 10;
        format!(
            r#"{}{{"before":{},"after":{},"source":{{"version":"3.6.3.Final","connector":"postgresql","name":"cdc","ts_ms":{millis},"snapshot":"false","db":"shop_precise","sequence":"[\"{}\",\"{lsn}\"]","ts_us":{millis}120,"ts_ns":{millis}120000,"schema":"public","table":"{}","txId":{transaction},"lsn":{lsn},"xmin":null,"origin":null,"origin_lsn":null}},"transaction":null,"op":"{operation}","ts_ms":{millis},"ts_us":{millis}561,"ts_ns":{millis}561476}}}}"#,
            self.value,
            row(change.before),
            row(change.after),
            lsn - 64,
            self.table,
        )
    }
}
