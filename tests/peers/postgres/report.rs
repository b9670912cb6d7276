//! The figures as Markdown.

use tidegate_tests::kafka::{CONNECT_VERSION, DEBEZIUM_JDBC_VERSION};

use super::{
    Scale, debezium,
    scene::{Measured, Scene},
};
use crate::{
    load::PARTITIONS,
    report::{java, line, mebibytes, output, processor, seconds, thousands},
    worker,
};

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) scale: Scale,
    /// The load average of the machine before anything was started.
    pub(crate) load: String,
    /// PostgreSQL's version.
    pub(crate) server: String,
    pub(crate) tables: Vec<Table>,
}

/// The runs of all programs in one case.
#[derive(Debug)]
pub(crate) struct Table {
    title: &'static str,
    tuning: &'static [(&'static str, &'static str)],
    changes: usize,
    mean_bytes: usize,
    runs: Vec<Measured>,
}

impl Report {
    pub(crate) fn add(&mut self, scene: &Scene<'_>, runs: Vec<Measured>) {
        self.tables.push(Table {
            title: scene.case.title,
            tuning: scene.case.debezium,
            changes: scene.changes,
            mean_bytes: scene.mean_bytes,
            runs,
        });
    }

    /// The text for people.
    pub(crate) fn text(&self) -> String {
        let mut out = self.conditions();
        out.push_str(
            "| changes | program | wall time | from the first row | changes per second | CPU per change | PostgreSQL's CPU per change | \
             peak memory |\n|---|---|---|---|---|---|---|---|\n",
        );
        for table in &self.tables {
            for measured in &table.runs {
                line(&mut out, &table.cells(measured));
            }
        }
        out
    }

    fn conditions(&self) -> String {
        let tuning = self.tables.iter().map(|table| format!("{}: {}", table.title, settings(table.tuning)));
        let sizes: Vec<String> = self
            .tables
            .iter()
            .map(|table| format!("{} of {} bytes", thousands(table.changes), table.mean_bytes))
            .collect();
        format!(
            "Measured on {date} on {cores} cores of {processor}, shared by the broker, PostgreSQL and the program: Apache Kafka and Kafka \
             Connect {CONNECT_VERSION} on {java}, Debezium's JDBC sink {DEBEZIUM_JDBC_VERSION}, PostgreSQL {server} with `fsync=off`, \
             otherwise defaults.\n\n\
             - Debezium: one standalone worker, `{jvm}`, {consumer}, {options}; {tuning}.\n\
             - Tidegate: a new host with an empty state folder, everything at its default.\n\
             - Change events of Debezium's PostgreSQL connector in JSON with schema, in {PARTITIONS} partitions per table and compressed by \
             lz4: {sizes}. Mixed changes are on {keys} keys. After each delete comes a tombstone.\n\
             - After each run, the tables equal their source.\n\
             - Wall time is from the start of the process, or of the connector in a worker that has run this case once (warm).\n\
             - The load average of the last minute was {load} before the start, including what cargo had compiled.\n\n",
            date = output("date", &["-I"]),
            cores = std::thread::available_parallelism().map_or(0, usize::from),
            processor = processor(),
            java = java(),
            server = self.server,
            jvm = worker::JAVA.join(" "),
            consumer = settings(&worker::CONSUMER),
            options = settings(&debezium::OPTIONS),
            tuning = tuning.collect::<Vec<_>>().join("; "),
            sizes = sizes.join(", "),
            keys = thousands(self.scale.keys as usize),
            load = self.load,
        )
    }
}

impl Table {
    fn cells(&self, measured: &Measured) -> [String; 8] {
        let run = measured.run;
        let per_change =
            |time: std::time::Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6 / self.changes as f64);
        [
            self.title.to_owned(),
            measured.program.clone(),
            seconds(run.wall),
            run.from_first.map_or_else(|| "-".to_owned(), seconds),
            thousands((self.changes as f64 / run.wall.as_secs_f64()) as usize),
            per_change(run.cpu),
            per_change(measured.server_cpu),
            mebibytes(run.peak_bytes),
        ]
    }
}

fn settings(options: &[(&str, &str)]) -> String {
    let options = options.iter().map(|(name, value)| format!("`{name}={value}`"));
    options.collect::<Vec<_>>().join(", ")
}
