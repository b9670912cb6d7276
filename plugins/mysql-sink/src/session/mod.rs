//! A session with MySQL or MariaDB: login, statements, transactions, and classified errors.

mod codes;
mod rows;
mod settings;
mod tls;

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use mysql_async::{
    Conn, Opts, Params, QueryResult, Row, Value,
    prelude::{Protocol, Queryable as _},
};
use tidegate_cdc::session::{Answer, Cause, Class, Credentials, LOCKOUT, SqlError, Statement};
use tidegate_plugin::prelude::*;

use crate::dialect::MySql;
pub(crate) use tls::{Files, TlsError, verified};

/// Kind of errors before anything is sent.
const KIND: &str = "login";
/// Kind of the statement that waits until no other task writes a table.
pub(crate) const LOCK: &str = "LOCK";
/// How long a transaction may be idle beyond the time that another session of the task may wait for a lock. The transaction of a
/// host that is frozen or cut off then ends, and with it its locks, for which the new owner of the partitions waits.
const MAX_IDLE: Duration = Duration::from_secs(10);
/// How long the answer to a statement may take beyond the statement's timeout, before the connection is given up.
const GRACE: Duration = Duration::from_secs(30);
/// Bytes of rows that are sent in one packet.
const CHUNK: usize = 256 << 10;
/// Maximum bytes of a statement with rows; larger ones are not faster.
const MAX_INSERT: usize = 1 << 20;

/// How to connect.
#[derive(Clone)]
pub(crate) struct Login {
    /// Host, user, password, database and encryption.
    pub(crate) options: Opts,
    /// User, for messages.
    pub(crate) user: String,
    /// The database of the tables, which must exist.
    pub(crate) database: String,
    /// Timeout for connecting, and for the login.
    pub(crate) connect_timeout: Duration,
    /// Timeout of a statement.
    pub(crate) statement_timeout: Duration,
    /// Timeout for a lock.
    pub(crate) lock_timeout: Duration,
}

/// What a session knows of its server.
#[derive(Clone, Debug, Default)]
struct Server {
    is_mariadb: bool,
    /// Whether clients may load files.
    loads: bool,
    /// Maximum bytes of a statement.
    max_packet: usize,
    /// Whether names of tables that differ in case are the same table.
    folds_tables: bool,
    /// Seconds after which the server ends idle sessions.
    wait_timeout: u64,
}

impl Server {
    /// The collation of the sink's texts: it tells all texts apart, also those that differ only in spaces at the end.
    fn collation(&self) -> &'static str {
        if self.is_mariadb { "utf8mb4_nopad_bin" } else { "utf8mb4_0900_bin" }
    }
}

/// A connection, with one transaction at a time.
pub(crate) struct Session {
    connection: Conn,
    login: Login,
    server: Server,
    last_used: Instant,
    in_transaction: bool,
    /// Set while a statement runs; remains set if its outcome is unknown.
    unusable: bool,
}

impl Session {
    /// Logs in, and checks that the server can be written.
    ///
    /// # Errors
    /// If the server rejects the login or cannot be reached, or is read-only.
    pub(crate) async fn open(login: &Login) -> Result<Self, SqlError> {
        let mut session = LOCKOUT.log_in(&login.credentials(), Self::log_in(login)).await?;
        session.set_up().await?;
        let server = if session.server.is_mariadb { "MariaDB" } else { "MySQL" };
        info!(
            database = login.database,
            server,
            loads = session.server.loads,
            "Connected to MySQL successfully"
        );
        Ok(session)
    }

    async fn log_in(login: &Login) -> Result<Self, SqlError> {
        let timeout = login.connect_timeout;
        let connection = match tokio::time::timeout(timeout, Conn::new(login.options.clone())).await {
            Ok(connected) => connected.map_err(|error| codes::of_login(&error, login))?,
            Err(_) => {
                let message = format!("no response within connect_timeout = {timeout:?}");
                return Err(SqlError::new(Class::Transient, KIND, message));
            }
        };
        Ok(Self {
            connection,
            login: login.clone(),
            server: Server::default(),
            last_used: Instant::now(),
            in_transaction: false,
            unusable: false,
        })
    }

