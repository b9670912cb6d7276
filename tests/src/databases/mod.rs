//! Real database servers on loopback: PostgreSQL and MariaDB, from Debian's packages.
//!
//! Where a server is not installed, the tests are skipped with a message. With `TIDEGATE_REQUIRE_DATABASES=1` they fail instead; with
//! `TIDEGATE_REQUIRE_DATABASES=0` they are always skipped.
//!
//! A server keeps its port and its data over a restart, and ends with the test process, however it ends: see `watchdog.rs`. Its files are
//! in a temporary folder. Commits are written to the operating system, but not synced to the disk: they survive the end of the server's
//! processes, which is all that tests can cause, but would not survive a power failure.

mod client;
mod engine;
mod mariadb;
mod pooler;
mod postgres;
mod server;
mod session;

use std::{
    env,
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use pooler::Pooler;
pub use session::Session;

use self::{
    engine::{Engine, Instance},
    mariadb::MariaDb,
    postgres::{Postgres, own_by_server},
    server::Server,
};
use crate::{ports::address, skipped, wait_for, watchdog::Watchdog};

/// A server with one database, which ends when it is dropped.
///
/// The database, its owner, who may do everything, and the owner's password have the same name.
#[derive(Debug)]
pub struct Database {
    engine: Box<dyn Engine>,
    instance: Instance,
    server: Mutex<Option<Server>>,
    watchdog: Watchdog,
}

impl Database {
    /// Starts a PostgreSQL server with settings such as `wal_level=logical`, and a database of this name; `None`, with a message, if
    /// PostgreSQL is not installed. Passwords are checked by SCRAM-SHA-256.
    ///
    /// # Panics
    /// If it does not start, or is not installed and the environment requires it.
    #[must_use]
    pub fn postgres(name: &str, settings: &[&str]) -> Option<Self> {
        Self::found(Postgres::find(), name, settings)
    }

    /// Starts a MariaDB server with settings such as `lower_case_table_names=1`, and a database of this name; `None`, with a message, if
    /// MariaDB is not installed. `LOAD DATA LOCAL` is allowed, and names and texts are UTF-8.
    ///
    /// # Panics
    /// If it does not start, or is not installed and the environment requires it.
    #[must_use]
    pub fn mariadb(name: &str, settings: &[&str]) -> Option<Self> {
        Self::found(MariaDb::find(), name, settings)
    }

    fn found<E: Engine + 'static>(engine: Result<E, String>, name: &str, settings: &[&str]) -> Option<Self> {
        let required = env::var("TIDEGATE_REQUIRE_DATABASES").unwrap_or_default();
        let engine = if required == "0" { Err("TIDEGATE_REQUIRE_DATABASES=0".to_owned()) } else { engine };
        match engine {
            Ok(engine) => Some(Self::create(Box::new(engine), name, settings)),
            Err(reason) => {
                assert!(required != "1", "TIDEGATE_REQUIRE_DATABASES=1, but {reason}");
                skipped::print_once(&reason);
                None
            }
        }
    }

    /// Starts a standby of a PostgreSQL server, which follows it asynchronously: it has what was committed a moment ago, and after
    /// [`Database::promote`] it accepts writes.
    ///
    /// # Panics
    /// If this server does not run, or is no PostgreSQL.
    #[must_use]
    pub fn standby(&self) -> Self {
        let settings: Vec<&str> = self.instance.settings.iter().map(String::as_str).collect();
        let engine = Postgres::find().expect("the programs of the primary");
        let standby = Self::stopped(Box::new(engine), self.name(), &settings);
        standby.follow(self);
        standby
    }

    /// Makes a server that was killed or stopped a new standby of another one. Its own data are deleted.
    ///
    /// # Panics
    /// If it is running, or the other one is not.
    pub fn follow(&self, primary: &Self) {
        let data = self.instance.data();
        // A new one has none.
        if data.exists() {
            fs::remove_dir_all(&data).unwrap_or_else(|error| panic!("{}: {error}", data.display()));
        }
        self.engine.copy_files(&primary.instance, &self.instance);
        self.start();
    }

    /// Whether a standby has everything that its primary has written so far.
    ///
    /// # Panics
    /// If one of them does not run.
    #[must_use]
    pub fn has_caught_up(&self, primary: &Self) -> bool {
        let written = primary.value("SELECT pg_current_wal_lsn()");
        self.value(&format!("SELECT pg_last_wal_replay_lsn() >= '{written}'")) == "t"
    }

    /// Makes a standby accept writes, with what it has.
    ///
    /// # Panics
    /// If it is no standby.
    pub fn promote(&self) {
        self.execute(self.engine.promotion());
    }

    /// A server without data, which is not started.
    fn stopped(engine: Box<dyn Engine>, name: &str, settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("tidegate-database-").tempdir();
        let folder = folder.expect("a temporary folder").keep();
        let watchdog = Watchdog::start(&folder);
        let port = address().rsplit_once(':').expect("an address with a port").1.to_owned();
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let instance = Instance { folder, name: name.to_owned(), port, settings };
        Self { engine, instance, server: Mutex::new(None), watchdog }
    }

    fn create(engine: Box<dyn Engine>, name: &str, settings: &[&str]) -> Self {
        let database = Self::stopped(engine, name, settings);
        database.engine.create_files(&database.instance);
        database.spawn();
        database.wait_until_ready(|| {
            let mut client = database.engine.administrator(&database.instance);
            client::run(&mut client, &database.engine.creation(name)).is_ok()
        });
        database
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> &str {
        &self.instance.port
    }

    /// Writes a file, readable only by the server, and returns its path. Names are relative to the folder that has the data in `data`.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn give_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.instance.folder.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of this user");
        own_by_server(&path);
        path
    }

    /// Lets the server use an existing folder.
    ///
    /// # Panics
    /// If it does not exist.
    pub fn give_folder(&self, path: &Path) {
        own_by_server(path);
    }

    /// The name of the database, of its owner and of the owner's password.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.instance.name
    }

    /// Ends all processes of the server with SIGKILL.
    ///
    /// # Panics
    /// If it is not running.
    pub fn kill(&self) {
        self.take().kill(&self.watchdog);
    }

    /// Shuts the server down, which ends its sessions.
    ///
    /// # Panics
    /// If it is not running, or does not end.
    pub fn stop(&self) {
        self.take().stop(self.engine.stop_signal(), &self.watchdog);
    }

    /// Starts a server that was killed or stopped, with its data, and waits until it answers.
    ///
    /// # Panics
    /// If it is running, or does not start.
    pub fn start(&self) {
        self.spawn();
        self.wait_until_ready(|| self.try_execute("SELECT 1").is_ok());
    }

    /// Suspends all processes of the server with SIGSTOP: its connections stay open, the system accepts new ones, and nothing answers.
    ///
    /// # Panics
    /// If it is not running.
    pub fn freeze(&self) {
        self.lock().as_mut().expect("a server that runs").freeze(&self.watchdog);
    }

    /// Resumes a suspended server.
    ///
    /// # Panics
    /// If it is not running.
    pub fn resume(&self) {
        self.lock().as_mut().expect("a server that runs").resume(&self.watchdog);
    }

    /// The CPU time of all processes of the server since its start, also of those that have ended.
    ///
    /// # Panics
    /// If it is not running.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.lock().as_ref().expect("a server that runs").cpu()
    }

    /// What the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.instance.log()).unwrap_or_default()
    }

    fn spawn(&self) {
        let mut server = self.lock();
        assert!(server.is_none(), "the server runs already");
        let log = File::options().append(true).create(true).open(self.instance.log()).expect("a log file");
        let mut command = self.engine.server(&self.instance);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log file")).stderr(log);
        *server = Some(Server::start(&mut command, &self.watchdog));
    }

    fn wait_until_ready(&self, mut answers: impl FnMut() -> bool) {
        let ready = wait_for(|| {
            let runs = self.lock().as_mut().is_some_and(Server::is_running);
            assert!(runs, "the server has ended:\n{}", self.log());
            answers().then_some(())
        });
        ready.unwrap_or_else(|reason| panic!("the server: {reason}\n{}", self.log()));
    }

    fn take(&self) -> Server {
        self.lock().take().expect("a server that runs")
    }

    fn lock(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(server) = self.lock().take() {
            // PostgreSQL removes its shared memory only if it may end by itself.
            server.end(self.engine.quick_stop_signal(), &self.watchdog);
        }
        self.watchdog.end();
    }
}

/// Whether a program can be run from this path.
fn is_program(path: &Path) -> bool {
    path.is_file()
}
