//! Servers that refuse what they would otherwise do: replicas, too many sessions, timeouts, deadlocks, a full disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use tempfile::TempDir;
use tidegate_tests::{
    Database, Running,
    change_events::{Event, Source},
    wait_for,
};

use super::Schema;
use crate::{
    pipe::{Connector, NAME, Pipe},
    probe::Probe as _,
};

/// Retries are quick.
const RETRY: &str = "[errors.retry]\ninitial = \"100ms\"\nmax = \"1s\"\n";

fn start(name: &str, settings: &[&str]) -> Option<&'static Database> {
    Some(Box::leak(Box::new(Database::postgres(name, settings)?)))
}

fn send(pipe: &Pipe<Schema>, orders: &mut Source, ids: std::ops::Range<i64>) {
    let events: Vec<Event> =
        ids.map(|id| orders.insert(json!({ "id": id, "v": "x".repeat(1_000) }))).collect();
    orders.send(&pipe.broker, events);
}

/// Waits for a line of the log with this text, and returns it.
fn wait_for_line(host: &mut Running, text: &str) -> String {
    let mut found = None;
    host.wait_until(text, |host| {
        found = host.log().lines().find(|line| line.contains(text)).map(str::to_owned);
        found.is_some().then_some(())
    });
    found.unwrap_or_default()
}

#[test]
fn a_replica_is_refused_and_the_primary_behind_it_is_found() {
    let Some(primary) = start("replica", &[]) else { return };
    let pipe = Pipe::<Schema>::with(Schema::of(primary, "replica"));
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..3);
    let standby = primary.standby();
    wait_for(|| standby.has_caught_up(primary).then_some(())).expect("a standby with the schema");
    let source = "restart.policy = \"never\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n";
    let one = pipe.probe.sink_at(standby.port(), "");
    pipe.home.connector(NAME, &format!("{source}{one}\n{RETRY}"));
    // It may become the primary at any time.
    let mut host = pipe.home.start(&pipe.broker);
    let line = wait_for_line(&mut host, "database does not allow writes");
    assert!(
        line.contains("connect to the primary, or name all hosts") && line.contains("retry_in_ms"),
        "{line}"
    );
    let _finished = host.terminate();
    let one = format!("host = \"127.0.0.1\"\nport = {}\n", standby.port());
    let hosts = format!("127.0.0.1,127.0.0.1&port={},{}", standby.port(), primary.port());
    let both = pipe
        .probe
        .sink_at(standby.port(), "")
        .replace(&one, &format!("url = \"postgresql:///replica?host={hosts}\"\n"));
    assert!(both.contains("url = "), "{both}");
    pipe.home.connector(NAME, &format!("{source}{both}"));
    let _finished = pipe.run();
    assert_eq!(pipe.select("COUNT(*)", "orders"), ["3"]);
    standby.stop();
}

#[test]
fn too_many_sessions_are_waited_for() {
    let Some(server) = start("sessions", &[]) else { return };
    let pipe = Pipe::<Schema>::with(Schema::of(server, "sessions"));
    let schema = pipe.probe.name();
    server.execute(&format!(
        "CREATE ROLE writer LOGIN PASSWORD 'writer' CONNECTION LIMIT 0; GRANT CREATE, USAGE ON SCHEMA {schema} TO writer"
    ));
    let owner = "\"sessions\"\npassword = \"sessions\"";
    let sink = pipe.probe.sink("lanes = 1").replace(owner, "\"writer\"\npassword = \"writer\"");
    assert!(sink.contains("writer"), "{sink}");
    let source = "restart.policy = \"never\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n";
    pipe.home.connector(NAME, &format!("{source}{sink}\n{RETRY}"));
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..3);
    let mut host = pipe.home.start(&pipe.broker);
    let line = wait_for_line(&mut host, "(53300)");
    assert!(line.contains("raise max_connections, or set lanes"), "{line}");
    server.execute("ALTER ROLE writer CONNECTION LIMIT -1");
    host.wait_until("all rows", |_| (pipe.held() == 3).then_some(()));
    let _finished = host.terminate().expect_code(0);
    assert_eq!(pipe.select("COUNT(*)", "orders"), ["3"]);
}

