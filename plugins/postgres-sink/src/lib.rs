//! The `postgres` sink: keeps PostgreSQL tables equal to the source's tables.
//!
//! What is planned and written, and when, is decided by the crate `tidegate-cdc`. Here is what is PostgreSQL's own: `types/`, its
//! column types and which values fit them; `sql/`, the text of every statement; `dialect.rs`, which gives both to the core;
//! `session/`, the connection, with the crate `tokio-postgres`.

mod config;
mod dialect;
mod pgpass;
mod session;
mod sql;
mod types;

use tidegate_cdc::{
    TableSink,
    session::{Database, SqlError},
};
use tidegate_plugin::{AsyncSink, BatchDefaults, Claim, Partition, prelude::*};

use crate::{
    config::Config,
    dialect::Postgres,
    session::{Login, Session},
};

/// The schema that tables are written to, and how to log in.
struct Server {
    dialect: Postgres,
    login: Login,
}

impl Database for Server {
    type Dialect = Postgres;
    type Session = Session;

    fn dialect(&self) -> &Postgres {
        &self.dialect
    }

    async fn open(&self, _: Option<&str>) -> std::result::Result<Session, SqlError> {
        Session::open(&self.login).await
    }
}

struct PostgresSink(TableSink<Server>);

impl AsyncSink for PostgresSink {
    type Config = Config;

    const STORES_OFFSETS: bool = true;

    fn batch_defaults() -> BatchDefaults {
        BatchDefaults { max_records: Some(20_000), max_bytes: Some(16 << 20), max_wait: None }
    }

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    async fn open(config: Config, context: &Context) -> Result<Self> {
        let login = config.login()?;
        let dialect = Postgres::new(config.schema.clone());
        let mut sink = TableSink::new(config.settings(), Server { dialect, login }, context)?;
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

export_plugin!(async_sink "postgres": PostgresSink);
