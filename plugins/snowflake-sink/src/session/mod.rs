//! One session with Snowflake: logging in, statements, transactions, and errors that say what to do.
//!
//! A session is for one task and one warehouse, and holds one transaction at a time. When a statement fails with
//! [`Class::Session`] or without an answer, the session is of no more use: [`Session::is_stale`] says so. Give it to
//! [`Session::close`], which ends what may be left of its transaction, and open another.

mod class;
mod error;
mod hint;
mod key;
mod lockout;
mod login;
mod rows;
mod statement;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use snowflake_api::{SnowflakeApi, SnowflakeApiError};
use tidegate_plugin::prelude::*;

use lockout::LOCKOUT;
use login::{KIND, Prepared, is_plain};
use statement::Limits;
use wire::{Call, Exchange, Failure, Outcome, SessionInfo};

pub(crate) use class::Class;
pub(crate) use error::SqlError;
pub(crate) use login::{Login, LoginSecret};
pub(crate) use statement::{Answer, Statement};

/// Of the statements that a session sends of its own accord.
const TAG: &str = "tidegate";
/// Longest pause between two statements of a transaction. Snowflake ends one that idles for five minutes in the way of
/// others, and runs what comes after it outside of any transaction, each statement for itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Part of a master token's life after which its session counts as old.
const OLD: f64 = 0.75;
/// Pause before a login whose token was refused for the time in it.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);
/// Closing is a courtesy, and nobody waits long for it.
const CLOSING: Duration = Duration::from_secs(5);

/// A session.
pub(crate) struct Session {
    api: SnowflakeApi,
    exchange: Arc<Exchange>,
    login: Login,
    limits: Limits,
    warehouse: Option<String>,
    role: String,
    in_transaction: bool,
    last_answer: Instant,
    /// Set while a statement is under way, and for good when it ended in doubt.
    spent: bool,
}

impl Session {
    /// Logs in, and checks that database, schema, warehouse and role can be used.
    ///
    /// # Errors
    /// When Snowflake refuses, cannot be reached, or something that is needed is missing.
    pub(crate) async fn open(login: &Login, warehouse: Option<&str>) -> Result<Self, SqlError> {
        let prepared = Prepared::new(login)?;
        let gate = LOCKOUT.gate(&prepared.claimant);
        let turn = match &gate {
            Some(gate) => Some(gate.lock().await),
            None => None,
        };
        LOCKOUT.check(&prepared.claimant, Instant::now())?;
        let mut session = match Self::log_in(&prepared, warehouse).await {
            Ok(session) => session,
            Err(error) => return Err(LOCKOUT.refused(&prepared.claimant, error, Instant::now())),
        };
        LOCKOUT.accepted(&prepared.claimant);
        drop(turn);
        if let Err(error) = session.settle_in(&prepared).await {
            session.close().await;
            return Err(error);
        }
        info!(
            account = login.account,
            role = session.role,
            warehouse = session.warehouse.as_deref().unwrap_or_default(),
            "Connected to Snowflake successfully"
        );
        Ok(session)
    }

    /// A token that is too old or too young is made anew once: it may have been on its way for long.
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
        let mut session = Self {
            api: prepared.api(warehouse, &exchange)?,
            exchange,
            login: login.clone(),
            limits: prepared.limits(),
            warehouse: warehouse.map(str::to_owned),
            role: login.role.as_deref().unwrap_or_default().to_uppercase(),
            in_transaction: false,
            last_answer: Instant::now(),
            spent: false,
        };
        // The library logs in when the first statement comes.
        session.exchange.allow_logins(true);
        let first = session.run(&Statement::plain("SELECT", "SELECT 1", TAG)).await;
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

    /// Looks at what the login says can be used, and brings into use what a login cannot name.
    async fn settle_in(&mut self, prepared: &Prepared<'_>) -> Result<(), SqlError> {
        let info = self.exchange.info();
        self.settle_role(&info)?;
        self.settle_schema(&info, prepared.sends_schema()).await?;
        self.settle_warehouse(info).await
    }

    fn settle_role(&mut self, info: &SessionInfo) -> Result<(), SqlError> {
        let given = info.role.as_deref().unwrap_or_default();
        if given.is_empty() || (!self.role.is_empty() && !given.eq_ignore_ascii_case(&self.role)) {
            return Err(missing("role", &self.role).with_hint(Some(hint::for_role(&self.login))));
        }
        given.clone_into(&mut self.role);
        Ok(())
    }

    async fn settle_schema(&mut self, info: &SessionInfo, was_sent: bool) -> Result<(), SqlError> {
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
        self.bring_into_use("USE DATABASE", &name, for_database).await?;
        let name = format!("{name}.{}", hint::quoted(&schema));
        self.bring_into_use("USE SCHEMA", &name, for_schema).await
    }

    /// Without a warehouse the session is of use until a statement needs one.
    async fn settle_warehouse(&mut self, info: SessionInfo) -> Result<(), SqlError> {
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
        self.bring_into_use("USE WAREHOUSE", &hint::quoted(&wanted), hint).await
    }