    /// Asks what server it is, and sets what statements depend on.
    async fn set_up(&mut self) -> Result<(), SqlError> {
        let about = self.execute(&Statement::plain(KIND, settings::ABOUT, "")).await?;
        let row = about.rows.into_iter().next().unwrap_or_default();
        let text = |index: usize| row.get(index).cloned().flatten().unwrap_or_default();
        if text(3) != "0" {
            let hint = "connect to the primary".to_owned();
            return Err(SqlError::new(Class::Missing, KIND, "the server is read-only").with_hint(Some(hint)));
        }
        self.server = Server {
            is_mariadb: text(0).contains("MariaDB"),
            loads: text(1) == "1",
            max_packet: text(2).parse().unwrap_or(CHUNK),
            folds_tables: text(5) != "0",
            wait_timeout: text(4).parse().unwrap_or(28_800),
        };
        let settings = settings::of_session(&self.login, &self.server);
        self.execute(&Statement::plain(KIND, &settings, "")).await?;
        Ok(())
    }

    /// How statements are written for this server.
    pub(crate) fn dialect(&self, login: &Login) -> MySql {
        MySql {
            database: login.database.clone(),
            collation: self.server.collation(),
            is_mariadb: self.server.is_mariadb,
            loads: self.server.loads,
            folds_tables: self.server.folds_tables,
            lock_seconds: settings::whole_seconds(login.lock_timeout),
        }
    }

    async fn execute(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        if self.unusable {
            let message =
                "the outcome of an earlier statement of this session is unknown, or the session has ended";
            return Err(SqlError::new(Class::Session, statement.kind, message).about(statement));
        }
        // Remains set if the caller cancels the call.
        self.unusable = true;
        let limit = self.login.statement_timeout + GRACE;
        let outcome = match tokio::time::timeout(limit, self.send(statement)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let message = format!("no response within {limit:?}");
                return Err(SqlError::new(Class::Session, statement.kind, message).about(statement));
            }
        };
        self.last_used = Instant::now();
        self.unusable = matches!(&outcome, Err(error) if error.class == Class::Session);
        outcome
    }

    async fn send(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        let answer = match (statement.load, statement.binds) {
            (Some(rows), _) => self.load(statement, rows).await,
            (None, []) => self.text(statement).await.map_err(|error| self.failed(&error, statement)),
            (None, _) => self.bound(statement).await,
        }?;
        if statement.kind == LOCK
            && !matches!(answer.rows.first(), Some(row) if row.first() == Some(&Some("1".to_owned())))
        {
            let message = format!("another task has been writing it for {:?}", self.login.lock_timeout);
            let mut error = SqlError::new(Class::Transient, statement.kind, message);
            error.cause = Cause::Conflict;
            return Err(error.about(statement));
        }
        Ok(answer)
    }

    fn failed(&self, error: &mysql_async::Error, statement: &Statement<'_>) -> SqlError {
        codes::error_of(error, statement, &self.login)
    }

    /// Runs statements without binds; the answer is that of the first one.
    async fn text(&mut self, statement: &Statement<'_>) -> Result<Answer, mysql_async::Error> {
        let result = self.connection.query_iter(statement.text).await?;
        answer(result, statement.kind).await
    }

    /// Runs a statement with binds.
    async fn bound(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        let expanded = rows::expanded(statement.text, statement.binds).map_err(|error| {
            SqlError::new(Class::Bug, statement.kind, format!("bound rows cannot be read: {error}"))
                .about(statement)
        });
        let (text, values) = expanded?;
        let bound = async {
            let prepared = self.connection.prep(text).await?;
            let result = self.connection.exec_iter(prepared, Params::Positional(values)).await?;
            answer(result, statement.kind).await
        };
        bound.await.map_err(|error| codes::error_of(&error, statement, &self.login))
    }

    /// Loads rows into the temporary table, as a file that does not exist, or by inserts.
    ///
    /// The server takes what it cannot read of a file in another form, with a warning.
    async fn load(&mut self, statement: &Statement<'_>, rows: &str) -> Result<Answer, SqlError> {
        let by_insert = if self.server.loads {
            let chunks: Vec<Bytes> = rows.as_bytes().chunks(CHUNK).map(Bytes::copy_from_slice).collect();
            self.connection.set_infile_handler(async move { Ok(stream::iter(chunks).map(Ok).boxed()) });
            None
        } else {
            Some(rows::inserts(statement.text, rows, MAX_INSERT.min(self.server.max_packet / 2)))
        };
        for text in by_insert
            .iter()
            .flatten()
            .map(String::as_str)
            .chain(by_insert.is_none().then_some(statement.text))
        {
            let loading = Statement { text, binds: &[], ..*statement };
            self.text(&loading).await.map_err(|error| self.failed(&error, statement))?;
            if self.connection.get_warnings() > 0 {
                return Err(self.warning(statement).await);
            }
        }
        Ok(Answer::default())
    }

    /// The first warning of the last statement, as an error.
    async fn warning(&mut self, statement: &Statement<'_>) -> SqlError {
        let asked = self.text(&Statement::plain(statement.kind, "SHOW WARNINGS LIMIT 1", "")).await;
        let row = match asked {
            Ok(answer) => answer.rows.into_iter().next().unwrap_or_default(),
            Err(error) => return self.failed(&error, statement),
        };
        let text = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
        codes::of_warning(text(1).parse().unwrap_or_default(), text(2), statement)
    }

    async fn end(&mut self, how: &'static str, tag: &str) -> Result<(), SqlError> {
        let text = settings::end(how, &self.server);
        self.execute(&Statement::plain(how, &text, tag)).await?;
        self.in_transaction = false;
        Ok(())
    }
}

