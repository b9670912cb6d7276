//! Folding and merging a batch must be equivalent to applying its events one by one, for any batches, and even if
//! the source sends old events again. In the end, the table must be equal to that of the source.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tidegate_plugin::{
    Kind, Sink,
    prelude::*,
    testing::{Event as Made, Records, SinkTest},
};

use super::super::*;
use crate::{
    plan::moves::Base,
    test_config::{self, Config},
};

/// A table in the database: rows by key, and stored deletes. Positions are texts, as in the table.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    rows: BTreeMap<String, Row>,
    deleted: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    position: String,
    plain: i64,
    large: Option<String>,
}

thread_local! {
    static MODELS: std::cell::RefCell<(Model, Model)> = std::cell::RefCell::default();
}

/// A sink that applies each batch to two models: event by event, and folded, as with MERGE.
struct Both {
    planner: Planner,
    missing: UpdateMissing,
}

impl Sink for Both {
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self> {
        MODELS.set(<(Model, Model)>::default());
        Ok(Self { planner: test_config::planner(&config)?, missing: config.options.update_missing })
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        let moved = self.planner.moved_keys(batch);
        let plan = self.planner.plan(batch, &moved, |_, _, _| false);
        MODELS.with_borrow_mut(|(one_by_one, merged)| {
            for record in batch.iter() {
                let Some(change) = record.change() else { continue };
                let position = Position::of(record, &change, OrderBy::Source);
                one_by_one.apply(&Event::new(record, change, position), self.missing);
            }
            for table in plan.by_warehouse.values().flat_map(BTreeMap::values) {
                for step in &table.steps {
                    let Step::Upsert(rows) = step else { panic!("every event has a key") };
                    merged.copy(rows);
                    rows.rows().iter().filter(|row| !row.is_only_copied()).for_each(|row| merged.merge(row));
                }
            }
        });
        Ok(Report::written())
    }
}

fn plain(row: Struct<'_>) -> i64 {
    row.get("plain").and_then(|value| value.as_i64()).unwrap_or_default()
}

fn header(event: &Event<'_>, name: &str) -> Option<String> {
    let text = event.record.headers().get(name)?.value?;
    let json: Json = serde_json::from_slice(text).unwrap();
    Some(json["id"].to_string())
}

impl Model {
    fn is_newer(&self, key: &str, position: &str) -> bool {
        let row = self.rows.get(key).map(|row| row.position.as_str());
        let deleted = self.deleted.get(key).map(String::as_str);
        row.max(deleted).is_none_or(|known| position > known)
    }

    /// The documented effect of an event.
    fn apply(&mut self, event: &Event<'_>, missing: UpdateMissing) {
        let key = event.change.key().get("id").unwrap_or_default().to_string();
        let position = event.position.to_string();
        if !self.is_newer(&key, &position) {
            return;
        }
        let large = event.row().get("large").unwrap_or_default();
        let sent = large.as_str().map(str::to_owned);
        let old = self.rows.remove(&key);
        let large = match (event.operation(), &old) {
            (Operation::Delete, _) => {
                self.deleted.insert(key, position);
                let place = moves::moved_row_position(event.position);
                if let Some((new, old)) = header(event, "__debezium.newkey").zip(old)
                    && self.is_newer(&new, &place)
                {
                    self.rows.insert(new, Row { position: place, ..old });
                }
                return;
            }
            (Operation::Update, None) if missing == UpdateMissing::Skip => return,
            (Operation::Update, Some(old)) if large.is_unavailable() => old.large.clone(),
            (_, Some(old))
                if large.is_unavailable() && old.position >= moves::moved_row_position(event.position) =>
            {
                old.large.clone()
            }
            (Operation::Create, _) if large.is_unavailable() => {
                let from = header(event, "__debezium.oldkey").and_then(|from| self.rows.get(&from));
                from.filter(|from| from.position <= position).and_then(|from| from.large.clone())
            }
            _ => sent,
        };
        self.rows.insert(key, Row { position, plain: plain(event.row()), large });
    }

    /// The effect of the statement that copies rows to their new keys: it reads all rows before it writes one.
    fn copy(&mut self, rows: &Upserts<'_>) {
        let before = self.rows.clone();
        for row in rows.rows() {
            let Base::Inserted(inserted) = &row.base else { continue };
            let found = row.needed_origins().iter().find_map(|origin| {
                let old = before.get(&origin.key[0].to_string())?;
                (old.position >= origin.after() && old.position <= origin.until()).then_some(old)
            });
            let Some(old) = found else { continue };
            let (key, place) = (row.key[0].to_string(), inserted.moved_row_position());
            if !self.is_newer(&key, &place) {
                continue;
            }
            let mut copy = Row { position: place, ..old.clone() };
            if row.is_moved_row() && row.values.is_some() {
                copy.plain = plain(row.row());
                let large = row.row().get("large").unwrap_or_default();
                let known = row.carried("large").map(|carried| carried.value);
                if let Some(large) = if large.is_unavailable() { known } else { Some(large) } {
                    copy.large = large.as_str().map(str::to_owned);
                }
            }
            self.rows.insert(key, copy);
        }
    }

