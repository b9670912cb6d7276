//! A Snowflake session: login, statements, transactions, and classified errors.
//!
//! A session belongs to one task and one warehouse, and has one transaction at a time. When a statement fails with
//! [`Class::Session`] or without a response, the session is unusable, and is replaced by another one.

mod codes;
mod hint;
mod key;
mod login;
mod rows;
mod stage;
mod statement;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use snowflake_api::{SnowflakeApi, SnowflakeApiError};
use tidegate_cdc::session::{Answer, Class, LOCKOUT, SqlError, Statement, StoredFile, one_line};
use tidegate_plugin::prelude::*;

use codes::{cause_of, of_login, of_statement};
use login::{KIND, Prepared, is_plain};
use stage::{Stage, Uploader};
use statement::Limits;
use wire::{Call, Exchange, Failure, Outcome, SessionInfo};

pub(crate) use login::{Login, LoginPart, LoginSecret};
pub(crate) use stage::StageSettings;

/// Query tag of the session's own statements.
const TAG: &str = "tidegate";
/// Maximum idle time within a transaction. Snowflake ends a transaction that blocks others and is idle for five minutes, and
/// then runs each later statement outside of any transaction.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// Fraction of the master token's lifetime after which a session is replaced.
const OLD: f64 = 0.75;
/// Delay before a retry of a login whose token was rejected because of its time.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);
/// Timeout for closing a session, which is optional.
const CLOSING: Duration = Duration::from_secs(5);

pub(crate) struct Session {
    api: SnowflakeApi,
    exchange: Arc<Exchange>,
    login: Login,
    limits: Limits,
    warehouse: Option<String>,
    role: String,
    in_transaction: bool,
    last_answer: Instant,
    /// Set while a statement runs; remains set if its outcome is unknown.
    unusable: bool,
    uploader: Uploader,
    /// Where rows are uploaded; `None` if all rows are bound.
    stage: Option<Stage>,
}

impl Session {
    /// Logs in, and checks that database, schema, warehouse and role can be used.
    ///
    /// # Errors
    /// If Snowflake rejects the login or cannot be reached, or a required object is missing.
    pub(crate) async fn open(
        login: &Login,
        warehouse: Option<&str>,
        stage: Option<&StageSettings>,
    ) -> Result<Self, SqlError> {
        let prepared = Prepared::new(login)?;
        let logging_in = Self::log_in(&prepared, warehouse);
        let mut session = LOCKOUT.log_in(&prepared.credentials, logging_in).await?;
        if let Err(error) = session.check_objects(&prepared).await {
            tidegate_cdc::session::Session::close(session).await;
            return Err(error);
        }
        session.stage = stage.map(Stage::new);
        info!(
            account = login.account,
            role = session.role,
            warehouse = session.warehouse.as_deref().unwrap_or_default(),
            "Connected to Snowflake successfully"
        );
        Ok(session)
    }

    /// A token that is too old or too new is created again once, because the request may have been delayed.
    async fn log_in(prepared: &Prepared<'_>, warehouse: Option<&str>) -> Result<Self, SqlError> {
        match Self::log_in_once(prepared, warehouse).await {
            Err(error) if error.class == Class::Clock => {
                tokio::time::sleep(CLOCK_PAUSE).await;
                Self::log_in_once(prepared, warehouse).await
            }
            outcome => outcome,
        }
    }

    async fn log_in_once(prepared: &Prepared<'_>, warehouse: Option<&str>) -> Result<Self, SqlError> {
        let exchange = Arc::new(Exchange::default());
        let login = prepared.login;
        let http = prepared.client()?;
        let mut session = Self {
            api: prepared.api(warehouse, &exchange, http.clone())?,
            exchange,
            login: login.clone(),
            limits: prepared.limits(),
            warehouse: warehouse.map(str::to_owned),
            role: login.role.as_deref().unwrap_or_default().to_uppercase(),
            in_transaction: false,
            last_answer: Instant::now(),
            unusable: false,
            uploader: Uploader(http),
            stage: None,
        };
        // The library logs in with the first statement.
        session.exchange.allow_logins(true);
        let first = session.execute(&Statement::plain("SELECT", "SELECT 1", TAG)).await;
        session.exchange.allow_logins(false);
        match first {
            Ok(_) => Ok(session),
            Err(error) if error.kind == KIND => {
                let hint = hint::for_login(&error, login, prepared.fingerprint.as_deref());
                Err(error.with_hint(hint))
            }
            Err(error) => Err(error),
        }
    }

