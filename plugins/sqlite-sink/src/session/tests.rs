//! Sessions with real files, and their errors.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use futures_util::FutureExt as _;
use tidegate_cdc::{
    session::{Answer, Cause, Class, Session as _, SqlError, Statement},
    statement::Call,
};

use super::*;

impl Session {
    /// A database in memory.
    pub(crate) fn in_memory() -> Self {
        let errors = Errors { path: ":memory:".into(), busy_timeout: Duration::ZERO };
        let connection = Connection::open_in_memory().unwrap();
        set_up(&connection).unwrap();
        Self { connection, errors, file: None, is_broken: false }
    }

    #[track_caller]
    pub(crate) fn execute(&self, text: &str) {
        self.connection.execute_batch(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }

    pub(crate) fn begin(&self) {
        self.execute("BEGIN IMMEDIATE");
    }

    #[track_caller]
    pub(crate) fn query(&self, text: &str, binds: &[String]) -> Answer {
        let binds: Vec<&str> = binds.iter().map(String::as_str).collect();
        self.answer(&Statement { binds: &binds, ..Statement::plain("SELECT", text, "") }).unwrap()
    }

    pub(crate) fn counts(&self, call: &Call, binds: &[&str]) -> rusqlite::Result<Answer> {
        self.answer(&Statement { binds, ..Statement::plain(call.kind, &call.text, "") })
    }
}

fn open(path: &Path) -> Result<Session, SqlError> {
    Session::open(path, Duration::from_millis(20))
}

fn run(session: &mut Session, kind: &'static str, text: &str) -> Result<Answer, SqlError> {
    session.run(&Statement::plain(kind, text, "")).now_or_never().unwrap()
}

#[test]
fn commits_are_durable_and_readers_do_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let session = open(&folder.path().join("a.db")).unwrap();
    let pragma = |name: &str| session.query(&format!("PRAGMA {name}"), &[]).rows[0][0].clone().unwrap();
    assert_eq!(pragma("journal_mode"), "wal");
    // FULL.
    assert_eq!(pragma("synchronous"), "2");
    assert_eq!(pragma("foreign_keys"), "0");
}

#[test]
fn errors_name_the_file_and_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let expect = |path: &Path, class: Class, hint: &str| {
        let error = open(path).err().unwrap();
        assert_eq!(error.class, class, "{error}");
        let text = error.to_string();
        assert!(text.contains(hint) && text.contains(&*path.to_string_lossy()), "{text}");
    };
    assert!(open(&file("new/folder/a.db")).is_ok());
    fs::write(file("no-folder"), "").unwrap();
    expect(&file("no-folder/a.db"), Class::Missing, "create the folder");
    expect(folder.path(), Class::Rights, "must be a file");
    fs::write(
        file("text.db"),
        "certainly not a database, but long enough to be read as the header of one".repeat(9),
    )
    .unwrap();
    expect(&file("text.db"), Class::Missing, "not a SQLite database");
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(open(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    // The superuser can write it all the same.
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        return;
    }
    let error = open(&path).err().unwrap();
    assert_eq!(error.class, Class::Rights, "{error}");
}

#[test]
fn a_locked_database_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let (mut one, mut other) = (open(&path).unwrap(), open(&path).unwrap());
    one.execute("CREATE TABLE t (a)");
    tidegate_cdc::session::Session::begin(&mut one, "").now_or_never().unwrap().unwrap();
    let error = run(&mut other, "INSERT", "INSERT INTO t VALUES (1)").unwrap_err();
    assert_eq!((error.class, error.cause), (Class::Transient, Cause::Conflict), "{error}");
    assert!(error.to_string().contains("busy_timeout = 20ms"), "{error}");
    one.rollback("").now_or_never().unwrap().unwrap();
    assert_eq!(run(&mut other, "INSERT", "INSERT INTO t VALUES (1)").unwrap().inserted, 1);
}

#[test]
fn a_full_disk_is_no_capacity_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(&folder.path().join("a.db")).unwrap();
    session.execute("CREATE TABLE t (a); PRAGMA max_page_count = 4");
    tidegate_cdc::session::Session::begin(&mut session, "").now_or_never().unwrap().unwrap();
    let error = run(&mut session, "INSERT", "INSERT INTO t VALUES (randomblob(100000))").unwrap_err();
    assert_eq!(error.class, Class::Capacity, "{error}");
    assert!(error.to_string().contains("make space"), "{error}");
    session.rollback("").now_or_never().unwrap().unwrap();
    assert!(!session.in_transaction());
    assert_eq!(session.query("SELECT count(*) FROM t", &[]).rows, [[Some("0".to_owned())]]);
}

#[test]
fn errors_of_statements_are_classified() {
    let mut session = Session::in_memory();
    session.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL CHECK (b <> 'x'))");
    for (text, class, cause) in [
        ("INSERT INTO none VALUES (1)", Class::Schema, Cause::UnknownObject),
        ("INSERT INTO t (c) VALUES (1)", Class::Schema, Cause::Other),
        ("CREATE TABLE t (a)", Class::Schema, Cause::Exists),
        ("ALTER TABLE t ADD COLUMN b TEXT", Class::Schema, Cause::Exists),
        ("CREATE TABLE sqlite_t (a)", Class::Data, Cause::Other),
        ("INSERT INTO t VALUES (1, NULL)", Class::Data, Cause::Other),
        ("INSERT INTO t VALUES (1, 'x')", Class::Data, Cause::Other),
        ("INSERT INTO t VALUES ('text', 'y')", Class::Data, Cause::Other),
        ("INSERT INTO t VALUES (1, zeroblob(2000000000))", Class::TooBig, Cause::Other),
        ("SELEC 1", Class::Bug, Cause::Other),
        ("UPDATE t SET b = \"no column\"", Class::Schema, Cause::Other),
    ] {
        let error = run(&mut session, "INSERT", text).unwrap_err();
        assert_eq!((error.class, error.cause), (class, cause), "{text}: {error}");
        assert!(!error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_file_that_was_replaced_makes_the_session_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let session = open(&path).unwrap();
    assert!(!session.is_stale());
    fs::remove_file(&path).unwrap();
    assert!(session.is_stale());
    let _another = open(&path).unwrap();
    assert!(session.is_stale());
}

#[test]
fn values_are_read_back_as_text() {
    let session = Session::in_memory();
    let row = session.query("SELECT NULL, -9223372036854775808, 0.1, 'ä', x'61'", &[]).rows.remove(0);
    let row: Vec<Option<&str>> = row.iter().map(Option::as_deref).collect();
    assert_eq!(row, [None, Some("-9223372036854775808"), Some("0.1"), Some("ä"), Some("a")]);
}