#[test]
fn a_statement_that_takes_too_long_is_tried_again() {
    let Some(pipe) = Pipe::<Schema>::find("timeout") else { return };
    pipe.connector(Connector { sink: "statement_timeout = \"1s\"\n", more: RETRY, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..1);
    let mut host = pipe.start_reading();
    host.wait_until("the first row", |_| (pipe.held() == 1).then_some(()));
    // 200 rows take four seconds.
    pipe.probe.slow_down(&["orders".to_owned()]);
    send(&pipe, &mut orders, 1..201);
    let line = wait_for_line(&mut host, "(57014)");
    assert!(line.contains("canceling statement due to statement timeout"), "{line}");
    assert_eq!(pipe.held(), 1, "nothing is half applied");
    pipe.probe.slow_down(&[]);
    host.wait_until("all rows", |_| (pipe.held() == 201).then_some(()));
    let finished = host.terminate().expect_code(0);
    assert_eq!(pipe.select("COUNT(*)", "orders"), ["201"], "{}", finished.stderr);
}

/// Another program writes the same rows in the other order.
#[test]
fn a_deadlock_is_tried_again() {
    let Some(server) = start("deadlock", &["deadlock_timeout=100ms"]) else { return };
    let pipe = Pipe::<Schema>::with(Schema::of(server, "deadlock"));
    pipe.connector(Connector { sink: "lanes = 1\n", more: RETRY, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..2);
    let mut host = pipe.start_reading();
    host.wait_until("the first rows", |_| (pipe.held() == 2).then_some(()));
    // A trigger makes the sink's transaction wait for the other one, which then waits for the sink's.
    let schema = pipe.probe.name().to_owned();
    pipe.probe.execute(&format!(
        "CREATE TABLE {schema}.other (id int PRIMARY KEY, n int); INSERT INTO {schema}.other VALUES (1, 0);\n\
         CREATE FUNCTION {schema}.meets() RETURNS trigger LANGUAGE plpgsql AS\n\
         $$ BEGIN UPDATE {schema}.other SET n = n + 1 WHERE id = 1; RETURN NEW; END $$;\n\
         CREATE TRIGGER meets AFTER UPDATE ON {schema}.orders FOR EACH ROW EXECUTE FUNCTION {schema}.meets()"
    ));
    let mut other = server.session();
    let mut met = 0;
    for round in 1..=10 {
        let mut execute = |statement: &str| other.execute(statement).expect("no error in the other session");
        execute("BEGIN");
        execute("SET LOCAL deadlock_timeout = '60s'");
        execute(&format!("UPDATE {schema}.other SET n = n + 1 WHERE id = 1"));
        let events = [orders.update(json!({ "id": 0, "v": format!("round {round}") }))];
        orders.send(&pipe.broker, events);
        let waits = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.query LIKE 'UPDATE%'";
        wait_for(|| (server.value(waits) != "0").then_some(())).expect("a session that waits");
        // The sink's session finds the deadlock and loses.
        execute(&format!("UPDATE {schema}.orders SET v = 'mine' WHERE id = 0"));
        execute("COMMIT");
        let expected = format!("round {round}");
        host.wait_until("the update", |_| (pipe.select("v", "orders").contains(&expected)).then_some(()));
        met = host.log().matches("(40P01)").count();
        if met > 0 {
            break;
        }
    }
    assert!(met > 0, "{}", host.log());
    let _finished = host.terminate().expect_code(0);
}

/// A file system of a few megabytes, which ends with the value; `None`, with a message, where none can be mounted.
struct SmallDisk {
    folder: Option<TempDir>,
    path: PathBuf,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-disk-").tempdir().expect("a folder");
        let path = folder.path().to_owned();
        let mount = ["-t", "tmpfs", "-o", "size=24m,mode=0777", "none"];
        let is_mounted =
            Command::new("mount").args(mount).arg(&path).output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("SKIPPED a full disk: only root can mount a small file system");
            return None;
        }
        Some(Self { folder: Some(folder), path })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The server has files open there until it ends.
        let _unmounted = Command::new("umount").arg("--lazy").arg(&self.path).status().is_ok();
        drop(self.folder.take());
    }
}

#[test]
fn a_full_disk_is_waited_for() {
    let Some(server) = start("disk", &[]) else { return };
    let Some(disk) = SmallDisk::mount() else { return };
    let pipe = Pipe::<Schema>::with(Schema::of(server, "disk"));
    let place = disk.path().join("tables");
    fs::create_dir(&place).expect("a folder");
    server.give_folder(&place);
    server.execute(&format!("CREATE TABLESPACE small LOCATION '{}'", place.display()));
    server.execute("ALTER ROLE disk SET default_tablespace = 'small'");
    let schema = pipe.probe.name();
    server.execute(&format!("CREATE TABLE {schema}.filler TABLESPACE small AS SELECT repeat('x', 1000) t FROM generate_series(1, 15000)"));
    pipe.connector(Connector { more: RETRY, ..Connector::default() });
    let mut orders = Source::new("orders", &["id"]);
    send(&pipe, &mut orders, 0..8_000);
    let mut host = pipe.home.start(&pipe.broker);
    let line = wait_for_line(&mut host, "No space left on device");
    assert!(line.contains("(53100)"), "{line}");
    // What was committed is there, and nothing of the rest.
    let count = || pipe.select("COUNT(*)", "orders");
    assert_eq!(count(), [pipe.held().to_string()]);
    server.execute(&format!("DROP TABLE {schema}.filler"));
    host.wait_until("all rows", |_| (pipe.held() == 8_000).then_some(()));
    let _finished = host.terminate().expect_code(0);
    assert_eq!(count(), ["8000"]);
    server.stop();
}
