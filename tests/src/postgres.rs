//! A PostgreSQL server on loopback with logical decoding, from Debian's package `postgresql`.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{ports::address, skipped};

/// The folder with PostgreSQL's versions.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The user of Debian's package: a server does not start as root.
const USER: &str = "postgres";

/// A running server, which ends when it is dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: String,
}

impl Postgres {
    /// Starts a server with a user, who may do everything, and a database, both of this name; `None`, with a message, if PostgreSQL is not
    /// installed.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(name: &str) -> Option<Self> {
        let Some(programs) = find() else {
            skipped::print_once("PostgreSQL is missing: install Debian's package postgresql");
            return None;
        };
        let folder =
            tempfile::Builder::new().prefix("tidegate-postgres-").tempdir().expect("a temporary folder");
        if is_root() {
            let id =
                |option| run(Command::new("id").args([option, USER])).trim().parse::<u32>().expect("an id");
            chown(folder.path(), Some(id("-u")), Some(id("-g"))).expect("a folder of that user");
        }
        let port = address().rsplit_once(':').expect("an address with a port").1.to_owned();
        let server = Self { programs, folder, port };
        let data = server.data();
        run(server.command("initdb").args(["--auth=trust", "--username", name, "--pgdata"]).arg(&data));
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c wal_level=logical -c fsync=off -c unix_socket_directories={}",
            server.port,
            server.folder.path().display()
        );
        let log = server.folder.path().join("log");
        run(server
            .command("pg_ctl")
            .args(["start", "--wait", "--options", &options, "--pgdata"])
            .arg(data)
            .arg("--log")
            .arg(log));
        run(server.client("createdb", name).arg(name));
        Some(server)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> &str {
        &self.port
    }

    /// Executes statements as a user in the database of this name, and returns what they print, without headings.
    ///
    /// # Panics
    /// If a statement fails.
    pub fn execute(&self, name: &str, statements: &str) -> String {
        let mut psql = self.client("psql", name);
        run(psql.args([
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--set",
            "ON_ERROR_STOP=1",
            "--dbname",
            name,
            "--command",
            statements,
        ]))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn client(&self, program: &str, user: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(["--host", "127.0.0.1", "--port", &self.port, "--username", user]);
        command
    }

    /// A program that works on the files of the server.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(program).current_dir("/");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = self.command("pg_ctl");
        let _stopped =
            stop.args(["stop", "--mode", "immediate", "--pgdata"]).arg(self.data()).output().is_ok();
    }
}

/// The programs of the newest installed version.
fn find() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let mut versions: Vec<PathBuf> = versions.filter(|programs| programs.join("initdb").exists()).collect();
    let number = |programs: &Path| programs.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    versions.sort_by_key(|programs| number(programs));
    versions.pop()
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).trim() == "0"
}

/// Runs a command, and returns what it prints.
fn run(command: &mut Command) -> String {
    let output: Output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
