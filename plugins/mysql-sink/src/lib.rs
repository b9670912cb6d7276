//! The `mysql` sink: keeps tables of MySQL and MariaDB equal to the source's tables.
//!
//! What is planned and written, and when, is decided by the crate `tidegate-cdc`. Here is what is MySQL's own: `types/`, its column
//! types and which values fit them; `sql/`, the text of every statement; `dialect.rs`, which gives both to the core; `session/`, the
//! connection, with the crate `mysql_async`.

mod config;
mod dialect;
mod session;
mod sql;
mod types;

use tidegate_cdc::{
    TableSink,
    session::{Database, Session as _, SqlError},
};
use tidegate_plugin::{AsyncSink, BatchDefaults, Claim, Partition, prelude::*};

use crate::{
    config::Config,
    dialect::MySql,
    session::{Login, Session},
};

/// The database that tables are written to, and how to log in.
struct Server {
    dialect: MySql,
    login: Login,
}

impl Database for Server {
    type Dialect = MySql;
    type Session = Session;

    fn dialect(&self) -> &MySql {
        &self.dialect
    }

    async fn open(&self, _: Option<&str>) -> std::result::Result<Session, SqlError> {
        Session::open(&self.login).await
    }
}

struct MySqlSink(TableSink<Server>);

impl AsyncSink for MySqlSink {
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
        // Statements are written in other words for MySQL than for MariaDB, so the server is asked first which one it is.
        let dialect = match Session::open(&login).await {
            Ok(session) => {
                let dialect = session.dialect(&login);
                session.close().await;
                dialect
            }
            Err(error) => return Err(tidegate_cdc::into_plugin_error(error)),
        };
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

export_plugin!(async_sink "mysql": MySqlSink);
