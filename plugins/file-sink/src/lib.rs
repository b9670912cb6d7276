//! The `file` sink: lines of JSON in files, durable when `write` returns, every record exactly once.
//!
//! How that works is told in `store.rs`.

mod error;
mod journal;
mod line;
mod marks;
mod store;
mod template;

use std::collections::BTreeMap;

use tidegate_plugin::{BatchDefaults, Claim, NextOffset, Partition, Rows, prelude::*};

use crate::{
    line::Style,
    marks::{Mark, Marks},
    store::{Lines, Store, Turn},
    template::Template,
};

/// Configuration of `file`.
#[derive(Deserialize, JsonSchema)]
struct Config {
    /// Path of the file. `{topic}`, `{database}`, `{schema}` and `{table}` make one file each; characters that have a
    /// meaning in paths are percent-encoded in them. The sink owns its files: nobody else may append to them.
    path: String,
    /// What a line holds.
    #[serde(default)]
    style: Style,
    /// Wait until the disk has the data. Without it, a batch survives the end of the process, but not a power cut.
    #[serde(default = "yes")]
    fsync: bool,
}

fn yes() -> bool {
    true
}

struct FileSink {
    connector: String,
    template: Template,
    style: Style,
    store: Store,
}

impl Sink for FileSink {
    type Config = Config;

    fn batch_defaults() -> BatchDefaults {
        // Every batch waits for the disk a few times: larger ones wait less often.
        BatchDefaults { max_records: Some(5_000), max_bytes: Some(8 << 20), max_wait: None }
    }

    fn open(config: Config, context: &Context) -> Result<Self> {
        let template = Template::parse(&config.path)?;
        let store = Store::open(template.root(), config.fsync)?;
        Ok(Self { connector: context.connector().to_owned(), template, style: config.style, store })
    }

    fn claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>> {
        let mut turn = self.store.turn()?;
        let claims = partitions.iter().map(|partition| turn.claim(&self.connector, *partition)).collect();
        turn.commit()?;
        Ok(claims)
    }

    fn start_over(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        let mut turn = self.store.turn()?;
        partitions.iter().for_each(|partition| turn.forget(&self.connector, *partition));
        turn.commit()
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        let mut turn = self.store.turn()?;
        let marks = marks(&turn, &self.connector, batch)?;
        let mut files: BTreeMap<String, Lines> = BTreeMap::new();
        for record in batch.iter() {
            if marks.is_written(record) {
                continue;
            }
            let lines = files.entry(self.template.expand(record)).or_default();
            line::write(&mut lines.text, self.style, record)?;
            lines.count += 1;
        }
        turn.append(&files)?;
        batch.positions().for_each(|position| turn.advance(&self.connector, position));
        turn.commit()?;
        Ok(report(&files))
    }
}

fn report(files: &BTreeMap<String, Lines>) -> Report {
    let mut report = Report::written();
    for (name, lines) in files {
        report.rows(Rows { table: name.clone(), inserted: lines.count, ..Rows::default() });
    }
    report
}

fn marks<'b>(turn: &Turn<'_>, connector: &str, batch: &Batch<'b>) -> Result<Marks<'b>> {
    let mark = |position: NextOffset<'b>| {
        let written_below = turn.written_below(connector, position)?;
        Ok(Mark { topic: position.topic, partition: position.partition, written_below })
    };
    batch.positions().map(mark).collect()
}

export_plugin!(sink "file": FileSink);

#[cfg(test)]
mod tests;
