//! ACLs, passwords and broker properties. They are changed with Kafka's own tools, because librdkafka's admin client
//! cannot.

use std::fmt;

use super::{Kafka, PLAIN};

/// The resource of an ACL.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// A topic.
    Topic(&'a str),
    /// A consumer group.
    Group(&'a str),
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(formatter, "topic {name}"),
            Self::Group(name) => write!(formatter, "group {name}"),
        }
    }
}

impl Kafka {
    /// Allows a user an operation, such as `Read`, in a cluster with an authorizer.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn grant(&self, user: &str, operation: &str, resource: Resource<'_>) {
        self.change_right(&["--add"], user, operation, resource);
    }

    /// Removes an ACL that was added by [`Kafka::grant`].
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn revoke(&self, user: &str, operation: &str, resource: Resource<'_>) {
        self.change_right(&["--remove", "--force"], user, operation, resource);
    }

    /// Sets a user's password for a mechanism, such as `SCRAM-SHA-256`.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn set_password(&self, user: &str, mechanism: &str, password: &str) {
        let config = format!("{mechanism}=[password={password}]");
        self.tool(
            "kafka.admin.ConfigCommand",
            &["--alter", "--entity-type", "users", "--entity-name", user, "--add-config", &config],
        );
    }

    /// Changes a property of all brokers while they run.
    ///
    /// # Panics
    /// If the broker rejects it.
    pub fn set_property(&self, name: &str, value: &str) {
        for id in 1..=self.addresses.len() as i32 {
            let (id, config) = (id.to_string(), format!("{name}={value}"));
            self.tool(
                "kafka.admin.ConfigCommand",
                &["--alter", "--entity-type", "brokers", "--entity-name", &id, "--add-config", &config],
            );
        }
    }

    fn change_right(&self, how: &[&str], user: &str, operation: &str, resource: Resource<'_>) {
        let (kind, name) = match resource {
            Resource::Topic(name) => ("--topic", name),
            Resource::Group(name) => ("--group", name),
        };
        let principal = format!("User:{user}");
        let what = ["--allow-principal", &principal, "--operation", operation, kind, name];
        self.tool("org.apache.kafka.tools.AclCommand", &[how, &what].concat());
    }

    /// Runs one of Kafka's tools against the first running broker.
    pub(super) fn tool(&self, class: &str, arguments: &[&str]) {
        let running = (1..=self.addresses.len() as i32).find(|id| self.node(*id, |node| node.is_running()));
        let server = self.address(running.expect("a broker that runs"), PLAIN);
        let options = ["-Xmx64m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];
        let mut tool = self.jars.command(options, class);
        let output =
            tool.args(["--bootstrap-server", &server]).args(arguments).output().expect("Java starts");
        let text = || {
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        };
        assert!(output.status.success(), "{class} {arguments:?}: {}", text());
    }
}
