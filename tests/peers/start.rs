//! What a start costs: from the start of the process to the first record in the output file.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use tidegate_tests::{Home, kafka::Kafka};

use crate::{
    Scale,
    case::{connect_file_sink, file_sink},
    lines,
    load::small,
    summary::{Run, median},
    tidegate, worker,
};

const TOPIC: &str = "start";

/// The starts of one program.
#[derive(Clone, Debug)]
pub(crate) struct StartCost {
    pub(crate) program: &'static str,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) peak_bytes: u64,
}

/// StartCost every program as often as there are rounds.
pub(crate) fn measure(kafka: &Kafka, scale: Scale) -> Vec<StartCost> {
    eprintln!("starts");
    kafka.create_topic(TOPIC, 1, 1);
    let (mut fresh, mut again, mut connect) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..scale.rounds {
        let home = tidegate::home();
        let connector = format!(
            "[source]\ntopics = [\"{TOPIC}\"]\nstart = \"earliest\"\n{}",
            file_sink(tidegate::OUT, "raw")
        );
        home.connector(&format!("start-{round}"), &connector);
        fresh.push(tidegate(kafka, &home, round as u64 * 3 + 1));
        again.push(tidegate(kafka, &home, round as u64 * 3 + 2));
        connect.push(worker(kafka, round as u64 * 3 + 3, round));
    }
    vec![
        starts("Tidegate, empty state folder", &fresh),
        starts("Tidegate, state folder of an earlier start", &again),
        starts("Kafka Connect", &connect),
    ]
}

fn tidegate(kafka: &Kafka, home: &Home, records: u64) -> Run {
    send(kafka, records);
    let started = Instant::now();
    let running = home.start_on(&kafka.servers(), &[]);
    let written = lines::wait_for(&tidegate::out(home), records, running.pid());
    running.terminate().expect_code(0);
    Run::written(started, written)
}

fn worker(kafka: &Kafka, records: u64, round: usize) -> Run {
    send(kafka, records);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out: &Path = &folder.path().join("out");
    let config = Json::Object(connect_file_sink(TOPIC, &out.display().to_string()));
    let worker = worker::start(kafka, &[], &[(format!("connect-start-{round}"), config)]);
    Run::written(worker.started(), lines::wait_for(out, records, worker.pid()))
}

/// Sends one more record; `records` are in the topic then.
fn send(kafka: &Kafka, records: u64) {
    let text = small(records as usize);
    kafka.produce_to(TOPIC, 0, [text]);
}

fn starts(program: &'static str, runs: &[Run]) -> StartCost {
    let run = Run {
        wall: median(runs.iter().map(|run| run.wall)),
        from_first: None,
        cpu: median(runs.iter().map(|run| run.cpu)),
        peak_bytes: median(runs.iter().map(|run| run.peak_bytes)),
    };
    eprintln!("    {program}: {:.2} s, {:.2} s of CPU", run.wall.as_secs_f64(), run.cpu.as_secs_f64());
    StartCost { program, wall: run.wall, cpu: run.cpu, peak_bytes: run.peak_bytes }
}
