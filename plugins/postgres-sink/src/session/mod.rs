//! A session with PostgreSQL: login, statements, transactions, and classified errors.

mod codes;
mod tls;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::SinkExt as _;
use tidegate_cdc::session::{Answer, Class, Credentials, LOCKOUT, SqlError, Statement};
use tidegate_plugin::prelude::*;
use tokio_postgres::{Client, Config, types::ToSql};

use codes::error_of;
pub(crate) use tls::{Encryption, Files, TlsError};

/// Kind of errors before anything is sent.
const KIND: &str = "login";
/// Number of statements that are kept prepared. Each table has some, for each layout of its rows.
const MAX_PREPARED: usize = 500;
/// How long a transaction may be idle beyond the time that another session of the task may wait for a lock. The transaction of a
/// host that is frozen or cut off then ends, and with it its locks, for which the new owner of the partitions waits.
const MAX_IDLE: Duration = Duration::from_secs(10);
/// Bytes of rows that are passed to the connection at once.
const CHUNK: usize = 256 << 10;

/// How to connect. `Debug` shows no secret.
#[derive(Clone)]
pub(crate) struct Login {
    /// Hosts, user, password, database and timeouts.
    pub(crate) config: Config,
    /// Whether and how the connection is encrypted.
    pub(crate) encryption: Encryption,
    /// The schema of the tables, which must exist.
    pub(crate) schema: String,
    /// Timeout for connecting to a host, and for the login.
    pub(crate) connect_timeout: Duration,
    /// Timeout of a statement.
    pub(crate) statement_timeout: Duration,
    /// Timeout for a lock.
    pub(crate) lock_timeout: Duration,
}

/// A connection, with one transaction at a time.
pub(crate) struct Session {
    client: Client,
    prepared: HashMap<String, tokio_postgres::Statement>,
    in_transaction: bool,
    /// Set while a statement runs; remains set if its outcome is unknown.
    unusable: bool,
}

impl Session {
    /// Logs in, and checks that the schema can be used.
    ///
    /// # Errors
    /// If PostgreSQL rejects the login or cannot be reached, or the schema is missing.
    pub(crate) async fn open(login: &Login) -> Result<Self, SqlError> {
        let credentials = login.credentials();
        let gate = LOCKOUT.login_lock(&credentials);
        let turn = match &gate {
            Some(gate) => Some(gate.lock().await),
            None => None,
        };
        LOCKOUT.check(&credentials, Instant::now())?;
        let mut session = match Self::log_in(login).await {
            Ok(session) => session,
            Err(error) => return Err(LOCKOUT.rejected(&credentials, error, Instant::now())),
        };
        LOCKOUT.accepted(&credentials);
        drop(turn);
        session.prepare(login).await?;
        info!(schema = login.schema, "Connected to PostgreSQL successfully");
        Ok(session)
    }

