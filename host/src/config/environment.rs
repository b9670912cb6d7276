//! The environment variables that a configuration is read with: those of the process, or a map in tests.

use std::collections::BTreeMap;
use std::fmt;

/// A snapshot of environment variables. It never shows a value in its `Debug` form.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Takes a snapshot of the process's environment. Variables that are not valid UTF-8 are left out, and so
    /// count as not set.
    pub fn process() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self { variables: std::env::vars_os().filter_map(utf8).collect() }
    }

    /// The value of a variable; an empty one counts as not set, as in `${NAME:-default}` of a shell.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The names of all variables, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Whether a variable of this name probably contains a secret. The path of a secret's file is not one: hiding it
/// would make errors unreadable.
pub(super) fn names_a_secret(name: &str) -> bool {
    const HINTS: [&str; 6] = ["PASSWORD", "SECRET", "TOKEN", "KEY", "PASSPHRASE", "CREDENTIAL"];
    let name = name.to_ascii_uppercase();
    let is_path = name.ends_with("_PATH") || name.ends_with("_FILE");
    !is_path && HINTS.iter().any(|hint| name.contains(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_counts_as_not_set_and_debug_hides_values() {
        let environment: Environment = [("A", "hunter2"), ("B", "")].into_iter().collect();
        assert_eq!(environment.get("A"), Some("hunter2"));
        assert_eq!((environment.get("B"), environment.get("C")), (None, None));
        assert_eq!(format!("{environment:?}"), r#"{"A", "B"}"#);
    }

    #[test]
    fn the_process_has_an_environment() {
        assert!(Environment::process().names().any(|name| name == "PATH"));
    }

    #[test]
    fn secret_names() {
        for name in ["DB_PASSWORD", "api_token", "SNOWFLAKE_PRIVATE_KEY", "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"]
        {
            assert!(names_a_secret(name), "{name}");
        }
        for name in ["SNOWFLAKE_ACCOUNT", "SNOWFLAKE_PRIVATE_KEY_PATH", "TLS_KEY_FILE"] {
            assert!(!names_a_secret(name), "{name}");
        }
    }
}
