//! A real Apache Kafka for tests: one broker or three, on loopback, from its Maven jars.
//!
//! Where Java or Maven is missing, tests are skipped, and say so. `TIDEGATE_REQUIRE_KAFKA=1` has them fail instead;
//! `TIDEGATE_REQUIRE_KAFKA=0` skips them everywhere.
//!
//! Brokers are numbered from 1 and keep their ports and data over a restart. Whatever becomes of the test process, none of
//! them outlives it: see [`watchdog`].

mod groups;
mod jars;
mod node;
mod partitions;
mod records;
mod rights;
mod topics;
mod watchdog;

use std::{
    env,
    io::{self, Write},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
};

use rdkafka::{
    ClientConfig,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
};

pub use groups::Member;
pub use records::{Record, Refused, flush, send};
pub use rights::Resource;

use self::{jars::Jars, node::Node, watchdog::Watchdog};
use crate::wait_for;

/// The listener without security, whose users may do everything.
pub(super) const PLAIN: &str = "PLAINTEXT";

/// How a cluster is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of brokers, each of them a controller too: 1 or 3.
    pub brokers: i32,
    /// Listeners of every broker beside the one without security.
    pub listeners: Vec<Listener>,
    /// Further lines of every broker's `server.properties`; they come after the harness's own.
    pub properties: Vec<(String, String)>,
    /// Users with their passwords, for SCRAM-SHA-256 and SCRAM-SHA-512.
    pub users: Vec<(String, String)>,
    /// Further options of every broker's virtual machine.
    pub java: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            brokers: 1,
            listeners: Vec::new(),
            properties: Vec::new(),
            users: Vec::new(),
            java: Vec::new(),
        }
    }
}

/// A listener of its own name; its properties go, prefixed, into [`Options::properties`].
#[derive(Clone, Debug)]
pub struct Listener {
    /// Name, in capitals.
    pub name: &'static str,
    /// `SSL`, `SASL_SSL` or `SASL_PLAINTEXT`.
    pub protocol: &'static str,
}

/// A running cluster; gone when it is dropped, or with the process.
#[derive(Debug)]
pub struct Kafka {
    jars: &'static Jars,
    nodes: Mutex<Vec<Node>>,
    /// Per broker.
    addresses: Vec<node::Addresses>,
    watchdog: Watchdog,
}

