//! The `sqlite` sink: keeps the tables of a SQLite database equal to the source's tables.
//!
//! What is planned and written, and when, is decided by the crate `tidegate-cdc`, whose documentation begins with the data flow.
//! Here is what is SQLite's own: `types/`, its column types and which values fit them; `sql/`, the text of every statement;
//! `dialect.rs`, which gives both to the core; `session/`, the connection.

mod config;
mod dialect;
mod session;
mod sql;
mod types;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

use tidegate_cdc::{
    TableSink,
    session::{Database, SqlError},
};
use tidegate_plugin::{AsyncSink, BatchDefaults, Claim, Partition, prelude::*};

use crate::{config::Config, dialect::Sqlite, session::Session};

/// A database file.
struct File {
    dialect: Sqlite,
    path: PathBuf,
    busy_timeout: Duration,
}

impl Database for File {
    type Dialect = Sqlite;
    type Session = Session;

    fn dialect(&self) -> &Sqlite {
        &self.dialect
    }

    async fn open(&self, _warehouse: Option<&str>) -> std::result::Result<Session, SqlError> {
        Session::open(&self.path, self.busy_timeout)
    }
}

struct SqliteSink(TableSink<File>);

impl AsyncSink for SqliteSink {
    type Config = Config;

    const STORES_OFFSETS: bool = true;

    // Two copies of SQLite in one process release each other's locks: https://www.sqlite.org/howtocorrupt.html, 2.2.1.
    const ONE_COPY_PER_PROCESS: bool = true;

    fn batch_defaults() -> BatchDefaults {
        // Every transaction waits for the disk, so larger batches are faster. Waiting for more records would only delay readers.
        BatchDefaults { max_records: Some(10_000), max_bytes: Some(8 << 20), max_wait: None }
    }

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    async fn open(config: Config, context: &Context) -> Result<Self> {
        let file = File { dialect: Sqlite, path: config.path.clone(), busy_timeout: *config.busy_timeout };
        let mut sink = TableSink::new(config.settings(), file, context)?;
        sink.connect().await?;
        Ok(Self(sink))
    }

    async fn claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>> {
        self.0.claim(partitions).await
    }

    async fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        self.0.write(batch).await
    }

    async fn reset_offsets(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        self.0.reset_offsets(partitions).await
    }

    async fn release(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        self.0.release(partitions);
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.0.close().await;
        Ok(())
    }
}

export_plugin!(async_sink "sqlite": SqliteSink);
