//! Kills the host with SIGKILL, within transactions and between them.

use std::{collections::BTreeMap, fs};

use tidegate_tests::{Captured, Home, captured, captured_sets::records, wait_for};

use crate::{
    pipe::{Connector, NAME, Pipe},
    probe::Probe,
};

const SET: &str = "shop-precise";
const FORMAT: &str = "json-schema";
/// The table without a key: a record that is written twice would be two rows.
const KEYLESS: &str = "page_views";
const METADATA: &str = "metadata = [\"topic\", \"partition\", \"offset\"]\n";

/// A connector that has created its tables, and the events that it has not been sent yet.
fn prepared<P: Probe>(test: &str) -> Option<(Pipe<P>, Vec<Captured>)> {
    let pipe = Pipe::<P>::find(test)?;
    pipe.connector(Connector { batch: Some(20), sink: METADATA, ..Connector::default() });
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    let events = captured(&format!("{SET}/{FORMAT}.jsonl.gz"));
    let (first, rest): (Vec<Captured>, Vec<Captured>) = events.into_iter().partition(|event| {
        let sent = sent.entry(event.topic.clone()).or_default();
        *sent += 1;
        *sent <= 5
    });
    sent.keys().for_each(|topic| pipe.broker.topic(topic, 1));
    send(&pipe, &first);
    let _finished = pipe.run();
    Some((pipe, rest))
}

/// A connector that has created its tables, and has most records to write.
fn begun<P: Probe>(test: &str) -> Option<Pipe<P>> {
    let (pipe, rest) = prepared(test)?;
    send(&pipe, &rest);
    Some(pipe)
}

fn send<P>(pipe: &Pipe<P>, events: &[Captured]) {
    let records = events.iter();
    pipe.broker.produce(
        records.map(|event| (event.topic.as_str(), 0, event.key.as_deref(), event.value.as_deref())),
    );
}

/// Starts the host, slows all tables down that exist, and kills the host when it has come as far.
#[track_caller]
fn kill_when<P: Probe>(pipe: &Pipe<P>, has_come: impl Fn() -> Option<()>) {
    let mut slowed = of_rows(pipe);
    pipe.probe.slow_down(&slowed);
    let mut host = pipe.start_reading();
    host.wait_until("a transaction", |_| {
        let has_come = has_come();
        let tables = of_rows(pipe);
        if tables != slowed {
            pipe.probe.slow_down(&tables);
            slowed = tables;
        }
        has_come
    });
    host.signal("KILL");
    let _killed = host.finish();
}

/// The tables of the source.
fn of_rows<P: Probe>(pipe: &Pipe<P>) -> Vec<String> {
    let is_of_rows = |table: &String| !table.starts_with("_cdc_") && !table.ends_with("__cdc_deleted");
    pipe.probe.tables().into_iter().filter(is_of_rows).collect()
}

/// Checks that the tables equal the source's, and that the table without a key has every event once.
#[track_caller]
fn expect_everything_once<P: Probe>(pipe: &Pipe<P>, log: &str) {
    let values = pipe.expect_final(SET, FORMAT);
    let place = "\"_cdc_topic\", \"_cdc_partition\", \"_cdc_offset\"";
    let doubled =
        pipe.probe.query(&format!("SELECT {place} FROM \"{KEYLESS}\" GROUP BY {place} HAVING COUNT(*) > 1"));
    assert!(doubled.is_empty(), "{} records are there more than once: {doubled:?}\n{log}", doubled.len());
    let views = captured(&format!("{SET}/{FORMAT}.jsonl.gz"));
    let views = views.iter().filter(|event| event.topic == format!("cdc.public.{KEYLESS}")).count();
    assert_eq!(pipe.select("COUNT(*)", KEYLESS), [views.to_string()], "{log}");
    println!("{values} values are equal, {KEYLESS} holds {views} events once each");
}