    async fn log_in(login: &Login) -> Result<Self, SqlError> {
        let connecting = login.encryption.connect(&login.config);
        // Each host has its time to be reached, and the one that answers has as much for the login.
        let hosts = u32::try_from(login.config.get_hosts().len()).unwrap_or(u32::MAX);
        let timeout = login.connect_timeout.saturating_mul(hosts.saturating_add(1));
        let client = match tokio::time::timeout(timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| codes::of_login(&error, login))?,
            Err(_) => {
                let message = format!(
                    "no response within {timeout:?}: connect_timeout for each host and for the login"
                );
                return Err(SqlError::new(Class::Transient, KIND, message));
            }
        };
        Ok(Self { client, prepared: HashMap::new(), in_transaction: false, unusable: false })
    }

    /// Sets what statements depend on, and checks the schema.
    async fn prepare(&mut self, login: &Login) -> Result<(), SqlError> {
        // The user or the database may have other defaults.
        let settings = format!(
            "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET DateStyle = 'ISO, YMD'; \
             SET IntervalStyle = 'iso_8601'; SET TimeZone = 'UTC'; SET bytea_output = 'hex'; \
             SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; \
             SET idle_in_transaction_session_timeout = {}; SET statement_timeout = {}; SET lock_timeout = {}",
            (login.lock_timeout + MAX_IDLE).as_millis(),
            login.statement_timeout.as_millis(),
            login.lock_timeout.as_millis()
        );
        self.execute(&Statement::plain("SET", &settings, "")).await?;
        let text = "SELECT has_schema_privilege(n.oid, 'USAGE')::text, pg_is_in_recovery()::text \
                    FROM pg_catalog.pg_namespace n WHERE n.nspname = CAST($1 AS text)";
        let query = Statement { binds: &[&login.schema], ..Statement::plain("SELECT", text, "") };
        let answer = self.execute(&query).await?;
        let is = |column: usize, value: &str| {
            answer.rows.first().is_some_and(|row| row.get(column).and_then(Option::as_deref) == Some(value))
        };
        let user = login.config.get_user().unwrap_or_default();
        let missing = |message: String, hint: String| {
            Err(SqlError::new(Class::Missing, KIND, message).with_hint(Some(hint)))
        };
        let schema = &login.schema;
        if answer.rows.is_empty() {
            let hint = format!("CREATE SCHEMA \"{schema}\" AUTHORIZATION \"{user}\", or set schema");
            return missing(format!("schema {schema:?} does not exist"), hint);
        }
        if is(1, "true") {
            let hint = "connect to the primary, or name all hosts".to_owned();
            return missing("the server is a read-only replica".to_owned(), hint);
        }
        if !is(0, "true") {
            let hint = format!("GRANT USAGE, CREATE ON SCHEMA \"{schema}\" TO \"{user}\"");
            return missing(format!("schema {schema:?} cannot be used"), hint);
        }
        Ok(())
    }

    async fn execute(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        if self.unusable {
            let message =
                "the outcome of an earlier statement of this session is unknown, or the session has ended";
            return Err(SqlError::new(Class::Session, statement.kind, message).about(statement));
        }
        // Remains set if the caller cancels the call.
        self.unusable = true;
        let outcome = match (statement.load, statement.binds) {
            (Some(rows), _) => self.load(statement.text, rows).await,
            (None, []) => self.batch(statement).await,
            (None, _) => self.bound(statement).await,
        };
        self.unusable = self.client.is_closed();
        outcome.map_err(|error| {
            let error = error_of(&error, statement);
            self.unusable |= error.class == Class::Session;
            error
        })
    }

    /// Sends the rows of a COPY.
    async fn load(&mut self, text: &str, rows: &str) -> Result<Answer, tokio_postgres::Error> {
        let sink = self.client.copy_in::<_, Bytes>(text).await?;
        let mut sink = std::pin::pin!(sink);
        for chunk in rows.as_bytes().chunks(CHUNK) {
            sink.send(Bytes::copy_from_slice(chunk)).await?;
        }
        sink.as_mut().finish().await?;
        Ok(Answer::default())
    }

    /// Runs statements without binds, which may return rows as text.
    async fn batch(&mut self, statement: &Statement<'_>) -> Result<Answer, tokio_postgres::Error> {
        let mut answer = Answer::default();
        for message in self.client.simple_query(statement.text).await? {
            match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => {
                    let fields = (0..row.len()).map(|index| row.get(index).map(str::to_owned));
                    answer.rows.push(fields.collect());
                }
                tokio_postgres::SimpleQueryMessage::CommandComplete(count) => {
                    counted(&mut answer, statement.kind, count);
                }
                _ => {}
            }
        }
        Ok(answer)
    }

    async fn bound(&mut self, statement: &Statement<'_>) -> Result<Answer, tokio_postgres::Error> {
        let prepared = match self.prepared.get(statement.text) {
            Some(prepared) => prepared.clone(),
            None => {
                let prepared = self.client.prepare(statement.text).await?;
                if self.prepared.len() >= MAX_PREPARED {
                    self.prepared.clear();
                }
                self.prepared.insert(statement.text.to_owned(), prepared.clone());
                prepared
            }
        };
        let binds: Vec<&(dyn ToSql + Sync)> =
            statement.binds.iter().map(|bind| bind as &(dyn ToSql + Sync)).collect();
        let mut answer = Answer::default();
        if prepared.columns().is_empty() {
            counted(&mut answer, statement.kind, self.client.execute(&prepared, &binds).await?);
            return Ok(answer);
        }
        for row in self.client.query(&prepared, &binds).await? {
            let fields = (0..row.len()).map(|index| row.try_get::<_, Option<String>>(index));
            answer.rows.push(fields.collect::<Result<_, _>>()?);
        }
        Ok(answer)
    }
}

fn counted(answer: &mut Answer, kind: &str, count: u64) {
    match kind {
        "INSERT" => answer.inserted += count,
        "UPDATE" => answer.updated += count,
        "DELETE" => answer.deleted += count,
        _ => {}
    }
}

impl Login {
    /// What identifies the login, so that a wrong password is not tried again and again.
    fn credentials(&self) -> Credentials {
        let hosts = format!("{:?} {:?}", self.config.get_hosts(), self.config.get_ports());
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let password = String::from_utf8_lossy(self.config.get_password().unwrap_or_default()).into_owned();
        let parts = [hosts, text(self.config.get_user()), text(self.config.get_dbname()), password];
        Credentials::of(parts.iter().map(String::as_str))
    }
}

impl tidegate_cdc::session::Session for Session {
    async fn run(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        self.execute(statement).await
    }

    async fn begin(&mut self, tag: &str) -> Result<(), SqlError> {
        self.in_transaction = true;
        self.execute(&Statement::plain("BEGIN", "BEGIN", tag)).await.map(drop)
    }

    async fn commit(&mut self, tag: &str) -> Result<(), SqlError> {
        self.execute(&Statement::plain("COMMIT", "COMMIT", tag)).await?;
        self.in_transaction = false;
        Ok(())
    }

    async fn rollback(&mut self, tag: &str) -> Result<(), SqlError> {
        if !self.in_transaction {
            return Ok(());
        }
        self.execute(&Statement::plain("ROLLBACK", "ROLLBACK", tag)).await?;
        self.in_transaction = false;
        Ok(())
    }

    fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    fn is_stale(&self) -> bool {
        self.unusable || self.client.is_closed()
    }

    async fn close(self) {
        // Dropping the client ends the connection, and with it the transaction.
    }
}