    /// Checks the objects in the login response, and selects objects that cannot be part of the login request.
    async fn check_objects(&mut self, prepared: &Prepared<'_>) -> Result<(), SqlError> {
        let info = self.exchange.info();
        self.check_role(&info)?;
        self.check_schema(&info, prepared.sends_schema()).await?;
        self.check_warehouse(info).await
    }

    fn check_role(&mut self, info: &SessionInfo) -> Result<(), SqlError> {
        let given = info.role.as_deref().unwrap_or_default();
        if given.is_empty() || (!self.role.is_empty() && !given.eq_ignore_ascii_case(&self.role)) {
            return Err(missing("role", &self.role).with_hint(Some(hint::for_role(&self.login))));
        }
        given.clone_into(&mut self.role);
        Ok(())
    }

    async fn check_schema(&mut self, info: &SessionInfo, was_sent: bool) -> Result<(), SqlError> {
        let (database, schema) = (self.login.database.clone(), self.login.schema.clone());
        let for_database = hint::for_database(&self.login, &self.role);
        let for_schema = hint::for_schema(&self.login, &self.role);
        if was_sent && info.database.is_none() {
            return Err(missing("database", &database).with_hint(Some(for_database)));
        }
        if was_sent && info.schema.is_none() {
            return Err(missing("schema", &format!("{database}.{schema}")).with_hint(Some(for_schema)));
        }
        if was_sent {
            return Ok(());
        }
        let name = hint::quoted(&database);
        self.use_object("USE DATABASE", &name, for_database).await?;
        let name = format!("{name}.{}", hint::quoted(&schema));
        self.use_object("USE SCHEMA", &name, for_schema).await
    }

    /// A session without a warehouse works until a statement needs one.
    async fn check_warehouse(&mut self, info: SessionInfo) -> Result<(), SqlError> {
        let Some(wanted) = self.warehouse.clone() else {
            self.warehouse = info.warehouse;
            return Ok(());
        };
        if info.warehouse.is_some() {
            return Ok(());
        }
        let hint = hint::for_warehouse(&wanted, &self.role);
        if is_plain(&wanted) {
            return Err(missing("warehouse", &wanted).with_hint(Some(hint)));
        }
        self.use_object("USE WAREHOUSE", &hint::quoted(&wanted), hint).await
    }

