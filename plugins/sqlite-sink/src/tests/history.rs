//! A history table equals a simple model of it, for random changes of a source, however they are cut into batches, sent again, and
//! reordered.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use tidegate_plugin::{
    Blocking, Kind, Operation,
    testing::{Event as Made, Records, SinkTest},
};

use crate::SqliteSink;

const TOPIC: &str = "cdc.public.t";
/// Number of keys.
const KEYS: u8 = 4;

/// A change of the source: what it does to a key is chosen by the rows that exist.
#[derive(Clone, Debug)]
struct Change {
    key: u8,
    choice: u8,
    /// Whether the large value changes. Otherwise, it is omitted where a source would.
    large: bool,
    /// Milliseconds; in no order.
    time: i64,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (0..KEYS, 0..12_u8, any::<bool>(), 0..30_i64)
        .prop_map(|(key, choice, large, time)| Change { key, choice, large, time: 1_700_000_000_000 + time });
    prop::collection::vec(change, 1..40)
}

/// An event, and its header.
type Sent = (Made, Option<(&'static str, String)>);

/// A version, as in the table: key, position, operation, both values, and its times.
type Version = (u8, i64, char, Option<i64>, Option<String>, i64, Option<i64>);

/// What a source does, and the history table that it must become.
#[derive(Default)]
struct Source {
    rows: BTreeMap<u8, (i64, String)>,
    sent: Vec<Sent>,
    versions: Vec<Version>,
    truncates: Vec<(i64, i64)>,
    /// Whether large values that do not change are omitted.
    omits: bool,
    /// Whether rows are read again.
    reads: bool,
}

fn id(key: u8) -> Json {
    json!({ "id": key })
}

impl Source {
    fn change(&mut self, change: &Change) {
        let Change { key, choice, large, time } = *change;
        let lsn = self.sent.len() as i64 + 1;
        let free = (1..KEYS).map(|more| (key + more) % KEYS).find(|key| !self.rows.contains_key(key));
        let known = self.rows.get(&key).cloned();
        match (known, choice, free) {
            (_, 0, _) => {
                let truncate = Made::new(Operation::Truncate, "t").lsn(lsn).committed_at(time);
                self.sent.push((truncate, None));
                self.rows.clear();
                self.truncates.push((lsn, time));
            }
            (Some(_), 1 | 2, _) => self.delete(key, lsn, time, None),
            (Some((_, kept)), 3 | 4, Some(new)) => {
                self.delete(key, lsn, time, Some(new));
                let kept = (!large).then_some(kept);
                self.write(Operation::Create, (new, lsn, time), kept, Some(key));
            }
            // The row as it is, which is read now: that is no version.
            (Some((plain, kept)), 5, _) if self.reads => {
                let time = 1_700_000_000_040;
                let row = json!({ "id": key, "plain": plain, "large": kept });
                let read =
                    Made::new(Operation::Read, "t").after(row).key(id(key)).lsn(lsn).committed_at(time);
                self.sent.push((read, None));
            }
            // The connector has missed an update.
            (Some(_), 6, _) => self.write(Operation::Read, (key, lsn, time), None, None),
            (Some((_, kept)), ..) => {
                let kept = (!large).then_some(kept);
                self.write(Operation::Update, (key, lsn, time), kept, None);
            }
            (None, ..) => self.write(Operation::Create, (key, lsn, time), None, None),
        }
    }

    fn delete(&mut self, key: u8, lsn: i64, time: i64, new: Option<u8>) {
        let delete = Made::delete("t").before(id(key)).key(id(key)).lsn(lsn).committed_at(time);
        self.sent.push((delete, new.map(|new| ("__debezium.newkey", id(new).to_string()))));
        self.rows.remove(&key);
        self.versions.push((key, lsn, 'd', None, None, time, None));
    }

    /// Writes a row, with the large value that it keeps, if any.
    fn write(&mut self, operation: Operation, at: (u8, i64, i64), kept: Option<String>, old: Option<u8>) {
        let (key, lsn, time) = at;
        let is_omitted = self.omits && kept.is_some();
        let large = kept.unwrap_or(format!("large {lsn}"));
        let row = json!({ "id": key, "plain": lsn, "large": if is_omitted { "" } else { large.as_str() } });
        let mut made = Made::new(operation, "t").after(row).key(id(key)).lsn(lsn).committed_at(time);
        if is_omitted {
            made = made.column("large", Kind::UNAVAILABLE);
        }
        self.sent.push((made, old.map(|old| ("__debezium.oldkey", id(old).to_string()))));
        let code = char::from(operation.code().0);
        self.versions.push((key, lsn, code, Some(lsn), Some(large.clone()), time, None));
        self.rows.insert(key, (lsn, large));
    }

    /// The history table: each version ends at the earliest time of all that is later, but not before it begins.
    fn history(&self) -> Vec<Version> {
        let mut versions = self.versions.clone();
        for version in &mut versions {
            let (key, lsn, operation, .., from, _) = *version;
            let later =
                self.versions.iter().filter(|other| other.0 == key && other.1 > lsn).map(|other| other.5);
            let truncated = self.truncates.iter().filter(|(at, _)| *at >= lsn).map(|(_, time)| *time);
            let end = later.chain(truncated).min().map(|end| end.max(from));
            version.6 = if operation == 'd' { Some(from) } else { end };
        }
        versions.sort();
        versions
    }
}

/// A sink with its file.
struct Scene {
    folder: tempfile::TempDir,
    sink: SinkTest<Blocking<SqliteSink>>,
    next_offsets: BTreeMap<i32, i64>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({ "path": folder.path().join("shop.db"), "mode": "history" });
        let mut sink = SinkTest::open(config).unwrap();
        sink.claim(&[(TOPIC, 0), (TOPIC, 1)]).unwrap();
        Self { folder, sink, next_offsets: BTreeMap::new() }
    }

    /// Writes a batch, whose records are in these partitions.
    fn write(&mut self, batch: &[(i32, &Sent)]) {
        let mut records = Records::new();
        for (partition, (event, header)) in batch {
            let offset = self.next_offsets.entry(*partition).or_default();
            records = records.event(event.clone()).at(*partition, *offset);
            *offset += 1;
            if let Some((name, value)) = header {
                records = records.header(name, value.as_bytes());
            }
        }
        let report = self.sink.write(&records).unwrap();
        assert_eq!(report.rejected(), []);
    }

    fn history(&self) -> Vec<Version> {
        let connection = Connection::open(self.folder.path().join("shop.db")).unwrap();
        // A truncate alone creates no table: it has no key.
        let is_there = connection.prepare("SELECT * FROM t").is_ok();
        if !is_there {
            return Vec::new();
        }
        let sql =
            "SELECT id, _cdc_source_lsn, _cdc_operation, plain, large, _cdc_valid_from, _cdc_valid_to FROM t";
        let mut statement = connection.prepare(sql).unwrap();
        let milliseconds = |text: String| {
            let (_, fraction) = text.trim_end_matches('Z').rsplit_once(':').unwrap();
            1_699_999_980_000 + (fraction.parse::<f64>().unwrap() * 1000.0).round() as i64
        };
        let rows = statement.query_map([], |row| {
            let position: String = row.get(1)?;
            let operation: String = row.get(2)?;
            let to: Option<String> = row.get(6)?;
            Ok((
                row.get(0)?,
                i64::from_str_radix(&position, 16).unwrap(),
                operation.chars().next().unwrap(),
                row.get(3)?,
                row.get(4)?,
                milliseconds(row.get(5)?),
                to.map(milliseconds),
            ))
        });
        let mut rows: Vec<Version> = rows.unwrap().map(Result::unwrap).collect();
        rows.sort();
        rows
    }
}

/// Cuts records into batches of these sizes, again and again.
fn batches<'s, T>(mut records: &'s [T], cuts: &'s [usize]) -> Vec<&'s [T]> {
    let mut batches = Vec::new();
    for cut in cuts.iter().cycle() {
        if records.is_empty() {
            break;
        }
        let (batch, rest) = records.split_at(records.len().min(*cut));
        batches.push(batch);
        records = rest;
    }
    batches
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..12_usize, 1..12)
}

