//! Starts cargo from a program that cargo runs, without building what is built already again.

use std::{
    env,
    ffi::{OsStr, OsString},
    process::Command,
};

/// Variables that cargo sets for the programs that it runs, beside those that begin with a [prefix](SET_PREFIXES).
const SET: [&str; 5] =
    ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "CARGO_MANIFEST_LINKS", "OUT_DIR"];
const SET_PREFIXES: [&str; 3] = ["CARGO_BIN_", "CARGO_MANIFEST_", "CARGO_PKG_"];

/// The cargo that runs this program, or the one in `PATH`, as if it were started from a shell.
///
/// Build scripts, such as ring's, run again when one of the variables that describe a package changes, and these describe the
/// package of the program. Then everything would be built again that depends on ring, and once more by the next cargo of the shell.
#[must_use]
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for (name, _) in env::vars_os().filter(|(name, _)| is_set_by_cargo(name)) {
        cargo.env_remove(name);
    }
    cargo
}

fn is_set_by_cargo(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    SET.contains(&&*name) || SET_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_describes_the_running_package_is_not_passed_on() {
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "OUT_DIR"] {
            assert!(is_set_by_cargo(OsStr::new(name)), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_INCREMENTAL", "PATH"] {
            assert!(!is_set_by_cargo(OsStr::new(name)), "{name}");
        }
        let removed: Vec<_> = cargo().get_envs().map(|(name, _)| name.to_owned()).collect();
        assert!(removed.iter().any(|name| name == "CARGO_PKG_NAME"), "cargo runs this test: {removed:?}");
    }
}
