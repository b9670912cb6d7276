//! A table of a source, whose change events two connectors with the sink `postgres` write: one keeps a table equal to it, and one
//! appends every event to another table. PostgreSQL itself is killed, stopped, frozen and failed over to a standby that has missed commits.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::{Value as Json, json};
use tidegate_tests::{
    Database, TIMEOUT,
    kafka::{Kafka, flush, send},
};

use crate::{
    plan::Fault,
    scene::{HOSTS, PARTITIONS, Scene},
};

/// The sink's library.
pub(crate) const LIBRARY: &str = "postgres-sink";
/// The connectors and their tables, with the mode of each.
const TABLES: [(&str, &str); 2] = [("upserted", "upsert"), ("appended", "append")];

const TOPIC: &str = "cdc.public.items";
/// The database, its user and the password.
const NAME: &str = "chaos";
/// Changes per second.
const RATE: u32 = 100;
const TICK: Duration = Duration::from_millis(25);
const PAUSE: Duration = Duration::from_millis(500);
/// Number of keys.
const KEYS: u32 = 300;

/// The servers, and what was sent.
pub(crate) struct Tables {
    /// One of them is the primary, and the other one its standby.
    servers: [Database; 2],
    primary: AtomicUsize,
    sent: Mutex<Sent>,
}

/// What was sent and acknowledged.
#[derive(Clone, Debug, Default)]
struct Sent {
    /// The rows of the source: the number of each by its key.
    rows: BTreeMap<u32, u64>,
    /// All events: operation, key, and the number of the row.
    events: Vec<(char, u32, u64)>,
}

/// Counts for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Change events.
    pub(crate) events: usize,
    /// Rows of the source.
    pub(crate) rows: usize,
}

impl Tables {
    /// Starts the servers, and creates the topic; `None`, with a message, without PostgreSQL.
    pub(crate) fn start(kafka: &Kafka) -> Option<Self> {
        let primary = Database::postgres(NAME, &["max_connections=300"])?;
        let standby = primary.standby();
        kafka.create_topic(TOPIC, PARTITIONS, 3);
        let servers = [primary, standby];
        Some(Self { servers, primary: AtomicUsize::new(0), sent: Mutex::default() })
    }

    /// The names and texts of the connector files.
    pub(crate) fn connectors(&self, session: &str, limits: &str) -> Vec<(&'static str, String)> {
        let [first, second] = [0, 1].map(|number: usize| self.servers[number].port());
        let text = |(name, mode): (&'static str, &str)| {
            let text = format!(
                "tasks = 2\n[source]\ntopics = [\"{TOPIC}\"]\n{session}[sink]\nplugin = \"postgres\"\n[sink.config]\n\
                 url = \"postgresql:///{NAME}?host=127.0.0.1&host=127.0.0.1&port={first},{second}\"\nuser = \"{NAME}\"\n\
                 password = \"{NAME}\"\nssl_mode = \"disable\"\nmode = \"{mode}\"\nlanes = 2\nlock_timeout = \"2s\"\n\
                 connect_timeout = \"2s\"\n[sink.config.tables.items]\nname = \"{name}\"\n{limits}"
            );
            (name, text)
        };
        TABLES.into_iter().map(text).collect()
    }

    fn primary(&self) -> &Database {
        &self.servers[self.primary.load(Ordering::Relaxed)]
    }

    fn standby(&self) -> &Database {
        &self.servers[1 - self.primary.load(Ordering::Relaxed)]
    }

    /// What was sent until now.
    pub(crate) fn counts(&self) -> Counts {
        let sent = self.sent.lock().expect("no panic before");
        Counts { events: sent.events.len(), rows: sent.rows.len() }
    }
}

/// Begins a fault.
pub(crate) fn start(scene: &Scene, fault: Fault) {
    let Some(tables) = &scene.tables else { return };
    match fault {
        Fault::DatabaseKill => tables.primary().kill(),
        Fault::DatabaseStop => tables.primary().stop(),
        Fault::DatabaseFreeze => tables.primary().freeze(),
        // From here on, it misses what is committed.
        Fault::DatabaseFailover => tables.standby().stop(),
        other => panic!("{other:?} is no fault of a database"),
    }
}

/// Ends a fault.
pub(crate) fn end(scene: &Scene, fault: Fault) {
    let Some(tables) = &scene.tables else { return };
    match fault {
        Fault::DatabaseKill | Fault::DatabaseStop => tables.primary().start(),
        Fault::DatabaseFreeze => tables.primary().resume(),
        _ => {
            let (old, new) = (tables.primary(), tables.standby());
            old.kill();
            new.start();
            new.promote();
            tables.primary.fetch_xor(1, Ordering::Relaxed);
            old.follow(new);
        }
    }
}

