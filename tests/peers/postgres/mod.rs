//! `cargo xtask peers postgres`: change events from Kafka to tables in PostgreSQL, by each program that can do that. All read the same
//! topics and write to the same server, one after another; afterwards the tables must be equal to their source.

mod case;
mod changes;
mod debezium;
mod event;
mod report;
mod row;
mod scene;
mod tidegate;

use std::process::ExitCode;

use tidegate_tests::{
    Database,
    kafka::{Kafka, Options},
};

use self::{
    case::CASES,
    debezium::Debezium,
    report::Report,
    scene::{Measured, Scene},
    tidegate::Tidegate,
};
use crate::{document, report::load_average};

/// How much is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Changes in the case that only inserts rows.
    pub(crate) inserts: usize,
    /// Changes in each of the other cases.
    pub(crate) changes: usize,
    /// Keys of those, in all tables.
    pub(crate) keys: u32,
    /// With how many tasks each program runs, one after another.
    pub(crate) tasks: &'static [usize],
}

/// The scale of the figures that are published.
pub(crate) const FULL: Scale = Scale { inserts: 1_000_000, changes: 500_000, keys: 100_000, tasks: &[1, 2] };
/// Enough to check that every program does its work, but not to compare them.
pub(crate) const QUICK: Scale = Scale { inserts: 30_000, changes: 30_000, keys: 3_000, tasks: &[2] };

/// The database, and its owner.
const NAME: &str = "peers";

/// A program that writes the topics of a case to the tables of the same names.
trait Runner {
    /// Runs the program with this number of tasks, at least once. Every run is one call of [`Scene::measure`], which empties the tables
    /// before.
    ///
    /// # Panics
    /// If it does not do its work.
    fn run(&self, scene: &Scene<'_>, tasks: usize) -> Vec<Measured>;
}

/// The programs, in the order of the tables in the report.
fn runners() -> [Box<dyn Runner>; 2] {
    [Box::new(Debezium), Box::new(Tidegate)]
}

/// Measures all programs in all cases. Panics if a program does not do its work, or its tables differ from their source.
pub(crate) fn compare(scale: Scale, document: bool) -> ExitCode {
    let load = load_average();
    // The settings are PostgreSQL's defaults, except for fsync, which the harness turns off.
    let Some(database) = Database::postgres(NAME, &[]) else { return ExitCode::SUCCESS };
    // The broker's compiler optimizes, unlike in tests.
    let java = vec!["-XX:TieredStopAtLevel=4".to_owned(), "-Xms512m".to_owned(), "-Xmx1g".to_owned()];
    let Some(kafka) = Kafka::start(&Options { java, ..Options::default() }) else {
        return ExitCode::SUCCESS;
    };
    let mut report =
        Report { scale, load, server: database.value("SHOW server_version"), tables: Vec::new() };
    for case in &CASES {
        eprintln!("{}", case.title);
        let scene = Scene::load(&kafka, &database, case, scale);
        let mut measured = Vec::new();
        for runner in runners() {
            scale.tasks.iter().for_each(|tasks| measured.extend(runner.run(&scene, *tasks)));
        }
        report.add(&scene, measured);
    }
    let text = report.text();
    println!("{text}");
    if document {
        document::replace("postgres", &text);
    }
    ExitCode::SUCCESS
}
