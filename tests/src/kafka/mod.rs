//! An Apache Kafka cluster of one or three brokers on loopback, run from the jars on Maven Central.
//!
//! Without Java or Maven, the tests are skipped with a message. With `TIDEGATE_REQUIRE_KAFKA=1` they fail instead; with
//! `TIDEGATE_REQUIRE_KAFKA=0` they are always skipped.
//!
//! Brokers are numbered from 1 and keep their ports and data over a restart. They end with the test process, however it
//! ends: see `watchdog.rs`.

mod acls;
mod connect;
mod groups;
mod jars;
mod node;
mod partitions;
mod records;
mod topics;

use std::{
    env,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use rdkafka::{
    ClientConfig,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
};

pub use acls::Resource;
pub use connect::{CONNECT_VERSION, Connect, DEBEZIUM_JDBC_VERSION};
pub use groups::Member;
pub(crate) use jars::SMALL;
pub use records::{Record, RejectedCount, flush, send};

use self::{jars::Jars, node::Node};
use crate::{skipped, wait_for, watchdog::Watchdog};

/// The listener without security. Its clients are allowed everything.
pub(super) const PLAIN: &str = "PLAINTEXT";

/// Options of a cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of brokers, which are also controllers: 1 or 3.
    pub brokers: i32,
    /// Further listeners of every broker.
    pub listeners: Vec<Listener>,
    /// Further lines of every broker's `server.properties`, after those of the harness.
    pub properties: Vec<(String, String)>,
    /// Users with their passwords, for SCRAM-SHA-256 and SCRAM-SHA-512.
    pub users: Vec<(String, String)>,
    /// Further options of every broker's JVM.
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

/// A named listener. Its properties are set, with their prefix, in [`Options::properties`].
#[derive(Clone, Debug)]
pub struct Listener {
    /// Name in upper case.
    pub name: &'static str,
    /// `SSL`, `SASL_SSL`, `SASL_PLAINTEXT` or `PLAINTEXT`.
    pub protocol: &'static str,
    /// The address that brokers advertise instead of the listener's own.
    pub advertised: Option<String>,
}

/// A running cluster, which ends when it is dropped or with the process.
#[derive(Debug)]
pub struct Kafka {
    jars: &'static Jars,
    nodes: Mutex<Vec<Node>>,
    /// Per broker.
    addresses: Vec<node::Addresses>,
    watchdog: Watchdog,
}

impl Kafka {
    /// The broker that the tests of this process share, so they must not stop it and must use their own topics and
    /// groups; `None`, with a message, without Java.
    ///
    /// # Panics
    /// When it does not start, or there is no Java and the environment requires it.
    #[must_use]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: LazyLock<Option<Kafka>> = LazyLock::new(|| Kafka::start(&Options::default()));
        find().inspect_err(|reason| skipped::print_once(reason)).ok()?;
        SHARED.as_ref()
    }

    /// Starts a cluster for one test; `None`, with a message, without Java.
    ///
    /// # Panics
    /// When it does not start, or there is no Java and the environment requires it.
    #[must_use]
    pub fn start(options: &Options) -> Option<Self> {
        let jars = match find() {
            Ok(jars) => jars,
            Err(reason) => {
                skipped::print_once(&reason);
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

    /// Shuts a broker down cleanly: it moves its leaders first.
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

    /// Suspends a broker with SIGSTOP: its connections stay open, and it does not respond.
    ///
    /// # Panics
    /// When it is not running.
    pub fn pause_broker(&self, id: i32) {
        self.node(id, |node| node.signal("STOP"));
    }

    /// Resumes a suspended broker.
    ///
    /// # Panics
    /// When it is not running.
    pub fn resume_broker(&self, id: i32) {
        self.node(id, |node| node.signal("CONT"));
    }

    /// The log of a broker, with warnings and errors only.
    #[must_use]
    pub fn log(&self, id: i32) -> String {
        self.node(id, |node| node.log())
    }

    fn address(&self, id: i32, listener: &str) -> String {
        let addresses = &self.addresses[id as usize - 1];
        let found = addresses.iter().find(|(name, _)| *name == listener);
        found.unwrap_or_else(|| panic!("no listener {listener:?}; there are {addresses:?}")).1.clone()
    }

    /// Waits until a broker knows itself and at least this number of brokers.
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
        nodes.iter_mut().for_each(Node::wait_for_end);
    }
}

fn client_config(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set_log_level(RDKafkaLogLevel::Emerg);
    // Tests restart brokers, so reconnect quickly.
    config.set("reconnect.backoff.max.ms", "1000");
    config
}

/// Kafka's jars, or why there are none.
fn find() -> Result<&'static Jars, String> {
    let required = env::var("TIDEGATE_REQUIRE_KAFKA").unwrap_or_default();
    if required == "0" {
        return Err("TIDEGATE_REQUIRE_KAFKA=0".to_owned());
    }
    Jars::get().inspect_err(|reason| assert!(required != "1", "TIDEGATE_REQUIRE_KAFKA=1, but {reason}"))
}