pub(crate) fn ten_kills_lose_nothing_and_write_nothing_twice<P: Probe>() {
    const KILLS: usize = 10;
    let Some(pipe) = begun::<P>("kills") else { return };
    for kill in 0..KILLS {
        let is_within = kill % 2 == 0;
        let before = pipe.held();
        kill_when(&pipe, || {
            let is_there = if is_within { pipe.probe.is_writing() } else { pipe.held() > before };
            is_there.then_some(())
        });
        let after = pipe.held();
        let place = if is_within { "within a transaction" } else { "after one" };
        println!("kill {} {place}: {before}, then {after} records are written", kill + 1);
        assert!(is_within || after > before);
    }
    pipe.probe.slow_down(&[]);
    assert!(pipe.held() < records(SET), "everything was written before the last kill");
    let finished = pipe.run();
    expect_everything_once(&pipe, &finished.stderr);
}

pub(crate) fn lost_answers_to_commit_write_nothing_twice<P: Probe>() {
    let Some(pipe) = Pipe::<P>::find("lost_answers") else { return };
    let Some((proxy, sink)) = pipe.probe.proxied(METADATA) else { return };
    pipe.load(SET, FORMAT, 1);
    let source = "restart.policy = \"never\"\n[source]\ntopics_regex = '^cdc[.]public[.]'\n";
    pipe.home.connector(
        NAME,
        &format!("{source}{sink}\n[batch]\nmax_records = 20\n[errors.retry]\nmax = \"1s\"\n"),
    );
    proxy.lose_every(5);
    let finished = pipe.run();
    assert!(proxy.lost() > 5, "{} answers were lost: {}", proxy.lost(), finished.stderr);
    expect_everything_once(&pipe, &finished.stderr);
}

pub(crate) fn a_killed_host_leaves_whole_batches<P: Probe>() {
    let Some(pipe) = begun::<P>("whole_batches") else { return };
    // Tables and columns may have been added without rows, and deleted keys be stored: that may precede the transaction.
    let rows = || -> Vec<(String, usize)> {
        let counted = pipe.everything().into_iter().map(|(table, rows)| (table, rows.rows.len()));
        counted.filter(|(table, rows)| *rows > 0 && !table.ends_with("__cdc_deleted")).collect()
    };
    for _ in 0..3 {
        let before = (pipe.held(), rows());
        kill_when(&pipe, || pipe.probe.is_writing().then_some(()));
        let after = (pipe.held(), rows());
        // No row is there without its offset.
        assert!(after.0 > before.0 || after.1 == before.1, "{before:?} {after:?}");
    }
}

/// Whether all threads of a process are stopped.
fn is_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the threads of a process");
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
    })
}

/// A host is frozen for longer than its session timeout, after half of the stream or less, and wakes up when another one has written
/// the rest.
pub(crate) fn a_frozen_host_writes_nothing_after_its_partitions_moved<P: Probe>() {
    let Some((pipe, rest)) = prepared::<P>("frozen") else { return };
    let (first_half, second_half) = rest.split_at(rest.len() / 2);
    send(&pipe, first_half);
    pipe.probe.slow_down(&of_rows(&pipe));
    let before = pipe.held();
    let mut frozen = pipe.start_reading();
    frozen.wait_until("a frozen host without a transaction", |host| {
        if pipe.held() == before {
            return None;
        }
        host.signal("STOP");
        wait_for(|| is_stopped(host.pid()).then_some(())).expect("a stopped process");
        // A transaction that is frozen would keep the other host waiting.
        if pipe.probe.is_writing() {
            host.signal("CONT");
            return None;
        }
        Some(())
    });
    send(&pipe, second_half);
    pipe.probe.slow_down(&[]);
    let home = Home::new(&[P::LIBRARY]);
    pipe.connector_in(&home, Connector { sink: METADATA, ..Connector::default() });
    let mut other = home.start(&pipe.broker);
    other.wait_until("everything, by the other host", |_| (pipe.held() == records(SET)).then_some(()));
    let written = pipe.everything();
    frozen.signal("CONT");
    // It learns that from the group or from the database, whichever is faster.
    frozen.wait_until("the end of its ownership", |host| {
        let log = host.log();
        (log.contains("another task has claimed") || log.contains("partitions lost")).then_some(())
    });
    assert_eq!(pipe.everything(), written);
    let _other = other.terminate();
    let finished = frozen.terminate();
    expect_everything_once(&pipe, &finished.stderr);
}
