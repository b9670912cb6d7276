//! What a change event says of its place in its source's log.

use std::fmt;

use tidegate_abi::{ChangeParts, Operation, Struct, Value, ValueRef};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Connectors whose positions name a single row of a log.
const POSITION_PER_ROW: [&str; 4] = ["mysql", "mariadb", "sqlserver", "goldengate"];
/// Connectors whose key and position together name a single change.
const POSITION_PER_KEY: [&str; 7] =
    ["postgresql", "mysql", "mariadb", "sqlserver", "goldengate", "ticdc", "TiCDC"];

/// Whether the connector's positions order the events of each table, but not those of different tables.
fn is_ordered_by_table(connector: &str) -> bool {
    matches!(connector, "ticdc" | "TiCDC" | "goldengate")
}

/// Server, or server that a transaction was first committed on, and the number of that transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Writer {
    /// Hash of its name.
    pub(super) id: u64,
    /// Number of the transaction among those of the writer; 0 where it is not known.
    pub(super) sequence: u64,
}

/// The primary key of an event.
#[derive(Clone, Copy)]
pub(super) struct Key<'b> {
    /// The bytes of the message's key; none if they say nothing of the row.
    pub(super) bytes: &'b [u8],
    /// Its columns. They may be known where the message has no key.
    pub(super) columns: Value<'b>,
}

impl Key<'_> {
    pub(super) fn is_known(self) -> bool {
        !self.bytes.is_empty() || self.columns.as_struct().is_some_and(|columns| !columns.is_empty())
    }
}

/// What is known of an event with a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Event {
    /// The position, most significant word first.
    pub(super) words: [u64; 4],
    /// Hash of what makes the event this one: its operation, transaction, time and key, and where those do not suffice its
    /// row. Not what differs when a connector sends it again.
    pub(super) check: u32,
    /// Hash of its transaction and the time of that; 0 for rows of snapshots, which have none.
    pub(super) transaction: u32,
    /// When the source committed it, milliseconds since the epoch.
    pub(super) committed_ms: Option<i64>,
    /// Who wrote it.
    pub(super) writer: Option<Writer>,
    /// It is a row of a snapshot.
    pub(super) is_snapshot: bool,
    /// No other event can have the same position and check.
    pub(super) is_unique: bool,
}

/// Makes [`Event`]s; keeps the memory for that. All hashes are XXH3, since they are stored.
#[derive(Default)]
pub(super) struct Hasher {
    buffer: Vec<u8>,
}

/// The fields of a source block that tell logs apart.
#[derive(Default)]
struct Origin<'b> {
    name: &'b str,
    gtid: &'b str,
    replica_set: &'b str,
    server_id: u64,
}

impl<'b> Origin<'b> {
    fn of(source: Struct<'b>) -> Self {
        let mut found = Self::default();
        for (name, value) in source.iter() {
            match name {
                "name" => found.name = value.as_str().unwrap_or_default(),
                "gtid" => found.gtid = value.as_str().unwrap_or_default(),
                "rs" => found.replica_set = value.as_str().unwrap_or_default(),
                "server_id" => found.server_id = server_id(value),
                _ => {}
            }
        }
        found
    }

    /// MySQL's `<uuid>:<number>` and MariaDB's `<domain>-<server>-<number>`; without GTIDs the server alone; MongoDB's
    /// replica set.
    fn writer(&self, buffer: &mut Vec<u8>) -> Option<Writer> {
        let split = self.gtid.rsplit_once(':').or_else(|| self.gtid.rsplit_once('-'));
        let (server, sequence) = match split {
            // A tag may stand between: `<uuid>:<tag>:<number>`. A range ends with its last number.
            Some((server, number)) => {
                let last = number.rsplit('-').next().unwrap_or(number);
                (server, last.parse().unwrap_or(0))
            }
            None => (self.replica_set, 0),
        };
        if server.is_empty() && self.server_id == 0 {
            return None;
        }
        buffer.clear();
        buffer.extend_from_slice(server.as_bytes());
        if server.is_empty() {
            buffer.extend_from_slice(&self.server_id.to_le_bytes());
        }
        Some(Writer { id: xxh3_64(buffer), sequence })
    }
}

