//! A session with PostgreSQL: login, statements, transactions, and classified errors.

mod codes;
mod settings;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _};
use tidegate_cdc::session::{Answer, Class, Credentials, LOCKOUT, SqlError, Statement};
use tidegate_plugin::prelude::*;
use tokio_postgres::{
    Client, Config, SimpleQueryMessage,
    types::{ToSql, Type},
};

use codes::error_of;
pub(crate) use tls::{Encryption, Files, TlsError};

use crate::sql::with_literals;

/// Kind of errors before anything is sent.
const KIND: &str = "login";
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
    /// Begins a transaction.
    begin: String,
    /// Precedes a statement outside of a transaction.
    settings: String,
    /// What [`settings::of_transaction`] returned first.
    server: Option<String>,
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
        let mut session = LOCKOUT.log_in(&login.credentials(), Self::log_in(login)).await?;
        session.check(login).await?;
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
        Ok(Self {
            client,
            begin: settings::begin(login),
            settings: settings::of_transaction(login),
            server: None,
            in_transaction: false,
            unusable: false,
        })
    }

    /// Checks that the schema can be used.
    async fn check(&mut self, login: &Login) -> Result<(), SqlError> {
        let text = "SELECT has_schema_privilege(n.oid, 'USAGE')::text \
                    FROM pg_catalog.pg_namespace n WHERE n.nspname = CAST($1 AS text)";
        let query = Statement { binds: &[&login.schema], ..Statement::plain("SELECT", text, "") };
        let answer = self.execute(&query).await?;
        let user = login.config.get_user().unwrap_or_default();
        let missing = |message: String, hint: String| {
            Err(SqlError::new(Class::Missing, KIND, message).with_hint(Some(hint)))
        };
        let schema = &login.schema;
        if answer.rows.is_empty() {
            let hint = format!("CREATE SCHEMA \"{schema}\" AUTHORIZATION \"{user}\", or set schema");
            return missing(format!("schema {schema:?} does not exist"), hint);
        }
        if answer.rows.first().and_then(|row| row.first()?.as_deref()) != Some("true") {
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
            (Some(rows), _) => load(&self.client, statement.text, rows).await,
            (None, []) => batch(&self.client, statement).await,
            (None, _) => bound(&self.client, statement).await,
        };
        self.unusable = self.client.is_closed();
        outcome.map_err(|error| {
            let error = error_of(&error, statement);
            self.unusable |= error.class == Class::Session;
            error
        })
    }

    /// Runs a statement that is no part of a transaction in one of its own, because settings are those of a transaction. Everything is
    /// sent at once, which makes it one: a caller that cancels the call leaves no open transaction with locks behind. Statements that
    /// are sent together cannot have binds.
    async fn alone(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        let text = format!("{}; {}", self.settings, with_literals(statement.text, statement.binds));
        let mut answer = self.execute(&Statement { text: &text, binds: &[], ..*statement }).await?;
        self.note_server(&answer)?;
        // The first row is that of the settings.
        answer.rows = answer.rows.split_off(answer.rows.len().min(1));
        Ok(answer)
    }

    /// Notes which server has begun a transaction. A pooler does not tell if it is another one than before, which may have lost commits.
    fn note_server(&mut self, answer: &Answer) -> Result<(), SqlError> {
        let server = answer.rows.first().and_then(|row| row.first().cloned().flatten());
        let is_other = self.server.is_some() && self.server != server;
        self.server = server;
        if !is_other {
            return Ok(());
        }
        self.unusable = true;
        let message = "the server was restarted, or is another one than before";
        Err(SqlError::new(Class::Session, "BEGIN", message))
    }
}

/// Sends the rows of a COPY.
async fn load(client: &Client, text: &str, rows: &str) -> Result<Answer, tokio_postgres::Error> {
    let sink = client.copy_in::<_, Bytes>(text).await?;
    let mut sink = std::pin::pin!(sink);
    for chunk in rows.as_bytes().chunks(CHUNK) {
        sink.send(Bytes::copy_from_slice(chunk)).await?;
    }
    sink.as_mut().finish().await?;
    Ok(Answer::default())
}

/// Runs statements without binds, which may return rows as text. The rows are those of all of them, and the count is that of the last.
async fn batch(client: &Client, statement: &Statement<'_>) -> Result<Answer, tokio_postgres::Error> {
    Ok(answer_of(statement.kind, client.simple_query(statement.text).await?))
}

/// The settings before a statement return a row, which must not count as one that the statement has changed.
fn answer_of(kind: &str, messages: Vec<SimpleQueryMessage>) -> Answer {
    let (mut answer, mut last) = (Answer::default(), 0);
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                let fields = (0..row.len()).map(|index| row.get(index).map(str::to_owned));
                answer.rows.push(fields.collect());
            }
            SimpleQueryMessage::CommandComplete(count) => last = count,
            _ => {}
        }
    }
    counted(&mut answer, kind, last);
    answer
}

/// Runs a statement with binds. It is not prepared: a pooler in transaction mode would run it in another session of the server.
async fn bound(client: &Client, statement: &Statement<'_>) -> Result<Answer, tokio_postgres::Error> {
    let binds = statement.binds.iter().map(|bind| (bind as &(dyn ToSql + Sync), Type::TEXT));
    let rows = client.query_typed_raw(statement.text, binds).await?;
    let mut rows = std::pin::pin!(rows);
    let mut answer = Answer::default();
    while let Some(row) = rows.try_next().await? {
        let fields = (0..row.len()).map(|index| row.try_get::<_, Option<String>>(index));
        answer.rows.push(fields.collect::<Result<_, _>>()?);
    }
    counted(&mut answer, statement.kind, rows.rows_affected().unwrap_or_default());
    Ok(answer)
}

fn counted(answer: &mut Answer, kind: &str, count: u64) {
    match kind {
        "INSERT" => answer.inserted = count,
        "UPDATE" => answer.updated = count,
        "DELETE" => answer.deleted = count,
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
        if self.in_transaction { self.execute(statement).await } else { self.alone(statement).await }
    }

    async fn begin(&mut self, tag: &str) -> Result<(), SqlError> {
        self.in_transaction = true;
        let begin = self.begin.clone();
        let begun = self.execute(&Statement::plain("BEGIN", &begin, tag)).await?;
        self.note_server(&begun)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_statement_is_counted() {
        let messages = [1, 2].map(SimpleQueryMessage::CommandComplete);
        assert_eq!(answer_of("UPDATE", messages.into()), Answer { updated: 2, ..Answer::default() });
    }
}
