//! The bare program with librdkafka, in `tests/peers/bare`.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use nested_cargo::cargo;
use tidegate_tests::{kafka::Kafka, root, target_folder};

use crate::{case::Case, lines, load::PARTITIONS, process::usage, summary::Run};

/// Builds it; returns its executable.
///
/// # Panics
/// If that fails.
pub(crate) fn build() -> PathBuf {
    let target = target_folder().join("bare");
    let manifest = root().join("tests/peers/bare/Cargo.toml");
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]).arg(manifest);
    let status = build.arg("--target-dir").arg(&target).status().expect("cargo can be started");
    assert!(status.success(), "building tests/peers/bare failed: {status}");
    target.join("release/tidegate-bare")
}

/// Runs a case.
pub(crate) fn run(
    kafka: &Kafka,
    executable: &Path,
    work: &str,
    case: &Case,
    out: &Path,
    records: usize,
) -> Run {
    let started = Instant::now();
    let mut command = Command::new(executable);
    command.args([work, &kafka.servers(), case.topic, &PARTITIONS.to_string(), &records.to_string()]);
    let mut child =
        Process(command.arg(out).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts"));
    if case.is_discarded() {
        wait_for_output(&mut child.0);
        return Run::to_now(started, usage(child.0.id()));
    }
    Run::written(started, lines::wait_for(out, records as u64, child.0.id()))
}

/// It waits for the end of its input after its only line.
fn wait_for_output(child: &mut Child) {
    let mut line = String::new();
    let output = child.stdout.as_mut().expect("piped");
    BufReader::new(output).read_line(&mut line).expect("an output of text");
    assert_eq!(line, "done\n", "the bare program failed");
}

/// Killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill().is_err();
        let _reaped = self.0.wait().is_ok();
    }
}