/// Changes rows of the source until it is stopped.
pub(crate) fn run(scene: &Scene, seed: u64, stop: &AtomicBool) {
    let Some(tables) = &scene.tables else { return };
    // Without it, the producer's own retries may send an event twice, which is then appended twice.
    let properties = [("enable.idempotence", "true"), ("delivery.timeout.ms", "600000")];
    let producer = scene.kafka.producer(&properties);
    let (mut rng, mut sent, began) = (Rng::with_seed(seed), Sent::default(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * f64::from(RATE)) as usize;
        while sent.events.len() < due {
            let key = rng.u32(..KEYS);
            let value = sent.change(key, &mut rng).to_string();
            let key = json!({ "id": key }).to_string();
            send(&producer, TOPIC, None, Some(&key), Some(&value));
            if value.contains(r#""op":"d""#) {
                send(&producer, TOPIC, None, Some(&key), None);
            }
        }
        thread::sleep(TICK);
    }
    flush(&producer);
    *tables.sent.lock().expect("no panic before") = sent;
}

impl Sent {
    /// The event of the next change of a row.
    fn change(&mut self, key: u32, rng: &mut Rng) -> Json {
        let number = self.events.len() as u64 + 1;
        let row = |number: u64| json!({ "id": key, "number": number, "name": format!("item {number}") });
        let before = self.rows.get(&key).copied();
        let (op, after) = match before {
            None => ('c', Some(number)),
            Some(_) if rng.u32(..4) == 0 => ('d', None),
            Some(_) => ('u', Some(number)),
        };
        match after {
            Some(number) => self.rows.insert(key, number),
            None => self.rows.remove(&key),
        };
        self.events.push((op, key, after.or(before).unwrap_or_default()));
        json!({
            "op": op.to_string(),
            "before": before.filter(|_| op == 'd').map(row),
            "after": after.map(row),
            "source": {
                "connector": "postgresql", "name": "cdc", "db": "shop", "schema": "public", "table": "items",
                "lsn": number, "txId": number, "snapshot": "false", "ts_ms": 1_700_000_000_000_u64 + number,
            },
            "ts_ms": 1_700_000_000_000_u64 + number,
        })
    }
}

/// Waits until the tables are as they should be.
pub(crate) fn drain(scene: &Scene) {
    let deadline = Instant::now() + 3 * TIMEOUT;
    while Instant::now() < deadline && !violations(scene).is_empty() {
        (0..HOSTS).for_each(|number| scene.host(number).check());
        thread::sleep(PAUSE);
    }
}

/// What is wrong with the tables.
pub(crate) fn violations(scene: &Scene) -> Vec<String> {
    let Some(tables) = &scene.tables else { return Vec::new() };
    let sent = tables.sent.lock().expect("no panic before").clone();
    let mut violations = Vec::new();
    let expected = sent.rows.iter().map(|(key, number)| format!("{key} {number} item {number}"));
    let query = "SELECT id || ' ' || number || ' ' || name FROM upserted";
    compare("upserted", expected, &rows(tables, query), &mut violations);
    let expected = sent.events.iter().map(|(op, key, number)| format!("{op} {key} {number} item {number}"));
    let query = "SELECT _cdc_operation || ' ' || id || ' ' || number || ' ' || name FROM appended";
    compare("appended", expected, &rows(tables, query), &mut violations);
    violations
}

fn rows(tables: &Tables, query: &str) -> Vec<String> {
    tables.primary().rows(query).into_iter().map(|row| row.into_iter().flatten().collect()).collect()
}

fn compare(
    table: &str,
    expected: impl Iterator<Item = String>,
    found: &[String],
    violations: &mut Vec<String>,
) {
    let expected: BTreeSet<String> = expected.collect();
    let distinct: BTreeSet<String> = found.iter().cloned().collect();
    let mut add = |what: &str, rows: Vec<&String>| {
        let Some(first) = rows.first() else { return };
        let mut text = String::new();
        let _infallible = write!(text, "{table}: {} {what}, such as {first:?}", rows.len());
        violations.push(text);
    };
    add("rows are missing", expected.difference(&distinct).collect());
    add("rows are not in the source", distinct.difference(&expected).collect());
    if found.len() > distinct.len() {
        violations.push(format!("{table}: {} rows are there twice", found.len() - distinct.len()));
    }
}
