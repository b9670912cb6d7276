//! A real account, queried with Snowflake's Python client.

use std::{env, fmt, io::Write, process::Stdio};

use super::{Rows, python::python, quoted};

/// An account that is given in the environment.
pub struct Account {
    account: String,
    user: String,
    proof: Proof,
    role: String,
    warehouse: String,
    database: String,
}

enum Proof {
    Password(String),
    Key(String),
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("account", &self.account)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// The account in the environment; an error if its variables are incomplete.
    pub(crate) fn of_environment() -> Option<Result<Self, String>> {
        variable("ACCOUNT").map(Self::complete)
    }

    fn complete(account: String) -> Result<Self, String> {
        let needed = |name: &str| variable(name).ok_or(format!("TIDEGATE_SNOWFLAKE_{name} is not set"));
        let proof = match variable("PRIVATE_KEY") {
            Some(key) => Proof::Key(key),
            None => Proof::Password(needed("PASSWORD")?),
        };
        Ok(Self {
            account,
            user: needed("USER")?,
            proof,
            role: needed("ROLE")?,
            warehouse: needed("WAREHOUSE")?,
            database: needed("DATABASE")?,
        })
    }

    /// The database of the tests.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The connector's options.
    #[must_use]
    pub fn options(&self) -> String {
        let (name, proof) = match &self.proof {
            Proof::Password(password) => ("password", password),
            Proof::Key(key) => ("private_key", key),
        };
        let options = [
            ("account", &self.account),
            ("user", &self.user),
            ("role", &self.role),
            ("warehouse", &self.warehouse),
            ("database", &self.database),
            (name, proof),
        ];
        options.map(|(name, value)| format!("{name} = {}\n", quoted(value))).concat()
    }

    /// Runs a statement in a new session.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn query(&self, schema: &str, sql: &str) -> Rows {
        let mut client = python()
            .expect("a Python with Snowflake's client")
            .args(["query.py", schema])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Snowflake's client starts");
        let mut input = client.stdin.take().expect("piped");
        input.write_all(sql.as_bytes()).expect("a client that reads its statement");
        drop(input);
        let output = client.wait_with_output().expect("Snowflake's client ends");
        assert!(output.status.success(), "{sql}");
        serde_json::from_slice(&output.stdout).expect("rows as JSON")
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(format!("TIDEGATE_SNOWFLAKE_{name}")).ok().filter(|value| !value.is_empty())
}
