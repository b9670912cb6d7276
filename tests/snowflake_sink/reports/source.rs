//! Change events as Debezium writes them, for tables of several kinds of databases.

use serde_json::{Value as Json, json};

use super::record::Record;

/// Commit time of the first event, in milliseconds since 1970.
pub(crate) const START: i64 = 1_790_000_000_000;

/// A table of a source, and the topic and partition of its events.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    topic: String,
    partition: i32,
    key: &'static [&'static str],
    block: Json,
}

impl Source {
    /// A table of PostgreSQL.
    pub(crate) fn postgres(table: &str, key: &'static [&'static str]) -> Self {
        let block = json!({
            "version": "3.6.3.Final", "connector": "postgresql", "name": "cdc", "snapshot": "false", "db": "depot",
            "sequence": null, "schema": "public", "table": table, "txId": 700, "lsn": null, "xmin": null,
            "ts_ms": START,
        });
        Self { topic: format!("cdc.public.{table}"), partition: 0, key, block }
    }

    /// A table of MySQL.
    pub(crate) fn mysql(table: &str, key: &'static [&'static str]) -> Self {
        let block = json!({
            "version": "3.6.3.Final", "connector": "mysql", "name": "crm", "snapshot": "false", "db": "crm",
            "sequence": null, "table": table, "server_id": 1, "gtid": null, "file": "binlog.000001", "pos": 4,
            "row": 0, "thread": 11, "query": null, "ts_ms": START,
        });
        Self { topic: format!("crm.crm.{table}"), partition: 0, key, block }
    }

    /// A table of Oracle.
    pub(crate) fn oracle(table: &str, key: &'static [&'static str]) -> Self {
        let block = json!({
            "version": "3.6.3.Final", "connector": "oracle", "name": "erp", "snapshot": "false", "db": "ORCL",
            "sequence": null, "schema": "WMS", "table": table, "txId": "0a000b00c1000000", "scn": null,
            "commit_scn": null, "lcr_position": null, "rs_id": "001234.00000020.0010", "ssn": 0,
            "redo_thread": 1, "user_name": "WMS", "ts_ms": START,
        });
        Self { topic: format!("erp.WMS.{table}"), partition: 0, key, block }
    }

    /// A table of SQL Server.
    pub(crate) fn sql_server(table: &str, key: &'static [&'static str]) -> Self {
        let block = json!({
            "version": "3.6.3.Final", "connector": "sqlserver", "name": "fin", "snapshot": "false", "db": "fin",
            "sequence": null, "schema": "dbo", "table": table, "change_lsn": null, "commit_lsn": null,
            "event_serial_no": 1, "ts_ms": START,
        });
        Self { topic: format!("fin.dbo.{table}"), partition: 0, key, block }
    }

    /// With these values in the source block of all events.
    pub(crate) fn with(mut self, fields: Json) -> Self {
        merge(&mut self.block, fields);
        self
    }

    /// The same table, with events in another topic.
    pub(crate) fn in_topic(self, topic: &str) -> Self {
        Self { topic: topic.to_owned(), ..self }
    }

    /// The same table, with events in another partition.
    pub(crate) fn in_partition(self, partition: i32) -> Self {
        Self { partition, ..self }
    }

    /// A copy with these values in the source block.
    pub(crate) fn at(&self, place: Json) -> Self {
        self.clone().with(place)
    }

    /// A PostgreSQL position, committed this number of milliseconds after the start.
    pub(crate) fn lsn(&self, lsn: i64, later: i64) -> Self {
        self.at(json!({
            "lsn": lsn, "sequence": format!("[\"{}\",\"{lsn}\"]", lsn - 1), "txId": 700 + lsn, "ts_ms": START + later,
        }))
    }

    /// A MySQL position, committed this number of milliseconds after the start.
    pub(crate) fn binlog(&self, file: &str, pos: i64, later: i64) -> Self {
        self.at(json!({ "file": file, "pos": pos, "ts_ms": START + later }))
    }

    /// A row of an incremental snapshot, as the PostgreSQL connector writes it.
    pub(crate) fn incremental(&self, row: Json) -> Record {
        let nothing = json!({ "snapshot": "incremental", "lsn": null, "txId": null, "sequence": null });
        self.at(nothing).event("r", Json::Null, row)
    }

    /// A snapshot event; `mark` is Debezium's snapshot marker, such as `first`, `true` or `last`.
    pub(crate) fn read(&self, mark: &str, row: Json) -> Record {
        self.at(json!({ "snapshot": mark })).event("r", Json::Null, row)
    }

    /// An insert.
    pub(crate) fn insert(&self, row: Json) -> Record {
        self.event("c", Json::Null, row)
    }

    /// An update.
    pub(crate) fn update(&self, row: Json) -> Record {
        self.event("u", Json::Null, row)
    }

    /// A delete.
    pub(crate) fn delete(&self, row: Json) -> Record {
        self.event("d", row, Json::Null)
    }

    /// A changed key, as Debezium writes it: a delete, a tombstone and an insert, with the other key in a header.
    pub(crate) fn move_row(&self, old: Json, new: Json) -> [Record; 3] {
        let named = |row: &Json| {
            let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let parts: Vec<String> =
                self.key.iter().map(|name| format!("{name}={}", text(&row[*name]))).collect();
            format!("Struct{{{}}}", parts.join(","))
        };
        let delete = self.delete(old.clone()).with_header("__debezium.newkey", &named(&new));
        let tombstone = delete.tombstone();
        [delete, tombstone, self.insert(new).with_header("__debezium.oldkey", &named(&old))]
    }

    /// An event with this operation.
    pub(crate) fn event(&self, op: &str, before: Json, after: Json) -> Record {
        let key_of = if after.is_object() { &after } else { &before };
        let key: serde_json::Map<String, Json> =
            self.key.iter().map(|name| ((*name).to_owned(), key_of[*name].clone())).collect();
        let read_at = self.block["ts_ms"].as_i64().unwrap_or(START) + 500;
        let value = json!({
            "before": before, "after": after, "source": self.block, "op": op, "ts_ms": read_at,
            "transaction": null,
        });
        let mut record = Record::of(&self.topic, Json::Object(key), value).in_partition(self.partition);
        if self.key.is_empty() {
            record.key = None;
        }
        record
    }
}

fn merge(block: &mut Json, fields: Json) {
    let (Json::Object(block), Json::Object(fields)) = (block, fields) else { panic!("not two objects") };
    block.extend(fields);
}