    async fn use_object(&mut self, kind: &'static str, name: &str, hint: String) -> Result<(), SqlError> {
        let text = format!("{kind} {name}");
        let statement = Statement { table: Some(name), ..Statement::plain(kind, &text, TAG) };
        match self.execute(&statement).await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(error.class, Class::Schema | Class::Rights | Class::Missing | Class::Bug) =>
            {
                let mut error = error.with_hint(Some(hint));
                error.class = Class::Missing;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// Errors of Snowflake, or why there is no response.
    async fn execute(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        if self.unusable {
            let message =
                "the outcome of an earlier statement of this session is unknown, or the session has ended";
            return Err(SqlError::new(Class::Session, statement.kind, message).about(statement));
        }
        if self.in_transaction && self.last_answer.elapsed() > MAX_IDLE && statement.kind != "BEGIN" {
            self.unusable = true;
            let message = "the transaction was idle for so long that Snowflake may have ended it";
            return Err(SqlError::new(Class::Session, statement.kind, message).about(statement));
        }
        // Remains set if the caller cancels the call, because the state of the library is then unknown.
        self.unusable = true;
        self.exchange.prepare(statement::extras(statement, &self.limits));
        let raw = self.api.exec_raw(statement.text).await;
        self.last_answer = Instant::now();
        let (failure, outcome) = (self.exchange.failure(), self.exchange.outcome());
        if let Some(failure) = failure {
            self.unusable = failure.leaves_doubt();
            return Err(self.no_response_error(statement, &failure));
        }
        let outcome = match outcome {
            Some(outcome) if outcome.success => outcome,
            Some(outcome) => return Err(self.response_error(statement, outcome)),
            None => return Err(not_sent(statement, raw.err())),
        };
        let table = match raw {
            Ok(raw) => rows::read(raw, outcome.inline_last).map_err(|error| error.to_string()),
            // The message of the library could contain parts of the response.
            Err(_) => Err("Snowflake's response has a format that this version cannot decode".to_owned()),
        };
        self.unusable = false;
        let (columns, rows) = table.map_err(|message| {
            let mut error = SqlError::new(Class::Bug, statement.kind, message).about(statement);
            error.query_id.clone_from(&outcome.query_id);
            error
        })?;
        Ok(statement::answer(outcome.query_id, columns, rows))
    }

    /// The error of a request without a response.
    fn no_response_error(&self, statement: &Statement<'_>, failure: &Failure) -> SqlError {
        let error = of_failure(failure, KIND);
        if self.exchange.is_logged_in() { error.about(statement) } else { error }
    }

    /// The error in a response of Snowflake.
    fn response_error(&mut self, statement: &Statement<'_>, outcome: Outcome) -> SqlError {
        let class = match outcome.call {
            Call::Login => of_login(&outcome.code),
            Call::Query => self.class_of(&outcome),
            Call::Renew | Call::Close => Class::Session,
        };
        self.unusable = class == Class::Session;
        let is_login = outcome.call == Call::Login;
        let error = of_outcome(outcome, class, KIND);
        if is_login {
            return error;
        }
        let hint = match (class, error.code.as_str()) {
            (_, "000606") => Some(hint::for_no_warehouse(&self.login, self.warehouse.as_deref())),
            (Class::Rights, _) => hint::for_rights(statement.kind, statement.table, &self.login, &self.role),
            _ => None,
        };
        error.about(statement).with_hint(hint)
    }

    fn class_of(&self, outcome: &Outcome) -> Class {
        if outcome.code == "000606" && self.warehouse.is_none() {
            return Class::Missing;
        }
        of_statement(&outcome.code, &outcome.state)
    }
}

impl tidegate_cdc::session::Session for Session {
    async fn run(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        self.execute(statement).await
    }

    async fn begin(&mut self, tag: &str) -> Result<(), SqlError> {
        // Set before sending: if the response is lost, the transaction may be open nevertheless.
        self.in_transaction = true;
        self.execute(&Statement::plain("BEGIN", "BEGIN TRANSACTION", tag)).await.map(drop)
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
        let is_old = |lease: wire::Lease| lease.since.elapsed() >= lease.length.mul_f64(OLD);
        self.unusable || self.exchange.lease().is_none_or(is_old)
    }

    async fn store(&mut self, lines: &str, tag: &str) -> Result<StoredFile, SqlError> {
        self.upload_rows(lines, tag).await
    }

    async fn check_files(&mut self, files: &[StoredFile], tag: &str) -> Result<(), SqlError> {
        self.check_uploads(files, tag).await
    }

    async fn remove_files(&mut self, tag: &str) {
        self.remove_uploads(tag).await;
    }

    async fn close(mut self) {
        // If this fails, Snowflake ends the session after a while.
        drop(tokio::time::timeout(CLOSING, self.api.close_session()).await);
    }
}

/// The error of a request without a response of Snowflake.
fn of_failure(failure: &Failure, kind: &'static str) -> SqlError {
    let mut error = SqlError::new(failure.class(), kind, failure.to_string());
    error.code = failure.code();
    failure.query_id().clone_into(&mut error.query_id);
    error.retry_after = failure.retry_after();
    error
}

/// The error in a response of Snowflake.
fn of_outcome(outcome: Outcome, class: Class, kind: &'static str) -> SqlError {
    let message = match one_line(&outcome.message) {
        message if message.is_empty() => "Snowflake gave no reason".to_owned(),
        message => message,
    };
    let mut error = SqlError::new(class, kind, message);
    error.cause = cause_of(&outcome.code);
    error.code = outcome.code;
    error.state = outcome.state;
    error.query_id = outcome.query_id;
    error.retry_after = outcome.retry_after;
    error
}

/// The error of a statement that the library did not send.
fn not_sent(statement: &Statement<'_>, error: Option<SnowflakeApiError>) -> SqlError {
    let reason = error.map_or_else(|| "nothing was sent".to_owned(), |error| error.to_string());
    SqlError::new(Class::Bug, statement.kind, reason).about(statement)
}

/// The error for a missing object of a login.
fn missing(what: &str, name: &str) -> SqlError {
    let message = match name {
        "" => format!("the user has no {what}"),
        name => format!("{what} {name} does not exist or cannot be used"),
    };
    SqlError::new(Class::Missing, KIND, message)
}
