//! The system under test: three brokers, three hosts with the same connectors, and the ledgers that these write to.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tidegate_tests::{
    Home, Ledger,
    kafka::{Kafka, Options},
};

use crate::{
    host::Host,
    plan::{ConnectorSettings, Plan},
    side_topics::{self, SIDE_TOPICS, SideTopics},
    tables::{self, Tables},
};

/// Number of hosts.
pub(crate) const HOSTS: usize = 3;
/// The topic.
pub(crate) const TOPIC: &str = "stream";
/// Number of its partitions.
pub(crate) const PARTITIONS: i32 = 6;
/// Number of partitions of each dead-letter topic.
pub(crate) const DEAD_LETTER_PARTITIONS: i32 = 2;
/// The session timeout in seconds.
pub(crate) const SESSION: u64 = 6;
/// Connectors whose sinks have faults: one with at-least-once and one with exactly-once delivery.
pub(crate) const FAULTY: [&str; 2] = ["append", EXACT];
/// The connector with exactly-once delivery.
pub(crate) const EXACT: &str = "exact";
/// A connector whose sink has no faults and accepts every record.
pub(crate) const HEALTHY: &str = "healthy";
/// All connectors.
pub(crate) const CONNECTORS: [&str; 3] = [FAULTY[0], FAULTY[1], HEALTHY];

/// Short waits, so that many retries and restarts happen.
const LIMITS: &str = "[errors.retry]\ninitial = \"50ms\"\nmax = \"500ms\"\n\
                      [restart]\ninitial = \"100ms\"\nmax = \"1s\"\nmax_restarts = 1000\n\
                      [limits]\ncall_timeout = \"2s\"\nshutdown = \"5s\"\n";

/// A call waits longer than a database is frozen.
const LIMITS_OF_DATABASES: &str = "[errors.retry]\ninitial = \"50ms\"\nmax = \"500ms\"\n\
                                   [restart]\ninitial = \"100ms\"\nmax = \"1s\"\nmax_restarts = 1000\n\
                                   [limits]\nshutdown = \"5s\"\n";

/// The running system.
pub(crate) struct Scene {
    pub(crate) kafka: Kafka,
    hosts: Vec<Mutex<Host>>,
    folders: Vec<PathBuf>,
    /// The texts of connector files, by connector and host.
    texts: HashMap<(String, usize), String>,
    /// The ledgers, which all hosts share.
    shared: Home,
    pub(crate) side: SideTopics,
    /// Missing without PostgreSQL.
    pub(crate) tables: Option<Tables>,
}

impl Scene {
    /// Starts the cluster and all hosts but the last; `None`, with a message, without Java.
    pub(crate) fn start(plan: &Plan, logs: &Path) -> Option<Self> {
        let kafka = Kafka::start(&Options { brokers: 3, ..Options::default() })?;
        kafka.create_topic(TOPIC, PARTITIONS, 3);
        for connector in FAULTY {
            kafka.create_topic(&dead_letter_topic(connector), DEAD_LETTER_PARTITIONS, 3);
        }
        side_topics::create(&kafka);
        let tables = Tables::start(&kafka);
        let shared = Home::new(&[]);
        let (mut folders, mut texts) = (Vec::new(), HashMap::new());
        let hosts = (0..HOSTS).map(|number| {
            let home = if tables.is_some() {
                Home::new(&["ledger", tables::LIBRARY])
            } else {
                Home::new(&["ledger"])
            };
            folders.push(home.path(""));
            for settings in &plan.connectors {
                let text = beside_faulty(settings, number, &ledger_path(&shared, settings.connector));
                let file = home.connector(settings.connector, &text);
                let text = fs::read_to_string(file).expect("the file");
                texts.insert((settings.connector.to_owned(), number), text);
            }
            home.connector(HEALTHY, &healthy_connector(&ledger_path(&shared, HEALTHY)));
            for topic in SIDE_TOPICS {
                let ledger = ledger_path(&shared, topic).display().to_string();
                home.connector(topic, &side_topics::connector(topic, &ledger, &session(), LIMITS));
            }
            for (name, text) in
                tables.iter().flat_map(|tables| tables.connectors(&session(), LIMITS_OF_DATABASES))
            {
                home.connector(name, &text);
            }
            Mutex::new(Host::new(number, home, kafka.servers(), logs.to_owned()))
        });
        let hosts = hosts.collect();
        let scene = Self { hosts, folders, texts, kafka, shared, side: SideTopics::default(), tables };
        (0..HOSTS - 1).for_each(|number| scene.host(number).start());
        Some(scene)
    }

