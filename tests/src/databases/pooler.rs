//! PgBouncer in transaction mode in front of a PostgreSQL server, from Debian's package.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Stdio},
};

use tempfile::TempDir;

use super::{Database, is_program, postgres::own_by_server, postgres::server_command};
use crate::{ports::address, skipped, wait_for};

/// The program of Debian's package.
const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A pooler, which ends when it is dropped. Each transaction may get another session of the server.
#[derive(Debug)]
pub struct Pooler {
    process: Child,
    port: String,
    _folder: TempDir,
}

impl Pooler {
    /// Starts a pooler for a server; `None`, with a message, if PgBouncer is not installed. Its users and databases are those of the
    /// server, and passwords are not checked.
    ///
    /// # Panics
    /// If it does not start, or is not installed and the environment requires databases.
    #[must_use]
    pub fn start(database: &Database) -> Option<Self> {
        if !is_program(Path::new(PROGRAM)) {
            let reason = "PgBouncer is missing: install Debian's package pgbouncer";
            let required = std::env::var("TIDEGATE_REQUIRE_DATABASES").unwrap_or_default();
            assert!(required != "1", "TIDEGATE_REQUIRE_DATABASES=1, but {reason}");
            skipped::print_once(reason);
            return None;
        }
        let folder = tempfile::Builder::new().prefix("tidegate-pooler-").tempdir().expect("a folder");
        let port = address().rsplit_once(':').expect("an address with a port").1.to_owned();
        let (name, server) = (database.name(), database.port());
        let settings = folder.path().join("pgbouncer.ini");
        let users = folder.path().join("users.txt");
        let text = format!(
            "[databases]\n{name} = host=127.0.0.1 port={server} user={name} password={name}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
             pool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 500\n",
            users.display()
        );
        fs::write(&settings, text).expect("a new file");
        fs::write(&users, format!("\"{name}\" \"{name}\"\n")).expect("a new file");
        [folder.path(), &settings, &users].into_iter().for_each(own_by_server);
        let log = File::create(folder.path().join("log")).expect("a log file");
        let mut command = server_command(Path::new(PROGRAM));
        command.arg(&settings).stdin(Stdio::null()).stdout(log.try_clone().expect("a log file")).stderr(log);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pooler = Self { process, port, _folder: folder };
        let answers = || std::net::TcpStream::connect(format!("127.0.0.1:{}", pooler.port)).is_ok();
        wait_for(|| answers().then_some(())).unwrap_or_else(|reason| panic!("the pooler: {reason}"));
        Some(pooler)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> &str {
        &self.port
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.process.kill().is_err();
        let _reaped = self.process.wait().is_ok();
    }
}
