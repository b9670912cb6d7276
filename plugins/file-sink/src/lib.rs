//! The `file` sink: lines of JSON in files, durable when `write` returns, every record exactly once.
//!
//! See `store.rs` for how this works.

mod buffers;
mod error;
mod journal;
mod line;
mod placement;
mod store;
mod template;
mod written;

use tidegate_plugin::{BatchDefaults, Claim, NextOffset, Partition, Rows, prelude::*};

use crate::{
    buffers::Buffers,
    line::Style,
    store::{JournalTransaction, Store},
    template::Template,
    written::{WrittenOffset, WrittenOffsets},
};

/// Configuration of `file`.
#[derive(Deserialize, JsonSchema)]
struct Config {
    /// Path of the file. With `{topic}`, `{database}`, `{schema}` or `{table}`, the sink writes one file for each value;
    /// characters with a special meaning in paths are percent-encoded. No other program may append to the files.
    path: String,
    /// Content of a line.
    #[serde(default)]
    style: Style,
    /// Flush the data to disk before a batch is acknowledged. If false, a batch survives a crash of the process but not
    /// a power failure.
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
    buffers: Buffers,
}

impl Sink for FileSink {
    type Config = Config;

    const STORES_OFFSETS: bool = true;

    fn batch_defaults() -> BatchDefaults {
        // Every batch waits for several disk flushes, so larger batches are faster.
        BatchDefaults { max_records: Some(5_000), max_bytes: Some(8 << 20), max_wait: None }
    }

    fn check(config: &Config) -> Result<()> {
        Template::parse(&config.path).map(drop)
    }

    fn open(config: Config, context: &Context) -> Result<Self> {
        let template = Template::parse(&config.path)?;
        let store = Store::open(template.root(), config.fsync)?;
        let connector = context.connector().to_owned();
        Ok(Self { connector, template, style: config.style, store, buffers: Buffers::default() })
    }

    fn claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>> {
        let mut transaction = self.store.begin()?;
        let claims =
            partitions.iter().map(|partition| transaction.claim(&self.connector, *partition)).collect();
        transaction.commit()?;
        Ok(claims)
    }

    fn reset_offsets(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        let mut transaction = self.store.begin()?;
        partitions.iter().for_each(|partition| transaction.reset_offset(&self.connector, *partition));
        transaction.commit()
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        let mut transaction = self.store.begin()?;
        let written = written_offsets(&transaction, &self.connector, batch)?;
        let files = &mut self.buffers;
        files.clear();
        let mut rejected = Report::written();
        for record in batch.iter() {
            if written.contains(record) {
                continue;
            }
            let refusal = |name: &str| transaction.refusal(name);
            match files.lines(&self.template, record, refusal) {
                Ok(lines) => {
                    line::write(&mut lines.text, self.style, record)?;
                    lines.count += 1;
                }
                Err(reason) => rejected.reject(record.index(), reason),
            }
        }
        if !rejected.rejected().is_empty() {
            return Ok(rejected);
        }
        transaction.append(files)?;
        batch.positions().for_each(|position| transaction.advance(&self.connector, position));
        transaction.commit()?;
        Ok(report(files))
    }
}

fn report(files: &Buffers) -> Report {
    let mut report = Report::written();
    for (name, lines) in files.iter() {
        report.rows(Rows { table: name.clone(), inserted: lines.count, ..Rows::default() });
    }
    report
}

fn written_offsets<'b>(
    transaction: &JournalTransaction<'_>,
    connector: &str,
    batch: &Batch<'b>,
) -> Result<WrittenOffsets<'b>> {
    let written = |position: NextOffset<'b>| {
        let next_offset = transaction.written_offset(connector, position)?;
        Ok(WrittenOffset { topic: position.topic, partition: position.partition, next_offset })
    };
    batch.positions().map(written).collect()
}

export_plugin!(sink "file": FileSink);

#[cfg(test)]
mod tests;