    /// The effect of the MERGE for one folded row.
    fn merge(&mut self, row: &Folded<'_>) {
        let (key, position) = (row.key[0].to_string(), row.last.stamp());
        if row.is_delete() {
            let deleted = self.deleted.entry(key.clone()).or_insert(position.clone());
            *deleted = position.clone().max(deleted.clone());
        } else if self.deleted.get(&key).is_some_and(|deleted| position <= *deleted) {
            return;
        }
        let old = self.rows.get(&key).cloned();
        if old.as_ref().is_some_and(|old| position <= old.position) {
            return;
        }
        if row.is_delete() {
            self.rows.remove(&key);
            return;
        }
        if old.is_none() && !row.inserts {
            return;
        }
        let large = row.row().get("large").unwrap_or_default();
        let stays = |since: String| old.clone().filter(|old| old.position >= since).and_then(|old| old.large);
        let value = match (row.carried("large"), &row.base) {
            _ if !large.is_unavailable() => large.as_str().map(str::to_owned),
            (Some(carried), _) if old.as_ref().is_none_or(|old| old.position < carried.since.to_string()) => {
                carried.value.as_str().map(str::to_owned)
            }
            (Some(_), _) | (None, Base::Row) => stays(String::new()),
            (None, Base::Inserted(inserted)) => stays(inserted.min_position()),
        };
        self.rows.insert(key, Row { position, plain: plain(row.row()), large: value });
    }
}

/// Number of keys.
const KEYS: u8 = 5;

/// A source that changes a few rows. Each change has the next position.
fn history() -> impl Strategy<Value = Vec<(u8, u8, bool)>> {
    proptest::collection::vec((0..KEYS, 0..6_u8, any::<bool>()), 1..50)
}

/// A record to send, with its header.
type Sent = (Made, Option<(&'static str, String)>);

/// The rows of the source.
type Held = BTreeMap<u8, (i64, String)>;

/// The events of a history, and the final rows of the source. The effect of a step depends on the existing rows.
fn events(history: &[(u8, u8, bool)]) -> (Vec<Sent>, Held) {
    let mut rows = Held::new();
    let mut events: Vec<Sent> = Vec::new();
    for (step, (key, choice, large)) in history.iter().enumerate() {
        let (lsn, plain) = (step as i64 + 1, step as i64);
        let new = (1..KEYS).map(|more| (key + more + choice) % KEYS).find(|key| !rows.contains_key(key));
        let id = |key: u8| json!({ "id": key });
        let row = |key: u8, large: Json| json!({ "id": key, "plain": plain, "large": large });
        let known = rows.get(key).map(|(_, large)| large.clone());
        let written =
            if *large { format!("large {step}") } else { known.clone().unwrap_or(format!("large {step}")) };
        let with_value = |made: Made, key: u8| {
            let is_known = *large || known.is_none();
            let sent = if is_known { json!(written) } else { Json::Null };
            let made = made.after(row(key, sent)).key(id(key)).lsn(lsn);
            if is_known { made } else { made.column("large", Kind::UNAVAILABLE) }
        };
        match (known.is_some(), choice, new) {
            (true, 0, _) => {
                events.push((Made::delete("t").before(id(*key)).key(id(*key)).lsn(lsn), None));
                rows.remove(key);
            }
            (true, 1 | 2, Some(new)) => {
                let delete = Made::delete("t").before(id(*key)).key(id(*key)).lsn(lsn);
                events.push((delete, Some(("__debezium.newkey", id(new).to_string()))));
                let create = with_value(Made::insert("t"), new);
                events.push((create, Some(("__debezium.oldkey", id(*key).to_string()))));
                rows.remove(key);
                rows.insert(new, (plain, written));
            }
            (is_there, ..) => {
                let made = if is_there { Made::update("t") } else { Made::insert("t") };
                events.push((with_value(made, *key), None));
                rows.insert(*key, (plain, written));
            }
        }
    }
    (events, rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn folding_is_equivalent_to_applying_events(
        history in history(),
        cuts in proptest::collection::vec(1..12_usize, 1..12),
        replays in proptest::collection::vec((0..40_usize, 0..40_usize), 0..4),
        skip in any::<bool>(),
    ) {
        let (made, held) = events(&history);
        // Sometimes the source goes back some steps, and sends everything from there again.
        let mut sent: Vec<Sent> = Vec::new();
        let mut next = 0;
        for (until, back) in replays {
            let until = (next + until).min(made.len());
            sent.extend_from_slice(&made[next..until]);
            next = until.saturating_sub(back);
        }
        sent.extend_from_slice(&made[next..]);

        let missing = if skip { "skip" } else { "insert" };
        let mut sink = SinkTest::<Both>::open(json!({ "update_missing": missing })).unwrap();
        let mut rest = sent.as_slice();
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (batch, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            let records = batch.iter().fold(Records::new(), |records, (event, header)| {
                let records = records.event(event.clone());
                match header {
                    Some((name, value)) => records.header(name, value.as_bytes()),
                    None => records,
                }
            });
            sink.write(&records).unwrap();
            rest = behind;
            MODELS.with_borrow(|(one_by_one, merged)| {
                prop_assert_eq!(&one_by_one.rows, &merged.rows);
                Ok(())
            })?;
        }
        let merged = MODELS.with_borrow(|(_, merged)| merged.rows.clone());
        let found: Held = merged
            .into_iter()
            .map(|(key, row)| (key.parse().unwrap(), (row.plain, row.large.unwrap_or_default())))
            .collect();
        prop_assert_eq!(found, held);
    }
}
