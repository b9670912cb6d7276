//! A host of another version and its plugins, which `.ci/upgrade` builds.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Home, Running};

/// The variable with the path of the executable.
const VARIABLE: &str = "TIDEGATE_PREVIOUS";
/// The folder in a home for its plugins.
const PLUGINS: &str = "plugins-before";

/// The built files of another version.
#[derive(Debug)]
pub struct Previous {
    host: PathBuf,
}

impl Previous {
    /// The version that the environment names.
    ///
    /// # Panics
    /// If it names none: the tests that need one are ignored by default.
    #[must_use]
    pub fn find() -> Self {
        let host = env::var_os(VARIABLE).map(PathBuf::from);
        Self {
            host: host
                .unwrap_or_else(|| panic!("{VARIABLE} is the path of a host, with its plugins beside it")),
        }
    }

    /// Adds plugins of that version to a home, apart from those of this version. They are not changed if they are there.
    ///
    /// # Panics
    /// If a library does not exist.
    pub fn add_plugins(&self, home: &Home, libraries: &[&str]) {
        let folder = home.path(PLUGINS);
        fs::create_dir_all(&folder).expect("a new folder");
        for name in libraries {
            let file = format!("lib{}.so", name.replace('-', "_"));
            let library = self.host.parent().unwrap_or(Path::new("")).join(&file);
            assert!(library.exists(), "{} does not exist", library.display());
            symlink(library, folder.join(file)).expect("a new link");
        }
    }

    /// A command that runs that version in a home, as [`Home::command`] does with this one.
    #[must_use]
    pub fn command(&self, home: &Home) -> Command {
        home.command_of(&self.host, PLUGINS)
    }

    /// Starts `tidegate run` of that version on these brokers, with further arguments.
    #[must_use]
    pub fn start_on(&self, home: &Home, servers: &str, arguments: &[&str]) -> Running {
        Running::start(self.command(home).args(["--bootstrap-servers", servers, "run"]).args(arguments))
    }
}
