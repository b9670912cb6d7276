//! The working directory of a host: plugins, connector files, state.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{Broker, Finished, Recording, Running, artifacts};

/// Environment variables that are passed on to the host. All others are removed, so that the developer's environment
/// does not affect the tests.
const PASSED_ON: [&str; 6] =
    ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE", "LLVM_PROFILE_FILE", "LD_LIBRARY_PATH"];

/// A temporary folder with everything that a host needs.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// A home with only these libraries in its plugin folder.
    ///
    /// # Panics
    /// When the folder cannot be made, or a library was not built.
    #[must_use]
    pub fn new(libraries: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("tidegate-").tempdir().expect("a temporary folder");
        let home = Self { folder };
        for folder in ["connectors.d", "plugins"] {
            fs::create_dir(home.path(folder)).expect("a new folder");
        }
        for name in libraries {
            home.add_library(artifacts().library(name));
        }
        home
    }

    /// A path in the folder.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Adds a library to the plugin folder.
    ///
    /// # Panics
    /// When there is one of its name.
    pub fn add_library(&self, library: &Path) {
        let name = library.file_name().expect("a library has a name");
        symlink(library, self.path("plugins").join(name)).expect("a new link");
    }

    /// Replaces a library in the plugin folder in one step by one with the same plugins and other content: `mark` is added at its
    /// end, which the system does not look at.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn replace_library(&self, name: &str, mark: &[u8]) {
        let library = artifacts().library(name);
        let mut content = fs::read(library).unwrap_or_else(|error| panic!("{}: {error}", library.display()));
        content.extend_from_slice(mark);
        let new = self.write("plugins/new", content);
        let file_name = library.file_name().expect("a library has a name");
        fs::rename(new, self.path("plugins").join(file_name)).expect("the library is replaced");
    }

    /// Writes a file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Writes a connector file. `@` in it is replaced by the path of this folder.
    pub fn connector(&self, name: &str, text: &str) -> PathBuf {
        let here = format!("{}/", self.folder.path().display());
        self.write(&format!("connectors.d/{name}.toml"), text.replace('@', &here))
    }

    /// Writes a connector that reads the topic `events` into the sink `recorder`, and is not restarted after a failure.
    /// `sink` is added to the sink's configuration, `more` to the file.
    pub fn recorder(&self, name: &str, sink: &str, more: &str) -> Recording {
        self.connector(
            name,
            &format!(
                "[source]\ntopics = [\"events\"]\n\n[sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"@{name}.calls\"\n\
                 {sink}\n\n[restart]\npolicy = \"never\"\n\n{more}\n"
            ),
        );
        self.recording(name)
    }

    /// The recorded calls of a connector of [`Home::recorder`].
    #[must_use]
    pub fn recording(&self, name: &str) -> Recording {
        Recording::of(self.path(&format!("{name}.calls")))
    }

    /// A command that runs the host in this folder with a clean environment and without the REST API, whose port is the same for
    /// all hosts.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command_of(artifacts().host(), "plugins")
    }

    /// As [`Home::command`], with another host and another folder of plugins.
    pub(crate) fn command_of(&self, host: &Path, plugins: &str) -> Command {
        let mut command = self.run_in_home(host, plugins);
        command.args(["--api", "off"]);
        command
    }

    /// As [`Home::command`], with the REST API where the host file says.
    #[must_use]
    pub fn command_with_api(&self) -> Command {
        self.run_in_home(artifacts().host(), "plugins")
    }

    fn run_in_home(&self, host: &Path, plugins: &str) -> Command {
        let mut command = Command::new(host);
        command.env_clear().current_dir(self.folder.path());
        for name in PASSED_ON {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        command.args(["--plugins", plugins]);
        command
    }

    /// Starts `tidegate run` on a broker.
    #[must_use]
    pub fn start(&self, broker: &Broker) -> Running {
        self.start_with(broker, &[])
    }

    /// Like [`Home::start`], with further arguments.
    #[must_use]
    pub fn start_with(&self, broker: &Broker, arguments: &[&str]) -> Running {
        self.start_on(broker.servers(), arguments)
    }

    /// Starts `tidegate run` on these brokers, with further arguments.
    #[must_use]
    pub fn start_on(&self, servers: &str, arguments: &[&str]) -> Running {
        Running::start(self.command().args(["--bootstrap-servers", servers, "run"]).args(arguments))
    }

    /// Runs `tidegate run` on a broker, with further arguments, until every connector has failed permanently, and stops it.
    ///
    /// # Panics
    /// If that does not happen, or the exit code is not the one for failed connectors.
    #[track_caller]
    pub fn run_until_failed(&self, broker: &Broker, arguments: &[&str]) -> Finished {
        self.stop_when_failed(self.start_with(broker, arguments))
    }

    /// Waits until every connector has failed permanently, and stops the host.
    ///
    /// # Panics
    /// If that does not happen, or the exit code is not the one for failed connectors.
    #[track_caller]
    pub fn stop_when_failed(&self, mut running: Running) -> Finished {
        running.wait_until("the failure of all connectors", |_| {
            let finished = self.run(&["status", "--json"]);
            let status: Json = serde_json::from_str(&finished.stdout).ok()?;
            let connectors = status["connectors"].as_array()?;
            connectors.iter().all(|connector| connector["state"] == "FAILED").then_some(())
        });
        running.terminate().expect_code(3)
    }

    /// Runs `tidegate run --once` on a broker.
    #[must_use]
    pub fn run_once(&self, broker: &Broker) -> Finished {
        self.start_with(broker, &["--once"]).finish()
    }

    /// Runs a `tidegate` command, and waits for its end.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Running::start(self.command().args(arguments)).finish()
    }

    /// Waits until the status of a connector satisfies `wanted`.
    ///
    /// # Panics
    /// If that does not happen.
    #[track_caller]
    pub fn wait_for_status(
        &self,
        running: &mut Running,
        connector: &str,
        wanted: impl Fn(&Json) -> bool,
    ) -> Json {
        running.wait_until(&format!("another status of {connector}"), |_| {
            let finished = self.run(&["status", connector, "--json"]);
            // The host creates its socket shortly after the start.
            let status: Json = serde_json::from_str(&finished.stdout).ok()?;
            let status = status["connectors"].get(0)?.clone();
            wanted(&status).then_some(status)
        })
    }

    /// The status of the running host.
    ///
    /// # Panics
    /// If it does not respond.
    #[must_use]
    pub fn status(&self) -> Json {
        let finished = self.run(&["status", "--json"]).expect_code(0);
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
    }
}