/// The counts and rows of the first result; later ones are awaited.
async fn answer<P: Protocol>(
    mut result: QueryResult<'_, '_, P>,
    kind: &str,
) -> Result<Answer, mysql_async::Error> {
    let mut answer = Answer::default();
    let affected = result.affected_rows();
    let rows: Vec<Row> = result.collect().await?;
    answer.rows = rows.into_iter().map(|row| row.unwrap_raw().into_iter().map(shown).collect()).collect();
    result.drop_result().await?;
    match kind {
        "INSERT" => answer.inserted = affected,
        "UPDATE" => answer.updated = affected,
        "DELETE" => answer.deleted = affected,
        _ => {}
    }
    Ok(answer)
}

/// A value as text.
fn shown(value: Option<Value>) -> Option<String> {
    match value? {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        other => Some(other.as_sql(true)),
    }
}

impl Login {
    /// What identifies the login, so that a wrong password is not tried again and again.
    fn credentials(&self) -> Credentials {
        let options = &self.options;
        let port = options.tcp_port().to_string();
        let password = options.pass().unwrap_or_default();
        Credentials::of([options.ip_or_hostname(), &port, &self.user, &self.database, password])
    }
}

impl tidegate_cdc::session::Session for Session {
    async fn run(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        self.execute(statement).await
    }

    async fn begin(&mut self, tag: &str) -> Result<(), SqlError> {
        self.in_transaction = true;
        let begin = settings::begin(&self.login, &self.server);
        self.execute(&Statement::plain("BEGIN", &begin, tag)).await?;
        Ok(())
    }

    async fn commit(&mut self, tag: &str) -> Result<(), SqlError> {
        self.end("COMMIT", tag).await
    }

    async fn rollback(&mut self, tag: &str) -> Result<(), SqlError> {
        if !self.in_transaction {
            return Ok(());
        }
        self.end("ROLLBACK", tag).await
    }

    fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// The server ends sessions that are idle for long.
    fn is_stale(&self) -> bool {
        let is_idle = self.last_used.elapsed().as_secs() + MAX_IDLE.as_secs() >= self.server.wait_timeout;
        self.unusable || self.connection.is_disconnected() || (is_idle && !self.in_transaction)
    }

    async fn close(self) {
        // Dropping the connection ends it, and with it the transaction, if the server does not answer.
        let closing = tokio::time::timeout(MAX_IDLE, self.connection.disconnect());
        drop(closing.await);
    }
}
