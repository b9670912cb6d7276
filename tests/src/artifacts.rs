//! Builds the host, the shipped plugins and the fixtures, once per test process.
//!
//! `cargo test` builds only what tests link to, but not executables and dynamic libraries of other packages. So the
//! first test that needs them runs `cargo build` with the same profile, target folder and examples: then cargo selects
//! the same features as for `cargo test`, and rebuilds little.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::Value as Json;

use nested_cargo::cargo;

use crate::root;

/// The paths of the built files.
#[derive(Debug)]
pub struct Artifacts {
    host: PathBuf,
    libraries: BTreeMap<String, PathBuf>,
}

/// The built files. The first call builds them.
///
/// # Panics
/// When the build fails.
pub fn artifacts() -> &'static Artifacts {
    static BUILT: OnceLock<Artifacts> = OnceLock::new();
    BUILT.get_or_init(build)
}

impl Artifacts {
    /// The executable `tidegate`.
    #[must_use]
    pub fn host(&self) -> &Path {
        &self.host
    }

    /// The dynamic library of a package or an example, such as `console-sink` or `misbehaving`.
    ///
    /// # Panics
    /// When there is none of this name.
    #[must_use]
    pub fn library(&self, name: &str) -> &Path {
        let found = self.libraries.get(&name.replace('-', "_"));
        found
            .unwrap_or_else(|| panic!("no library {name:?} was built; there are {:?}", self.libraries.keys()))
    }
}

/// The target folder and the profile of the running test executable, `<target>/<profile>/deps/<test>`.
pub(crate) fn target() -> (PathBuf, String) {
    let executable = env::current_exe().expect("the system tells which executable runs");
    let profile = executable.parent().and_then(Path::parent).expect("a test runs in <target>/<profile>/deps");
    let name = profile.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let target = profile.parent().expect("a test runs in <target>/<profile>/deps").to_owned();
    (target, if name == "debug" { "dev".to_owned() } else { name })
}

/// The target folder of the running executable.
#[must_use]
pub fn target_folder() -> PathBuf {
    target().0
}

/// Cargo's JSON messages.
pub(crate) fn messages(output: &[u8]) -> Vec<Json> {
    let text = String::from_utf8_lossy(output);
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The dynamic libraries in cargo's messages, by target name.
pub(crate) fn libraries(messages: &[Json]) -> BTreeMap<String, PathBuf> {
    let built = messages.iter().filter(|message| message["reason"] == "compiler-artifact");
    let libraries = built.filter_map(|message| {
        let kinds = message["target"]["crate_types"].as_array()?;
        let name = message["target"]["name"].as_str()?.replace('-', "_");
        let files = message["filenames"].as_array()?.iter().filter_map(Json::as_str).map(PathBuf::from);
        let library = files
            .into_iter()
            .find(|file| file.extension().is_some_and(|extension| extension == env::consts::DLL_EXTENSION))?;
        kinds.contains(&Json::from("cdylib")).then_some((name, library))
    });
    libraries.collect()
}

fn build() -> Artifacts {
    let (target, profile) = target();
    let output = cargo()
        .args(["build", "--workspace", "--lib", "--bins", "--examples"])
        .args(["--message-format=json-render-diagnostics", "--profile", &profile, "--target-dir"])
        .arg(&target)
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "building failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let messages = messages(&output.stdout);
    let executables = messages.iter().filter(|message| message["target"]["name"] == "tidegate");
    let host = executables.filter_map(|message| message["executable"].as_str()).next_back();
    Artifacts { host: host.expect("cargo has built the host").into(), libraries: libraries(&messages) }
}
