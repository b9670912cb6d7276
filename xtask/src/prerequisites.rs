//! What the build needs besides Rust, checked before it: a build that fails after minutes in a dependency's build script
//! names neither the cause nor the package to install.

use std::{
    env,
    ffi::OsStr,
    io::Write,
    process::{Command, Stdio},
};

/// Something that librdkafka or OpenSSL's bindings are built with.
struct Prerequisite {
    name: &'static str,
    /// Its package in Debian and Ubuntu.
    package: &'static str,
    is_there: fn(Option<&OsStr>) -> bool,
}

const PREREQUISITES: [Prerequisite; 5] = [
    Prerequisite { name: "a C compiler (cc)", package: "build-essential", is_there: compiles_c },
    Prerequisite { name: "a C++ compiler (c++)", package: "build-essential", is_there: compiles_cpp },
    Prerequisite {
        name: "make",
        package: "build-essential",
        is_there: |path| starts("make", "--version", path),
    },
    Prerequisite { name: "pkg-config", package: "pkg-config", is_there: has_pkg_config },
    Prerequisite { name: "the headers of OpenSSL", package: "libssl-dev", is_there: has_openssl },
];

/// Checks everything, with the programs that `path` names.
///
/// # Errors
/// If something is missing. The error lists it all, and the command that installs it.
pub(crate) fn check(path: Option<&OsStr>) -> Result<(), String> {
    let missing: Vec<&Prerequisite> = PREREQUISITES.iter().filter(|one| !(one.is_there)(path)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|one| one.name).collect();
    let mut packages: Vec<&str> = missing.iter().map(|one| one.package).collect();
    packages.dedup();
    Err(format!(
        "The build needs what is missing here: {}. On Debian and Ubuntu:\n\n    sudo apt-get install {}\n",
        names.join(", "),
        packages.join(" ")
    ))
}

/// The program that a variable such as `CC` names, or `default`.
fn program(variable: &str, default: &str) -> Command {
    let named = env::var(variable).ok().filter(|value| !value.trim().is_empty());
    let named = named.unwrap_or_else(|| default.to_owned());
    // It may have arguments, as in `ccache cc`.
    let mut words = named.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or(default));
    command.args(words);
    command
}

/// Whether a compiler finds a header: a compiler without the headers of its library is of no use.
fn includes(mut compiler: Command, language: &str, header: &str, path: Option<&OsStr>) -> bool {
    compiler.args(["-E", "-x", language, "-"]).stdin(Stdio::piped());
    let Ok(mut child) = quiet(&mut compiler, path).spawn() else { return false };
    let source = format!("#include <{header}>\n");
    // A compiler that ends without reading reports its failure by its exit code.
    let _closed = child.stdin.take().is_none_or(|mut stdin| stdin.write_all(source.as_bytes()).is_err());
    child.wait().is_ok_and(|status| status.success())
}

fn compiles_c(path: Option<&OsStr>) -> bool {
    includes(program("CC", "cc"), "c", "stdio.h", path)
}

fn compiles_cpp(path: Option<&OsStr>) -> bool {
    includes(program("CXX", "c++"), "c++", "cstdio", path)
}

fn has_pkg_config(path: Option<&OsStr>) -> bool {
    let mut command = program("PKG_CONFIG", "pkg-config");
    quiet(command.arg("--version"), path).status().is_ok_and(|status| status.success())
}

fn has_openssl(path: Option<&OsStr>) -> bool {
    let somewhere_else =
        ["OPENSSL_DIR", "OPENSSL_INCLUDE_DIR"].iter().any(|name| env::var_os(name).is_some());
    somewhere_else
        || includes(program("CC", "cc"), "c", "openssl/ssl.h", path)
        || starts("pkg-config", "--exists=openssl", path)
}

fn starts(program: &str, argument: &str, path: Option<&OsStr>) -> bool {
    quiet(Command::new(program).arg(argument), path).status().is_ok_and(|status| status.success())
}

fn quiet<'c>(command: &'c mut Command, path: Option<&OsStr>) -> &'c mut Command {
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// The outcome with these programs alone, each a script of the shell.
    fn check_with(programs: &[(&str, &str)]) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, script) in programs {
            let path = folder.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        check(Some(folder.path().as_os_str()))
    }

    #[test]
    fn what_is_missing_is_named_with_one_command_that_installs_it() {
        let error = check_with(&[]).unwrap_err();
        assert!(
            error.contains(
                "a C compiler (cc), a C++ compiler (c++), make, pkg-config, the headers of OpenSSL"
            ),
            "{error}"
        );
        assert!(
            error.contains("\n    sudo apt-get install build-essential pkg-config libssl-dev\n"),
            "{error}"
        );
    }

    #[test]
    fn headers_are_looked_for_and_not_only_programs() {
        // A compiler that finds every header but OpenSSL's, which pkg-config does not know either.
        let compiler = "read include && case $include in *openssl*) exit 1;; esac";
        let pkg_config = "[ \"$1\" = --version ]";
        let tools = [("cc", compiler), ("c++", compiler), ("make", ""), ("pkg-config", pkg_config)];
        let error = check_with(&tools).unwrap_err();
        assert!(error.contains("missing here: the headers of OpenSSL."), "{error}");
        assert!(error.contains("\n    sudo apt-get install libssl-dev\n"), "{error}");
        let all = [("cc", ""), ("c++", ""), ("make", ""), ("pkg-config", "")];
        assert_eq!(check_with(&all), Ok(()));
    }
}