    /// Locks a host.
    pub(crate) fn host(&self, number: usize) -> MutexGuard<'_, Host> {
        self.hosts[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault file of a connector's sink in a host.
    pub(crate) fn fault_file(&self, connector: &str, number: usize) -> PathBuf {
        self.folders[number].join(format!("{connector}.faults"))
    }

    /// The control socket of a host, which serves its REST API.
    pub(crate) fn control_socket(&self, number: usize) -> PathBuf {
        self.folders[number].join("state/control.sock")
    }

    /// The file of a connector in a host.
    pub(crate) fn connector_file(&self, connector: &str, number: usize) -> PathBuf {
        self.folders[number].join(format!("connectors.d/{connector}.toml"))
    }

    /// The text of that file at the start.
    pub(crate) fn connector_text(&self, connector: &str, number: usize) -> String {
        self.texts[&(connector.to_owned(), number)].clone()
    }

    /// The ledger of a connector.
    pub(crate) fn ledger(&self, connector: &str) -> Ledger {
        Ledger::of(ledger_path(&self.shared, connector))
    }
}

/// The group of a connector.
pub(crate) fn group(connector: &str) -> String {
    format!("connect-{connector}")
}

/// The topic of a connector's dead letters.
pub(crate) fn dead_letter_topic(connector: &str) -> String {
    format!("{connector}.dead")
}

fn ledger_path(shared: &Home, connector: &str) -> PathBuf {
    shared.path(&format!("{connector}.db"))
}

fn beside_faulty(settings: &ConnectorSettings, host: usize, ledger: &Path) -> String {
    let ConnectorSettings { connector, tasks, isolation, group_protocol, is_static } = settings;
    let plugin = if *connector == EXACT { "ledger-exact" } else { "ledger-append" };
    let instance = if *is_static { format!("group_instance_id = \"host-{host}\"\n") } else { String::new() };
    // With the protocol `consumer`, the broker sets the session timeout.
    let session = if *group_protocol == "consumer" { String::new() } else { session() };
    format!(
        "tasks = {tasks}\nisolation = \"{isolation}\"\n[source]\ntopics = [\"{TOPIC}\"]\nkey_format = \"string\"\n\
         group_protocol = \"{group_protocol}\"\n{instance}{session}[sink]\nplugin = \"{plugin}\"\n[sink.config]\n\
         path = \"{}\"\nfail_file = \"@{connector}.faults\"\nreject_bad = true\n\
         [errors]\ntolerance = \"all\"\ndead_letter_topic = \"{}\"\nmax_rejected = 1000000\n{LIMITS}",
        ledger.display(),
        dead_letter_topic(connector)
    )
}

fn healthy_connector(ledger: &Path) -> String {
    format!(
        "tasks = 2\n[source]\ntopics = [\"{TOPIC}\"]\nkey_format = \"string\"\nvalue_format = \"bytes\"\n{}\
         [sink]\nplugin = \"ledger-append\"\n[sink.config]\npath = \"{}\"\n{LIMITS}",
        session(),
        ledger.display()
    )
}

fn session() -> String {
    let milliseconds = SESSION * 1000;
    format!(
        "[source.properties]\n\"session.timeout.ms\" = {milliseconds}\n\"heartbeat.interval.ms\" = 1000\n"
    )
}
