//! MariaDB, from Debian's packages `mariadb-server-core` and `mariadb-client-core`.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    engine::{Engine, Format, Instance, is_root, run},
    is_program,
};

/// The installed programs.
#[derive(Debug)]
pub(super) struct MariaDb {
    install: PathBuf,
    server: PathBuf,
    client: PathBuf,
}

impl MariaDb {
    /// The programs on the path, and in the folder for those of the administrator.
    ///
    /// # Errors
    /// If one is missing.
    pub(super) fn find() -> Result<Self, String> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> =
            env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]).collect();
        let find = |name: &str| {
            let found = folders.iter().map(|folder| folder.join(name)).find(|program| is_program(program));
            found.ok_or(format!(
                "{name} is missing: install Debian's packages mariadb-server-core and mariadb-client-core"
            ))
        };
        Ok(Self { install: find("mariadb-install-db")?, server: find("mariadbd")?, client: find("mariadb")? })
    }

    /// The programs refuse to run as root unless an option names that user. A server that starts deletes the temporary tables in its
    /// folder, also those of another server, so each has a folder of its own.
    fn command(program: &Path, instance: &Instance) -> Command {
        let mut command = Command::new(program);
        command.arg("--no-defaults").args(is_root().then_some("--user=root"));
        command.arg(format!("--tmpdir={}", instance.folder.display()));
        command
    }

    /// A client that prints rows as they come, and each row in a line.
    fn client_of(&self, user: &str) -> Command {
        let mut client = Command::new(&self.client);
        client.args(["--no-defaults", "--batch", "--skip-column-names", "--quick", "--unbuffered"]).args([
            "--default-character-set=utf8mb4",
            "--skip-reconnect",
            "--user",
            user,
        ]);
        client
    }
}

/// The socket for the administrator.
fn socket(instance: &Instance) -> String {
    format!("--socket={}", instance.folder.join("socket").display())
}

impl Engine for MariaDb {
    fn create_files(&self, instance: &Instance) {
        let data = format!("--datadir={}", instance.data().display());
        let mut install = Self::command(&self.install, instance);
        run(install.args([&data, "--auth-root-authentication-method=normal", "--skip-test-db"]));
    }

    fn server(&self, instance: &Instance) -> Command {
        let mut server = Self::command(&self.server, instance);
        server
            .arg(format!("--datadir={}", instance.data().display()))
            .arg(socket(instance))
            .arg(format!("--pid-file={}", instance.folder.join("pid").display()))
            .args(["--bind-address=127.0.0.1", "--port", &instance.port])
            // All users of the database come over TCP, and there is no name to look up.
            .arg("--skip-name-resolve")
            .args(["--local-infile=1", "--character-set-server=utf8mb4"])
            // Commits are written, but not synced: see the documentation of the module.
            .arg("--innodb-flush-log-at-trx-commit=2")
            .args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M"]);
        server.args(instance.settings.iter().map(|setting| format!("--{setting}")));
        server
    }

    fn administrator(&self, instance: &Instance) -> Command {
        let mut client = self.client_of("root");
        client.arg(socket(instance));
        client
    }

    fn creation(&self, name: &str) -> String {
        format!(
            "CREATE DATABASE `{name}`;\nCREATE USER `{name}`@`%` IDENTIFIED BY '{name}';\n\
             GRANT ALL ON *.* TO `{name}`@`%` WITH GRANT OPTION;"
        )
    }

    fn client(&self, instance: &Instance, user: &str, password: &str) -> Command {
        let mut client = self.client_of(user);
        client.args(["--protocol=TCP", "--host=127.0.0.1", "--port", &instance.port]);
        client.arg(&instance.name).env("MYSQL_PWD", password);
        client
    }

    fn parseable(&self, _client: &mut Command) -> Format {
        Format { cell: b'\t', row: b'\n', null: "NULL", escapes: true }
    }

    fn stop_signal(&self) -> &'static str {
        "TERM"
    }

    fn quick_stop_signal(&self) -> &'static str {
        "KILL"
    }
}
