//! What many connectors without records cost.

use std::{thread, time::Duration};

use serde_json::Value as Json;
use tidegate_tests::kafka::Kafka;

use crate::{Scale, case::connect_file_sink, process::usage, tidegate, worker};

const TOPIC: &str = "idle";

/// A process with idle connectors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub(crate) program: &'static str,
    pub(crate) resident_bytes: u64,
    pub(crate) peak_bytes: u64,
    /// Share of a core.
    pub(crate) cpu: f64,
    pub(crate) threads: u64,
}

/// Measures both programs, each with the same number of connectors.
pub(crate) fn measure(kafka: &Kafka, scale: Scale) -> Vec<Idle> {
    eprintln!("{} idle connectors", scale.connectors);
    kafka.create_topic(TOPIC, 1, 1);
    vec![of_tidegate(kafka, scale), of_connect(kafka, scale)]
}

fn of_tidegate(kafka: &Kafka, scale: Scale) -> Idle {
    let home = tidegate::home();
    for number in 0..scale.connectors {
        let text = format!("[source]\ntopics = [\"{TOPIC}\"]\n[sink]\nplugin = \"discard\"\n");
        home.connector(&format!("idle-{number}"), &text);
    }
    let mut running = home.start_on(&kafka.servers(), &[]);
    running.wait_until("all connectors run", |_| {
        let status: Json = serde_json::from_str(&home.run(&["status", "--json"]).stdout).ok()?;
        let connectors = status["connectors"].as_array()?;
        let running = connectors.iter().filter(|connector| connector["state"] == "RUNNING").count();
        (running == scale.connectors).then_some(())
    });
    watch("Tidegate", running.pid(), scale)
}

fn of_connect(kafka: &Kafka, scale: Scale) -> Idle {
    let config = Json::Object(connect_file_sink(TOPIC, "/dev/null"));
    let connectors: Vec<(String, Json)> =
        (0..scale.connectors).map(|number| (format!("connect-idle-{number}"), config.clone())).collect();
    let worker = worker::start(kafka, &[], &connectors);
    worker.wait_for_tasks(scale.connectors);
    watch("Kafka Connect", worker.pid(), scale)
}

/// Waits until the start is over, and then watches for as long as the scale says.
fn watch(program: &'static str, pid: u32, scale: Scale) -> Idle {
    let seconds = Duration::from_secs(scale.idle_seconds);
    thread::sleep(seconds);
    let before = usage(pid);
    thread::sleep(seconds);
    let after = usage(pid);
    let cpu = (after.cpu - before.cpu).as_secs_f64() / seconds.as_secs_f64();
    eprintln!("    {program}: {} threads, {cpu:.3} of a core", after.threads);
    Idle {
        program,
        resident_bytes: after.resident_bytes,
        peak_bytes: after.peak_bytes,
        cpu,
        threads: after.threads,
    }
}
