//! Sessions with a database: statements, transactions, and classified errors.
//!
//! A session belongs to one task and has one transaction at a time. When a statement fails with [`Class::Session`], or without
//! a response, the session is unusable: [`Session::is_stale`] returns true, and the flush engine closes it, which ends its
//! transaction, and opens another one.

mod class;
mod error;
mod lockout;

use std::future::Future;

pub use class::{Cause, Class};
pub use error::{Details, SqlError, one_line};
pub use lockout::{Credentials, LOCKOUT, Lockout};

use crate::dialect::Dialect;

/// A database that tables are written to: how statements are written for it, and how to connect.
pub trait Database: 'static {
    /// How statements are written.
    type Dialect: Dialect;
    /// A connection.
    type Session: Session;

    /// How statements are written.
    fn dialect(&self) -> &Self::Dialect;

    /// Opens a session. `warehouse` is what runs its statements, for databases that have several of those; `None` for the
    /// default.
    ///
    /// # Errors
    /// If the database rejects the login or cannot be reached, or an object is missing that all statements need.
    fn open(&self, warehouse: Option<&str>) -> impl Future<Output = Result<Self::Session, SqlError>>;
}

/// A session, with one transaction at a time.
pub trait Session: Sized {
    /// Runs a statement, and waits for its result.
    ///
    /// # Errors
    /// The database's error, or why there is no response.
    fn run(&mut self, statement: &Statement<'_>) -> impl Future<Output = Result<Answer, SqlError>>;

    /// Begins a transaction. `tag` is that of [`Statement::tag`].
    ///
    /// # Errors
    /// As for [`Session::run`].
    fn begin(&mut self, tag: &str) -> impl Future<Output = Result<(), SqlError>>;

    /// Commits the transaction.
    ///
    /// # Errors
    /// As for [`Session::run`]. Without a response, the outcome is unknown: it is checked in another session.
    fn commit(&mut self, tag: &str) -> impl Future<Output = Result<(), SqlError>>;

    /// Rolls back the transaction, if one is open.
    ///
    /// # Errors
    /// As for [`Session::run`].
    fn rollback(&mut self, tag: &str) -> impl Future<Output = Result<(), SqlError>>;

    /// Whether a transaction is or may be open.
    fn in_transaction(&self) -> bool;

    /// Whether the session has to be replaced, outside of a transaction, because it is unusable or about to expire.
    fn is_stale(&self) -> bool;

    /// Stores rows in a file, outside of a transaction, for [`Call::from_file`](crate::statement::Call::from_file). `lines` are
    /// the rows, each on a line of its own.
    ///
    /// # Errors
    /// As for [`Session::run`]; with [`Cause::NotStored`] if the rows have to be bound instead, now and later.
    fn store(&mut self, lines: &str, tag: &str) -> impl Future<Output = Result<StoredFile, SqlError>> {
        let _ = (lines, tag);
        async {
            let mut error = SqlError::new(Class::Bug, "storing rows", "the sink stores no rows in files");
            error.cause = Cause::NotStored;
            Err(error)
        }
    }

    /// Checks that these files are complete where the statements have read them. This is called after the statements, before
    /// COMMIT: a database may read a file that is missing as one without rows.
    ///
    /// # Errors
    /// As for [`Session::run`], and if a file is missing or has another size.
    fn check_files(&mut self, files: &[StoredFile], tag: &str) -> impl Future<Output = Result<(), SqlError>> {
        let _ = (files, tag);
        async { Ok(()) }
    }

    /// Removes the files that the session has stored. If this fails, it logs a warning.
    fn remove_files(&mut self, tag: &str) -> impl Future<Output = ()> {
        let _ = tag;
        async {}
    }

    /// Closes the session, which also ends its transaction.
    fn close(self) -> impl Future<Output = ()>;
}

/// Rows that a session has stored in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Where it is, as statements write it.
    pub location: String,
    /// Its size, as it was stored.
    pub bytes: u64,
}

/// One statement.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'s> {
    /// Kind, for errors: `MERGE`, `CREATE TABLE`, `BEGIN`.
    pub kind: &'static str,
    /// Quoted target table, for errors.
    pub table: Option<&'s str>,
    /// Text, with a placeholder for every bind.
    pub text: &'s str,
    /// Binds, each as text.
    pub binds: &'s [&'s str],
    /// Rows that are sent after the statement, such as those of PostgreSQL's COPY.
    pub load: Option<&'s str>,
    /// What the statement belongs to, for databases that show such a text beside their queries.
    pub tag: &'s str,
}

impl<'s> Statement<'s> {
    /// A statement without table and binds.
    #[must_use]
    pub fn plain(kind: &'static str, text: &'s str, tag: &'s str) -> Self {
        Self { kind, table: None, text, binds: &[], load: None, tag }
    }
}

/// The result of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Names of the columns of `rows`; may be empty if the database does not return them.
    pub columns: Vec<String>,
    /// Rows of a query, as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// The database's id of the query; may be empty.
    pub query_id: String,
    /// Number of inserted rows.
    pub inserted: u64,
    /// Number of updated rows.
    pub updated: u64,
    /// Number of deleted rows.
    pub deleted: u64,
}
