//! How long each program takes for a topic that is full already.

use std::path::Path;

use tidegate_tests::kafka::Kafka;

use crate::{
    Scale, bare,
    case::{CASES, Case},
    lines::Digest,
    summary::Run,
    tidegate, worker,
};

/// The runs of one program.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) program: &'static str,
    pub(crate) runs: Vec<Run>,
}

/// The runs of all programs for one case, those of Tidegate first.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) case: Case,
    pub(crate) rows: Vec<Row>,
}

/// Runs all programs for all cases, one after another.
///
/// # Panics
/// If the outputs of two programs differ.
pub(crate) fn measure(kafka: &Kafka, bare: &Path, scale: Scale) -> Vec<Table> {
    CASES.iter().map(|case| measure_case(kafka, bare, case, scale)).collect()
}

fn measure_case(kafka: &Kafka, bare: &Path, case: &Case, scale: Scale) -> Table {
    let mut table = Table { case: *case, rows: Vec::new() };
    for round in 1..=scale.rounds {
        eprintln!("{}, round {round} of {}", case.title, scale.rounds);
        run_all(kafka, bare, &mut table, scale.records);
    }
    table
}

fn run_all(kafka: &Kafka, bare: &Path, table: &mut Table, records: usize) {
    let case = table.case;
    let (run, home) = tidegate::run(kafka, &case, records);
    table.add("Tidegate", run);
    let digest = |path: &Path| (!case.is_discarded()).then(|| Digest::of(path, |line| case.canonical(line)));
    let expected = digest(&tidegate::out(&home));
    drop(home);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut check = |program: &'static str, path: &Path, run: Run| {
        assert_eq!(digest(path), expected, "the output of {program} differs from Tidegate's");
        table.add(program, run);
        if !case.is_discarded() {
            std::fs::remove_file(path).expect("the output");
        }
    };
    for (program, work) in case.bare {
        let out = folder.path().join(work);
        check(program, &out, bare::run(kafka, bare, work, &case, &out, records));
    }
    let outs = ["cold", "warm"].map(|name| folder.path().join(name));
    if let Some([cold, warm]) = worker::run(kafka, &case, [&outs[0], &outs[1]], records) {
        check("Kafka Connect, cold", &outs[0], cold);
        check("Kafka Connect, warm", &outs[1], warm);
    }
}

impl Table {
    fn add(&mut self, program: &'static str, run: Run) {
        eprintln!("    {program}: {:.2} s, {:.2} s of CPU", run.wall.as_secs_f64(), run.cpu.as_secs_f64());
        match self.rows.iter_mut().find(|row| row.program == program) {
            Some(row) => row.runs.push(run),
            None => self.rows.push(Row { program, runs: vec![run] }),
        }
    }
}
