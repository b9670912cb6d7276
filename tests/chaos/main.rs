//! Chaos test: hosts, brokers and sinks fail at the same time, by a plan that is generated from a seed, while records
//! are produced. At the end, every record must be accounted for.
//!
//! ```text
//! TIDEGATE_CHAOS_MINUTES=60 TIDEGATE_CHAOS_SEED=7 cargo test --workspace --test chaos
//! ```
//!
//! The defaults are one minute and a random seed. The seed is printed; the same seed gives the same plan. The report is
//! written to `target/tmp/chaos/report.md`, and the logs of the hosts to the same folder. Without a real Kafka, the
//! test is skipped with a message.

mod collect;
mod executor;
mod host;
mod live_edits;
mod measure;
mod oracle;
mod plan;
mod processes;
mod report;
mod rest_calls;
mod sampling;
mod scene;
mod side_topics;
mod stream;
mod tables;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tidegate_tests::{TIMEOUT, wait_for};

use self::{
    collect::Log,
    executor::InjectedFault,
    host::{Past, now_ms},
    oracle::CheckResult,
    plan::Plan,
    report::Report,
    sampling::{Client, Observations},
    scene::{CONNECTORS, HEALTHY, HOSTS, Scene},
};

const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/chaos");

/// The observations during a run.
struct Run {
    from_ms: i64,
    to_ms: i64,
    sent: u64,
    injected: Vec<InjectedFault>,
    observations: Observations,
    hosts: Vec<Past>,
}

#[test]
fn every_record_is_accounted_for() {
    let plan = Plan::from_environment();
    let folder = Path::new(FOLDER);
    let _nothing_there = fs::remove_dir_all(folder).is_err();
    fs::create_dir_all(folder).expect("a folder for logs and report");
    let Some(scene) = Scene::start(&plan, folder) else { return };
    print_to_stderr(&format!("chaos: TIDEGATE_CHAOS_SEED={} for {} s\n", plan.seed, plan.length.as_secs()));
    let mut run = run(&plan, &scene);
    let results = check(&scene, &mut run);
    let mut side_violations = side_topics::violations(&scene);
    side_violations.extend(tables::violations(&scene));
    let text = report(&plan, &scene, &run, &results);
    fs::write(folder.join("report.md"), &text).expect("a report");
    print_to_stderr(&format!("\n{text}\n"));

    let unexpected: Vec<&String> = run.hosts.iter().flat_map(|past| &past.unexpected).collect();
    assert!(unexpected.is_empty(), "seed {}: {unexpected:#?}", plan.seed);
    assert!(side_violations.is_empty(), "seed {}: {side_violations:#?}", plan.seed);
    for (connector, result) in &results {
        let shown = &result.violations[..result.violations.len().min(20)];
        assert!(
            shown.is_empty(),
            "seed {}: {connector} has {} violations: {shown:?}",
            plan.seed,
            result.violations.len()
        );
    }
}

fn run(plan: &Plan, scene: &Scene) -> Run {
    let (stop_stream, stop_sampling) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        // After a panic, the threads must stop too, because the scope waits for them.
        let _ends = [StopOnDrop(&stop_stream), StopOnDrop(&stop_sampling)];
        let stream = scope.spawn(|| stream::run(&scene.kafka, plan.seed, &stop_stream));
        let changes = scope.spawn(|| tables::run(scene, plan.seed, &stop_stream));
        let flowing = wait_for(|| CONNECTORS.iter().all(|name| scene.ledger(name).last() > 0).then_some(()));
        flowing.expect("records in every ledger");
        let sampling = scope.spawn(|| sampling::run(scene, &stop_sampling));
        let from_ms = now_ms();
        let injected = executor::execute(plan, scene);
        let to_ms = now_ms();
        stop_stream.store(true, Ordering::Relaxed);
        let sent = stream.join().expect("a stream whose records are acknowledged");
        changes.join().expect("changes that are acknowledged");
        drain(scene);
        side_topics::drain(scene);
        tables::drain(scene);
        stop_sampling.store(true, Ordering::Relaxed);
        let observations = sampling.join().expect("sampling does not panic");
        let hosts = (0..HOSTS).map(|number| {
            let mut host = scene.host(number);
            host.terminate();
            std::mem::take(&mut host.past)
        });
        Run { from_ms, to_ms, sent, injected, observations, hosts: hosts.collect() }
    })
}

/// Waits until every group has committed the whole stream.
fn drain(scene: &Scene) {
    let deadline = Instant::now() + 3 * TIMEOUT;
    let mut clients: Vec<(&str, Client)> =
        CONNECTORS.into_iter().map(|connector| (connector, Client::new(scene, connector))).collect();
    while !clients.is_empty() {
        clients.retain(|(_, client)| client.committed().is_none() || client.committed() != client.ends());
        (0..HOSTS).for_each(|number| scene.host(number).check());
        if Instant::now() > deadline {
            let left: Vec<_> =
                clients.iter().map(|(name, client)| (name, client.committed(), client.ends())).collect();
            (0..HOSTS).for_each(|number| scene.host(number).terminate());
            panic!("not drained in time, see the logs in {FOLDER}: {left:#?}");
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn check(scene: &Scene, run: &mut Run) -> BTreeMap<&'static str, CheckResult> {
    let log = Log::read(scene, run.sent);
    let results = CONNECTORS.into_iter().map(|connector| {
        let samples = run.observations.take_samples(connector, &run.injected);
        (connector, log.history(scene, connector, samples).check())
    });
    results.collect()
}

fn report(plan: &Plan, scene: &Scene, run: &Run, results: &BTreeMap<&'static str, CheckResult>) -> String {
    let rows = scene.ledger(HEALTHY).entries();
    let kills: Vec<_> = run.hosts.iter().flat_map(|past| past.kills.clone()).collect();
    let report = Report {
        plan,
        injected: &run.injected,
        results,
        hosts: &run.hosts,
        takeovers: &measure::takeovers(&kills, &rows, &run.injected),
        throughput: measure::throughput(&rows, &run.injected, run.from_ms, run.to_ms),
        growth: measure::growth(&run.observations.memory),
        tables: scene.tables.as_ref().map(tables::Tables::counts),
    };
    report.text()
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes to stderr directly, because the test harness hides the output of tests that pass.
fn print_to_stderr(text: &str) {
    io::stderr().write_all(text.as_bytes()).expect("a place for errors");
}
