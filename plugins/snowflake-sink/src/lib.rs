//! The `snowflake` sink: keeps Snowflake tables equal to the source's tables.
//!
//! What is planned and written, and when, is decided by the crate `tidegate-cdc`, whose documentation begins with the data flow.
//! Here is what is Snowflake's own: `types/`, its column types and which values fit them; `sql/`, the text of every statement;
//! `dialect.rs`, which gives both to the core; `session/`, the connection, with the crate `snowflake-api`.

mod config;
mod dialect;
mod session;
mod sql;
mod types;

use std::time::Duration;

use tidegate_cdc::{
    TableSink,
    session::{Database, SqlError},
};
use tidegate_plugin::{AsyncSink, BatchDefaults, Claim, Partition, prelude::*};

use crate::{
    config::Config,
    dialect::Snowflake,
    session::{Login, Session, StageSettings},
};

/// The schema that tables are written to, how to log in, and where large rows are uploaded.
struct Account {
    dialect: Snowflake,
    login: Login,
    stage: Option<StageSettings>,
}

impl Database for Account {
    type Dialect = Snowflake;
    type Session = Session;

    fn dialect(&self) -> &Snowflake {
        &self.dialect
    }

    async fn open(&self, warehouse: Option<&str>) -> std::result::Result<Session, SqlError> {
        Session::open(&self.login, warehouse, self.stage.as_ref()).await
    }
}

struct SnowflakeSink(TableSink<Account>);

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
        let stage = config.stage(context.connector(), context.task());
        let dialect = Snowflake {
            database: config.database.clone(),
            schema: config.schema.clone(),
            reads_files: stage.is_some(),
        };
        let mut sink = TableSink::new(config.settings(), Account { dialect, login, stage }, context)?;
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

export_plugin!(async_sink "snowflake": SnowflakeSink);