/// A number, or its text, as Debezium's CloudEvents have it.
fn server_id(value: Value<'_>) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

impl Hasher {
    /// Which source an event is from: several may write to one topic, and their positions have nothing to do with each
    /// other. In SQL Server every database has a log of its own, and in Vitess every shard. TiCDC sends each table in
    /// order, but not tables among each other; GoldenGate may have a trail for each.
    pub(super) fn source(&mut self, parts: &ChangeParts<'_>) -> u64 {
        let name = parts.source.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        let shard = parts.source.get("shard").and_then(|shard| shard.as_str());
        let scope = match parts.connector {
            "sqlserver" => [parts.database, "", ""],
            "vitess" => [shard.unwrap_or_default(), "", ""],
            _ if is_ordered_by_table(parts.connector) => [parts.database, parts.schema, parts.table],
            _ => [""; 3],
        };
        self.buffer.clear();
        for part in [parts.connector, name].into_iter().chain(scope) {
            self.buffer.extend_from_slice(part.as_bytes());
            self.buffer.push(0);
        }
        xxh3_64(&self.buffer)
    }

    /// What is known of an event at the position `words`.
    pub(super) fn event(&mut self, parts: &ChangeParts<'_>, words: [u64; 4], key: Key<'_>) -> Event {
        let origin = parts.source.as_struct().map(Origin::of).unwrap_or_default();
        let is_snapshot = !matches!(parts.snapshot, "" | "false" | "incremental");
        let is_insert = parts.operation.is_insert();
        let is_unique =
            key.is_known() || !is_snapshot && (POSITION_PER_ROW.contains(&parts.connector) || !is_insert);
        let transaction = self.transaction(parts, origin.gtid);
        Event {
            words,
            check: self.check(parts, key),
            transaction: if is_snapshot { 0 } else { transaction.max(1) },
            committed_ms: parts.commit_ms,
            writer: origin.writer(&mut self.buffer),
            is_snapshot,
            is_unique,
        }
    }

    /// Leaves the transaction in the buffer.
    fn transaction(&mut self, parts: &ChangeParts<'_>, gtid: &str) -> u32 {
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.extend_from_slice(&parts.commit_ms.unwrap_or(i64::MIN).to_le_bytes());
        for part in [parts.transaction.as_bytes(), gtid.as_bytes()] {
            buffer.extend_from_slice(part);
            buffer.push(0);
        }
        xxh3_64(buffer) as u32
    }

    /// Goes on with the transaction in the buffer.
    fn check(&mut self, parts: &ChangeParts<'_>, key: Key<'_>) -> u32 {
        let buffer = &mut self.buffer;
        buffer.push(operation(parts.operation));
        for part in [parts.table.as_bytes(), key.bytes] {
            buffer.extend_from_slice(&(part.len() as u32).to_le_bytes());
            buffer.extend_from_slice(part);
        }
        if key.bytes.is_empty() && key.is_known() {
            // The buffer takes whatever is written.
            let _written = key.columns.write_json(&mut Bytes(buffer)).is_ok();
        }
        let tells_key = key.is_known() && POSITION_PER_KEY.contains(&parts.connector);
        if !tells_key {
            let row = [rows_hash(parts.before), rows_hash(parts.after)];
            row.iter().for_each(|hash| buffer.extend_from_slice(&hash.to_le_bytes()));
        }
        xxh3_64(buffer) as u32
    }
}

const fn operation(operation: Operation) -> u8 {
    operation.code().0
}

/// Hash of a row's JSON text.
fn rows_hash(row: Value<'_>) -> u64 {
    if matches!(row.view(), ValueRef::Null) {
        return 0;
    }
    let mut text = Text(Xxh3::new());
    // The hash takes whatever is written.
    let _written = row.write_json(&mut text).is_ok();
    text.0.digest()
}

struct Bytes<'a>(&'a mut Vec<u8>);

impl fmt::Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

struct Text(Xxh3);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_abi::Field;

    use super::*;

    fn writer(gtid: &'static str, server_id: u64) -> Option<Writer> {
        Origin { gtid, server_id, ..Origin::default() }.writer(&mut Vec::new())
    }

    #[test]
    fn a_server_id_may_be_text() {
        let text = [Field::new("server_id", Value::string("223344"))];
        let number = [Field::new("server_id", Value::int(223_344))];
        let writer = |fields: &[Field<'static>]| {
            let source = Value::object(fields).as_struct().map(Origin::of).unwrap();
            source.writer(&mut Vec::new())
        };
        assert!(writer(&text).is_some());
        assert_eq!(writer(&text), writer(&number));
    }

    #[test]
    fn a_transaction_id_names_its_server_and_number() {
        let id = |text: &str| xxh3_64(text.as_bytes());
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let mysql = writer("3e11fa47-71ca-11e1-9e33-c80aa9429562:101", 7);
        assert_eq!(mysql, Some(Writer { id: id(uuid), sequence: 101 }));
        let tagged = writer("3e11fa47-71ca-11e1-9e33-c80aa9429562:blue:5", 7);
        assert_eq!(tagged, Some(Writer { id: id(&format!("{uuid}:blue")), sequence: 5 }));
        assert_eq!(writer("0-1-100", 7), Some(Writer { id: id("0-1"), sequence: 100 }));
        assert_eq!(writer("", 7), Some(Writer { id: xxh3_64(&7u64.to_le_bytes()), sequence: 0 }));
        assert_eq!(writer("", 0), None, "snapshots have server id 0");
    }
}
