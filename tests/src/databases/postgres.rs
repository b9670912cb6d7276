//! PostgreSQL, from Debian's packages `postgresql-<version>`.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    engine::{Engine, Format, Instance, is_root, run},
    is_program,
};

/// The folder with PostgreSQL's versions.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The user of Debian's package: a server does not start as root.
const USER: &str = "postgres";

/// The installed programs.
#[derive(Debug)]
pub(super) struct Postgres {
    programs: PathBuf,
}

impl Postgres {
    /// The programs of the newest installed version.
    ///
    /// # Errors
    /// If there are none.
    pub(super) fn find() -> Result<Self, String> {
        let folders = fs::read_dir(VERSIONS).into_iter().flatten();
        let mut versions: Vec<PathBuf> = folders
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .filter(|programs| is_program(&programs.join("initdb")))
            .collect();
        let number = |programs: &Path| programs.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
        versions.sort_by_key(|programs| number(programs));
        let programs = versions.pop().ok_or("PostgreSQL is missing: install Debian's package postgresql")?;
        Ok(Self { programs })
    }

    /// A program that works on the files of the server.
    fn command(&self, program: &str) -> Command {
        server_command(&self.programs.join(program))
    }

    fn psql(&self, instance: &Instance, user: &str, password: &str, database: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"])
            .args(["--host", "127.0.0.1", "--port", &instance.port, "--username", user, "--dbname", database])
            .env("PGPASSWORD", password);
        psql
    }
}

impl Engine for Postgres {
    fn create_files(&self, instance: &Instance) {
        let password = instance.folder.join("password");
        fs::write(&password, &instance.name).expect("a new file");
        own_by_server(&instance.folder);
        own_by_server(&password);
        run(self
            .command("initdb")
            .args(["--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--username", &instance.name])
            .arg("--pwfile")
            .arg(password)
            .arg("--pgdata")
            .arg(instance.data()));
    }

    fn copy_files(&self, primary: &Instance, standby: &Instance) {
        own_by_server(standby.folder.as_path());
        run(self
            .command("pg_basebackup")
            .args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"])
            .args(["--host", "127.0.0.1", "--port", &primary.port, "--username", &primary.name])
            .arg("--pgdata")
            .arg(standby.data())
            .env("PGPASSWORD", &primary.name));
    }

    fn promotion(&self) -> &'static str {
        "SELECT pg_promote()"
    }

    fn server(&self, instance: &Instance) -> Command {
        let mut server = self.command("postgres");
        server.arg("-D").arg(instance.data()).args(["-p", &instance.port]);
        let own = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            // See the documentation of the module.
            "fsync=off",
            // In the data folder, so that nothing is left of a server that was killed.
            "dynamic_shared_memory_type=mmap",
        ];
        for setting in own.into_iter().chain(instance.settings.iter().map(String::as_str)) {
            server.args(["-c", setting]);
        }
        server
    }

    fn administrator(&self, instance: &Instance) -> Command {
        self.psql(instance, &instance.name, &instance.name, "postgres")
    }

    fn creation(&self, name: &str) -> String {
        format!("CREATE DATABASE \"{name}\"")
    }

    fn client(&self, instance: &Instance, user: &str, password: &str) -> Command {
        self.psql(instance, user, password, &instance.name)
    }

    fn parseable(&self, client: &mut Command) -> Format {
        // Control characters, which the texts of tests do not contain. By a cursor, so that psql does not hold all rows in memory.
        client.args(["--field-separator=\u{1f}", "--record-separator=\u{1e}", "--pset=null=\u{1d}"]);
        client.args(["--set", "FETCH_COUNT=10000"]);
        Format { cell: 0x1f, row: 0x1e, null: "\u{1d}", escapes: false }
    }

    fn stop_signal(&self) -> &'static str {
        "INT"
    }

    fn quick_stop_signal(&self) -> &'static str {
        "QUIT"
    }
}

/// A program that refuses to run as root, or works on files of one that does.
pub(super) fn server_command(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(program).current_dir("/");
    command
}

/// Gives a file to the user whose server has to read or write it.
pub(super) fn own_by_server(path: &Path) {
    if !is_root() {
        return;
    }
    let id = |option| run(Command::new("id").args([option, USER])).trim().parse::<u32>().expect("an id");
    chown(path, Some(id("-u")), Some(id("-g"))).expect("a file of that user");
}