impl Kafka {
    /// The broker that tests of a process share, which must neither stop it nor mind what others do in it; none, and said
    /// so, where there is no Java.
    ///
    /// # Panics
    /// When it does not start, or there is no Java and the environment requires it.
    #[must_use]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: LazyLock<Option<Kafka>> = LazyLock::new(|| Kafka::start(&Options::default()));
        find().inspect_err(|reason| say_skipped(reason)).ok()?;
        SHARED.as_ref()
    }

    /// Starts a cluster of its own for a test; none, and said so, where there is no Java.
    ///
    /// # Panics
    /// When it does not start, or there is no Java and the environment requires it.
    #[must_use]
    pub fn start(options: &Options) -> Option<Self> {
        let jars = match find() {
            Ok(jars) => jars,
            Err(reason) => {
                say_skipped(&reason);
                return None;
            }
        };
        let folder =
            tempfile::Builder::new().prefix("tidegate-kafka-").tempdir().expect("a temporary folder");
        let folder = folder.keep();
        let watchdog = Watchdog::start(&folder);
        let (nodes, addresses) = node::configure(&folder, options);
        node::format(jars, &nodes, &options.users);
        let kafka = Self { jars, nodes: Mutex::new(nodes), addresses, watchdog };
        for id in 1..=options.brokers {
            kafka.node(id, |node| node.start(jars, &kafka.watchdog));
        }
        for id in 1..=options.brokers {
            kafka.wait_for_broker(id, options.brokers);
        }
        Some(kafka)
    }

    /// `host:port` of every broker, for clients without security.
    #[must_use]
    pub fn servers(&self) -> String {
        self.listener(PLAIN)
    }

    /// `host:port` of every broker's listener of this name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn listener(&self, name: &str) -> String {
        (1..).take(self.addresses.len()).map(|id| self.address(id, name)).collect::<Vec<_>>().join(",")
    }

    /// A client's configuration, without security.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        client_config(&self.servers())
    }

    /// Ends a broker with SIGKILL.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill_broker(&self, id: i32) {
        self.node(id, |node| node.kill(&self.watchdog));
    }

    /// Ends a broker in good order: it hands its partitions over before.
    ///
    /// # Panics
    /// When it is not running, or does not end.
    pub fn stop_broker(&self, id: i32) {
        self.node(id, |node| node.stop(&self.watchdog));
    }

    /// Starts a broker that was killed or stopped, and waits until it serves clients.
    ///
    /// # Panics
    /// When it is running, or does not start.
    pub fn start_broker(&self, id: i32) {
        self.node(id, |node| node.start(self.jars, &self.watchdog));
        self.wait_for_broker(id, 1);
    }

    /// Stops a broker in its tracks, with SIGSTOP: its connections stay open, and nothing is answered.
    ///
    /// # Panics
    /// When it is not running.
    pub fn pause_broker(&self, id: i32) {
        self.node(id, |node| node.signal("STOP"));
    }

    /// Lets a paused broker go on.
    ///
    /// # Panics
    /// When it is not running.
    pub fn resume_broker(&self, id: i32) {
        self.node(id, |node| node.signal("CONT"));
    }

    /// What a broker has logged: warnings and errors.
    #[must_use]
    pub fn log(&self, id: i32) -> String {
        self.node(id, |node| node.log())
    }

    fn address(&self, id: i32, listener: &str) -> String {
        let addresses = &self.addresses[id as usize - 1];
        let found = addresses.iter().find(|(name, _)| *name == listener);
        found.unwrap_or_else(|| panic!("no listener {listener:?}; there are {addresses:?}")).1.clone()
    }

    /// Waits until a broker sees itself among at least so many.
    fn wait_for_broker(&self, id: i32, count: i32) {
        let consumer: BaseConsumer =
            client_config(&self.address(id, PLAIN)).create().expect("a client of the broker");
        let up = wait_for(|| {
            assert!(self.node(id, Node::is_running), "broker {id} ended:\n{}", self.log(id));
            let metadata = consumer.fetch_metadata(None, std::time::Duration::from_secs(1)).ok()?;
            let brokers = metadata.brokers();
            (brokers.iter().any(|broker| broker.id() == id) && brokers.len() >= count as usize).then_some(())
        });
        up.unwrap_or_else(|reason| panic!("broker {id}: {reason}\n{}", self.log(id)));
    }

    fn node<T>(&self, id: i32, act: impl FnOnce(&mut Node) -> T) -> T {
        let mut nodes: MutexGuard<'_, Vec<Node>> = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        act(nodes.get_mut(id as usize - 1).unwrap_or_else(|| panic!("there is no broker {id}")))
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.watchdog.end();
        let nodes = self.nodes.get_mut().unwrap_or_else(PoisonError::into_inner);
        nodes.iter_mut().for_each(Node::bury);
    }
}

fn client_config(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set_log_level(RDKafkaLogLevel::Emerg);
    // Brokers come back soon in tests.
    config.set("reconnect.backoff.max.ms", "1000");
    config
}

/// Kafka, or why it is not to be had.
fn find() -> Result<&'static Jars, String> {
    let required = env::var("TIDEGATE_REQUIRE_KAFKA").unwrap_or_default();
    if required == "0" {
        return Err("TIDEGATE_REQUIRE_KAFKA=0".to_owned());
    }
    Jars::get().inspect_err(|reason| assert!(required != "1", "TIDEGATE_REQUIRE_KAFKA=1, but {reason}"))
}

/// Past the test harness, which swallows the output of tests that pass.
fn say_skipped(reason: &str) {
    let thread = thread::current();
    let line = format!("SKIPPED kafka: {}: {reason}\n", thread.name().unwrap_or("a test"));
    io::stderr().write_all(line.as_bytes()).expect("a place for errors");
}
