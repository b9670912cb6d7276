//! Folding a batch and merging it comes to the same as applying its events one by one, whatever the batches and however
//! often the source sends old events again.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tidegate_plugin::{
    Kind, Sink,
    prelude::*,
    testing::{Event as Made, Records, SinkTest},
};

use super::{super::*, config};
use crate::{config::Config, names::Naming};

/// A table in Snowflake: rows by key, and what is remembered of deleted ones.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    rows: BTreeMap<String, Row>,
    deleted: BTreeMap<String, Position>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    position: Position,
    plain: i64,
    large: Option<String>,
}

thread_local! {
    static MODELS: std::cell::RefCell<(Model, Model)> = std::cell::RefCell::default();
}

/// A sink that applies each batch to two models: event by event, and folded as a MERGE.
struct Both {
    planner: Planner,
    missing: UpdateMissing,
}

impl Sink for Both {
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self> {
        MODELS.set(<(Model, Model)>::default());
        let naming = Naming::new(&config.table, config.identifiers)?;
        let router = Router::new(&config, naming, Warehouses::of(&config));
        Ok(Self { planner: Planner::new(Rules::of(&config), router), missing: config.update_missing })
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        let plan = self.planner.plan(batch, |_, _| false);
        MODELS.with_borrow_mut(|(one_by_one, merged)| {
            for record in batch.iter() {
                let Some(change) = record.change() else { continue };
                let position = Position::of(record, &change, OrderBy::Source);
                one_by_one.apply(&Event::new(record, change, position), self.missing);
            }
            for table in plan.works.values().flat_map(BTreeMap::values) {
                for step in &table.steps {
                    let Step::Upsert(rows) = step else { panic!("every event has a key") };
                    rows.rows().iter().for_each(|row| merged.merge(row));
                }
            }
        });
        Ok(Report::written())
    }
}

fn plain(event: &Event<'_>) -> i64 {
    event.row().get("plain").and_then(|value| value.as_i64()).unwrap_or_default()
}

impl Model {
    fn key(event: &Event<'_>) -> String {
        event.change.key().get("id").unwrap_or_default().to_string()
    }

    /// What the documentation promises of one event.
    fn apply(&mut self, event: &Event<'_>, missing: UpdateMissing) {
        let key = Self::key(event);
        let known = self.rows.get(&key).map(|row| row.position).max(self.deleted.get(&key).copied());
        if known.is_some_and(|known| event.position <= known) {
            return;
        }
        let large = event.row().get("large").unwrap_or_default();
        let sent = large.as_str().map(str::to_owned);
        let old = self.rows.remove(&key);
        let large = match (event.operation(), &old) {
            (Operation::Delete, _) => {
                self.deleted.insert(key, event.position);
                return;
            }
            (Operation::Update, None) if missing == UpdateMissing::Skip => return,
            (_, Some(old)) if large.is_unavailable() => old.large.clone(),
            _ => sent,
        };
        self.rows.insert(key, Row { position: event.position, plain: plain(event), large });
    }

    /// What the MERGE does with one folded row.
    fn merge(&mut self, row: &Folded<'_>) {
        let event = &row.last;
        let key = Self::key(event);
        if row.is_delete() {
            let deleted = self.deleted.entry(key.clone()).or_insert(event.position);
            *deleted = event.position.max(*deleted);
        } else if self.deleted.get(&key).is_some_and(|deleted| event.position <= *deleted) {
            return;
        }
        let old = self.rows.get(&key).cloned();
        if old.as_ref().is_some_and(|old| event.position <= old.position) {
            return;
        }
        if row.is_delete() {
            self.rows.remove(&key);
            return;
        }
        if old.is_none() && !row.inserts {
            return;
        }
        let large = event.row().get("large").unwrap_or_default();
        let value = match row.carried("large") {
            Some(carried) if large.is_unavailable() => {
                let is_newer = old.as_ref().is_some_and(|old| old.position >= carried.since);
                if is_newer {
                    old.and_then(|old| old.large)
                } else {
                    carried.value.as_str().map(str::to_owned)
                }
            }
            None if large.is_unavailable() => old.and_then(|old| old.large),
            _ => large.as_str().map(str::to_owned),
        };
        self.rows.insert(key, Row { position: event.position, plain: plain(event), large: value });
    }
}

/// A source: what it does to a few rows, in order. Each change has the next position.
fn history() -> impl Strategy<Value = Vec<(u8, u8, bool)>> {
    proptest::collection::vec((0..3_u8, 0..4_u8, any::<bool>()), 1..40)
}

/// The events of a history: what each step does depends on whether its row exists.
fn events(history: &[(u8, u8, bool)]) -> Vec<Made> {
    let mut alive = [false; 3];
    let mut events = Vec::new();
    for (step, (key, choice, large)) in history.iter().enumerate() {
        let id = json!({ "id": key });
        let row = |large: Json| json!({ "id": key, "plain": step, "large": large });
        let exists = &mut alive[usize::from(*key)];
        let event = match (*exists, choice) {
            (false, _) => Made::insert("t").after(row(json!(format!("large {step}")))),
            (true, 0) => Made::delete("t").before(id.clone()),
            (true, _) if *large => Made::update("t").after(row(json!(format!("large {step}")))),
            (true, _) => Made::update("t").after(row(Json::Null)).column("large", Kind::UNAVAILABLE),
        };
        *exists = !(*exists && *choice == 0);
        events.push(event.key(id).lsn(step as i64 + 1));
    }
    events
}

proptest! {
    #[test]
    fn folding_changes_nothing(
        history in history(),
        cuts in proptest::collection::vec(1..12_usize, 1..12),
        replays in proptest::collection::vec((0..40_usize, 0..40_usize), 0..4),
        skip in any::<bool>(),
    ) {
        let made = events(&history);
        // The source goes back some steps, now and then, and sends everything from there again.
        let mut sent: Vec<Made> = Vec::new();
        let mut next = 0;
        for (until, back) in replays {
            let until = (next + until).min(made.len());
            sent.extend_from_slice(&made[next..until]);
            next = until.saturating_sub(back);
        }
        sent.extend_from_slice(&made[next..]);

        let missing = if skip { "skip" } else { "insert" };
        let mut sink = SinkTest::<Both>::open(config(json!({ "update_missing": missing }))).unwrap();
        let mut rest = sent.as_slice();
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (batch, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            let records = batch.iter().fold(Records::new(), |records, event| records.event(event.clone()));
            sink.write(&records).unwrap();
            rest = behind;
            MODELS.with_borrow(|(one_by_one, merged)| {
                prop_assert_eq!(&one_by_one.rows, &merged.rows);
                Ok(())
            })?;
        }
    }
}
