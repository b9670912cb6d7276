//! The `snowflake` sink: keeps Snowflake tables equal to the source's tables.
//!
//! # The way of a batch
//!
//! ```text
//! plan/    events ── which warehouse, table, key ── one row per key
//! table/   which columns and types the rows need ── rows as text to be bound
//! flush/   BEGIN ── one MERGE per table ── the offsets ── COMMIT
//! ```
//!
//! Beside it: `types/`, Snowflake's types and which values fit them; `sql/`, the text of every statement; `session/`, the
//! connection, through the crate `snowflake-api`; `names.rs`, how tables and columns are called; `position.rs`, which of
//! two events is the newer.
//!
//! # What holds
//!
//! - Rows and the offsets behind them are in one transaction. A claim raises the partition's epoch there; whoever holds an
//!   older one cannot commit.
//! - A row changes only through an event that is newer than what it holds. Deleted keys are remembered for that, too.
//! - No value is ever part of a statement's text, and names are always quoted.

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

    fn batch_defaults() -> BatchDefaults {
        // A MERGE takes about as long for ten thousand rows as for one: few and large ones are fast and cheap.
        BatchDefaults {
            max_records: Some(10_000),
            max_bytes: Some(8 << 20),
            max_wait: Some(Duration::from_secs(10)),
        }
    }

    async fn open(mut config: Config, context: &Context) -> Result<Self> {
        config.settle()?;
        let login = config.login()?;
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

    async fn start_over(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        self.0.start_over(partitions).await
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