/// At any time, at most one version of a key is valid.
fn expect_no_overlap(history: &[Version]) {
    for (index, one) in history.iter().enumerate() {
        assert!(one.6.is_none_or(|to| to >= one.5), "{one:?}");
        let others = history.iter().skip(index + 1).filter(|other| other.0 == one.0);
        for other in others {
            let ends = |version: &Version| version.6.unwrap_or(i64::MAX);
            let overlap = one.5.max(other.5) < ends(one).min(ends(other));
            assert!(!overlap, "{one:?} and {other:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// In the order of the source, but sometimes sent again, either with large values omitted or with rows read again.
    #[test]
    fn a_history_in_order_equals_the_model(
        changes in changes(),
        cuts in cuts(),
        replays in prop::collection::vec((0..40_usize, 0..40_usize), 0..4),
        omits in any::<bool>(),
    ) {
        let mut source = Source { omits, reads: !omits, ..Source::default() };
        changes.iter().for_each(|change| source.change(change));
        let (mut sent, mut next) = (Vec::new(), 0);
        for (until, back) in replays {
            let until = (next + until).min(source.sent.len());
            sent.extend(source.sent[next..until].iter().map(|record| (0, record)));
            next = until.saturating_sub(back);
        }
        sent.extend(source.sent[next..].iter().map(|record| (0, record)));
        let mut scene = Scene::new();
        batches(&sent, &cuts).into_iter().for_each(|batch| scene.write(batch));
        prop_assert_eq!(scene.history(), source.history());
        expect_no_overlap(&scene.history());
    }

    /// In any order, from two partitions, with every record sent twice.
    #[test]
    fn a_history_in_any_order_equals_the_model(
        changes in changes(),
        cuts in cuts(),
        order in prop::collection::vec((any::<u32>(), 0..2_i32), 100),
    ) {
        let mut source = Source::default();
        changes.iter().for_each(|change| source.change(change));
        let twice = source.sent.iter().chain(&source.sent).zip(&order);
        let mut sent: Vec<_> = twice.map(|(record, (place, partition))| (*place, *partition, record)).collect();
        sent.sort_by_key(|(place, ..)| *place);
        let sent: Vec<_> = sent.into_iter().map(|(_, partition, record)| (partition, record)).collect();
        let mut scene = Scene::new();
        batches(&sent, &cuts).into_iter().for_each(|batch| scene.write(batch));
        prop_assert_eq!(scene.history(), source.history());
        expect_no_overlap(&scene.history());
    }
}
