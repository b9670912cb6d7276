//! The `snowflake` sink: keeps Snowflake tables equal to the source's tables.
//!
//! # Data flow
//!
//! ```text
//! plan/    events ── warehouse, table, key ── one row per key
//! table/   required columns and types ── rows as text to be bound
//! flush/   lanes: BEGIN ── one MERGE per table ── the offsets ── COMMIT
//! ```
//!
//! Other modules: `types/`, Snowflake's types and which values fit them; `sql/`, the text of every statement; `session/`, the
//! connection, with the crate `snowflake-api`; `names.rs`, names of tables and columns; `position.rs`, which of
//! two events is newer.
//!
//! # Invariants
//!
//! - Rows and their offsets are written in one transaction. A claim increments the epoch of the partition; a task with an
//!   older epoch cannot commit.
//! - Only an event that is newer than the row changes it. Deleted keys are stored with their position for this purpose.
//! - Values are always bound, never part of a statement's text. Names are always quoted.

mod config;
mod flush;
mod names;
mod plan;
mod position;
mod session;
mod sql;
mod table;
mod types;

use std::time::Duration;

use tidegate_plugin::{AsyncSink, BatchDefaults, Claim, Partition, prelude::*};

use crate::{config::Config, flush::Flusher};

struct SnowflakeSink(Flusher);

impl AsyncSink for SnowflakeSink {
    type Config = Config;

    const STORES_OFFSETS: bool = true;

    fn batch_defaults() -> BatchDefaults {
        // A MERGE takes about as long for ten thousand rows as for one, so few large batches are fast and cheap.
        BatchDefaults {
            max_records: Some(10_000),
            max_bytes: Some(8 << 20),
            max_wait: Some(Duration::from_secs(10)),
        }
    }

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    async fn open(mut config: Config, context: &Context) -> Result<Self> {
        config.normalize();
        let login = config.login()?;
        config.warn_if_not_encrypted(&login);
        let mut flusher = Flusher::new(config, login, context)?;
        flusher.connect().await?;
        Ok(Self(flusher))
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

export_plugin!(async_sink "snowflake": SnowflakeSink);