    async fn bring_into_use(&mut self, kind: &'static str, name: &str, hint: String) -> Result<(), SqlError> {
        let text = format!("{kind} {name}");
        let statement = Statement { table: Some(name), ..Statement::plain(kind, &text, TAG) };
        match self.run(&statement).await {
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
    /// What Snowflake says, or why it said nothing.
    pub(crate) async fn run(&mut self, statement: &Statement<'_>) -> Result<Answer, SqlError> {
        if self.spent {
            let message = "an earlier statement of this session ended in doubt, or the session is gone";
            return Err(SqlError::new(Class::Session, statement.kind, message).about(statement));
        }
        if self.in_transaction && self.last_answer.elapsed() > LONGEST_PAUSE && statement.kind != "BEGIN" {
            self.spent = true;
            let message = "the transaction paused for so long that Snowflake may have ended it";
            return Err(SqlError::new(Class::Session, statement.kind, message).about(statement));
        }
        // Stays so if the caller gives up waiting: what the library does then is not known.
        self.spent = true;
        self.exchange.prepare(statement.extras(&self.limits));
        let raw = self.api.exec_raw(statement.text).await;
        self.last_answer = Instant::now();
        let (failure, outcome) = (self.exchange.failure(), self.exchange.outcome());
        if let Some(failure) = failure {
            self.spent = failure.leaves_doubt();
            return Err(self.unanswered(statement, &failure));
        }
        let outcome = match outcome {
            Some(outcome) if outcome.success => outcome,
            Some(outcome) => return Err(self.refused(statement, outcome)),
            None => return Err(unsent(statement, raw.err())),
        };
        let table = match raw {
            Ok(raw) => rows::read(raw, outcome.inline_last).map_err(|error| error.to_string()),
            // The library's own words could repeat parts of the answer.
            Err(_) => Err("Snowflake's answer has a form that this version cannot decode".to_owned()),
        };
        self.spent = false;
        let (columns, rows) = table.map_err(|message| {
            let mut error = SqlError::new(Class::Bug, statement.kind, message).about(statement);
            error.query_id.clone_from(&outcome.query_id);
            error
        })?;
        Ok(Answer::new(outcome.query_id, columns, rows))
    }

    /// The error of a request that got no answer.
    fn unanswered(&self, statement: &Statement<'_>, failure: &Failure) -> SqlError {
        let error = SqlError::from_failure(failure, KIND);
        if self.exchange.is_logged_in() { error.about(statement) } else { error }
    }

    /// The error that Snowflake answered with.
    fn refused(&mut self, statement: &Statement<'_>, outcome: Outcome) -> SqlError {
        let class = match outcome.call {
            Call::Login => Class::of_login(&outcome.code),
            Call::Query => self.class_of(&outcome),
            Call::Renew | Call::Close => Class::Session,
        };
        self.spent = class == Class::Session;
        let is_login = outcome.call == Call::Login;
        let error = SqlError::from_outcome(outcome, class, KIND);
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
        Class::of_statement(&outcome.code, &outcome.state)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) async fn begin(&mut self, tag: &str) -> Result<(), SqlError> {
        // From the first moment: if the answer is lost, the transaction may be open all the same.
        self.in_transaction = true;
        self.run(&Statement::plain("BEGIN", "BEGIN TRANSACTION", tag)).await.map(drop)
    }

    /// Makes the transaction last.
    ///
    /// # Errors
    /// As [`Self::run`]. Without an answer it is open whether the transaction lasts: ask another session.
    pub(crate) async fn commit(&mut self, tag: &str) -> Result<(), SqlError> {
        self.run(&Statement::plain("COMMIT", "COMMIT", tag)).await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Undoes the transaction, if one is open.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) async fn rollback(&mut self, tag: &str) -> Result<(), SqlError> {
        if !self.in_transaction {
            return Ok(());
        }
        self.run(&Statement::plain("ROLLBACK", "ROLLBACK", tag)).await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Whether a transaction is open, or may be.
    pub(crate) fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Whether the session is to be replaced, outside a transaction: it is of no more use, or soon too old.
    pub(crate) fn is_stale(&self) -> bool {
        let is_old = |lease: wire::Lease| lease.since.elapsed() >= lease.length.mul_f64(OLD);
        self.spent || self.exchange.lease().is_none_or(is_old)
    }

    /// Ends the session, and with it what is left of its transaction.
    pub(crate) async fn close(mut self) {
        // It ends by itself, too, if Snowflake cannot be told.
        drop(tokio::time::timeout(CLOSING, self.api.close_session()).await);
    }
}

/// The error of a statement that the library never sent.
fn unsent(statement: &Statement<'_>, error: Option<SnowflakeApiError>) -> SqlError {
    let reason = error.map_or_else(|| "nothing was sent".to_owned(), |error| error.to_string());
    SqlError::new(Class::Bug, statement.kind, reason).about(statement)
}

/// The error for something that a login asked for in vain.
fn missing(what: &str, name: &str) -> SqlError {
    let message = match name {
        "" => format!("the user has no {what}"),
        name => format!("{what} {name} does not exist, or may not be used"),
    };
    SqlError::new(Class::Missing, KIND, message)
}
