//! Comparisons with other programs, which do the same work on the same Kafka, one after another.
//!
//! `cargo xtask peers connect`: Tidegate, Kafka Connect and a bare program with librdkafka write files. Prints what each takes, and writes
//! it to docs/performance.md. `cargo xtask peers postgres` does the same for tables in PostgreSQL; see `postgres/mod.rs`.
//!
//! A benchmark, because it is built with the release profile. `cargo bench` alone does not run it.

mod bare;
mod case;
mod catch_up;
mod document;
mod idle;
mod latency;
mod lines;
mod load;
mod postgres;
mod process;
mod report;
mod start;
mod summary;
mod tidegate;
mod worker;

use std::{env, process::ExitCode, time::Instant};

use tidegate_tests::{
    artifacts,
    kafka::{Kafka, Options},
};

use crate::report::Report;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Records of the catch-up.
    records: usize,
    /// How often every program runs.
    rounds: usize,
    /// Seconds in which latencies are measured.
    latency_seconds: u64,
    /// Idle connectors.
    connectors: usize,
    /// Seconds for which they are watched.
    idle_seconds: u64,
}

const FULL: Scale =
    Scale { records: 1_000_000, rounds: 3, latency_seconds: 20, connectors: 100, idle_seconds: 20 };
const QUICK: Scale =
    Scale { records: 200_000, rounds: 1, latency_seconds: 5, connectors: 20, idle_seconds: 5 };

const COMMAND: &str = "cargo xtask peers connect|postgres [--quick]";

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["connect"] => connect(FULL, true),
        ["connect", "--quick"] => connect(QUICK, false),
        ["postgres"] => postgres::compare(postgres::FULL, true),
        ["postgres", "--quick"] => postgres::compare(postgres::QUICK, false),
        [] => {
            println!("peers: compares with other programs only when asked: {COMMAND}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: {COMMAND}");
            ExitCode::FAILURE
        }
    }
}

/// Compares with Kafka Connect. Panics if a program does not do its work, or its output differs.
fn connect(scale: Scale, document: bool) -> ExitCode {
    let load = report::load_average();
    // The broker's compiler optimizes, unlike in tests.
    let java = vec!["-XX:TieredStopAtLevel=4".to_owned(), "-Xms512m".to_owned(), "-Xmx1g".to_owned()];
    let Some(kafka) = Kafka::start(&Options { java, ..Options::default() }) else {
        return ExitCode::SUCCESS;
    };
    let bare = bare::build();
    artifacts();
    let started = Instant::now();
    let report = Report {
        scale,
        load,
        events: load::fill(&kafka, scale.records),
        catch_up: catch_up::measure(&kafka, &bare, scale),
        latency: latency::measure(&kafka, scale),
        start: start::measure(&kafka, scale),
        idle: idle::measure(&kafka, scale),
    };
    eprintln!("measured in {} s\n", started.elapsed().as_secs());
    let text = report.text();
    println!("{text}");
    if document {
        document::replace("connect", &text);
    }
    ExitCode::SUCCESS
}
