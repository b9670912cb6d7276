//! What the faults meet: a cluster of three brokers, three hosts with the same connectors, and what these write into.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tidegate_tests::{
    Home, Ledger,
    kafka::{Kafka, Options},
};

use crate::{
    host::Host,
    plan::{Plan, Way},
};

/// Hosts in the group.
pub(crate) const HOSTS: usize = 3;
/// The topic.
pub(crate) const TOPIC: &str = "stream";
/// Its partitions.
pub(crate) const PARTITIONS: i32 = 6;
/// Partitions of each topic of dead letters.
pub(crate) const LETTER_PARTITIONS: i32 = 2;
/// How long a host that says nothing is waited for by its group, in seconds.
pub(crate) const SESSION: u64 = 6;
/// Connectors whose sinks have faults: one that writes at least once, and one that writes exactly once.
pub(crate) const SICK: [&str; 2] = ["append", EXACT];
/// The one that writes exactly once.
pub(crate) const EXACT: &str = "exact";
/// A connector beside them whose sink has no faults, and which takes every record as it is.
pub(crate) const NEIGHBOUR: &str = "neighbour";
/// All connectors.
pub(crate) const CONNECTORS: [&str; 3] = [SICK[0], SICK[1], NEIGHBOUR];

/// Short waits, so that much happens.
const LIMITS: &str = "[errors.retry]\ninitial = \"50ms\"\nmax = \"500ms\"\n\
                      [restart]\ninitial = \"100ms\"\nmax = \"1s\"\nmax_restarts = 1000\n\
                      [limits]\ncall_timeout = \"2s\"\nshutdown = \"5s\"\n";

/// Everything that runs.
pub(crate) struct Scene {
    pub(crate) kafka: Kafka,
    hosts: Vec<Mutex<Host>>,
    folders: Vec<PathBuf>,
    /// The ledgers, which all hosts share.
    shared: Home,
}

impl Scene {
    /// Starts the cluster, and all hosts but the last; none, and said so, where there is no Java.
    pub(crate) fn start(plan: &Plan, logs: &Path) -> Option<Self> {
        let kafka = Kafka::start(&Options { brokers: 3, ..Options::default() })?;
        kafka.create_topic(TOPIC, PARTITIONS, 3);
        for connector in SICK {
            kafka.create_topic(&dead_letters(connector), LETTER_PARTITIONS, 3);
        }
        let shared = Home::new(&[]);
        let mut folders = Vec::new();
        let hosts = (0..HOSTS).map(|number| {
            let home = Home::new(&["ledger"]);
            folders.push(home.path(""));
            for way in &plan.ways {
                home.connector(way.connector, &sick(way, number, &ledger_path(&shared, way.connector)));
            }
            home.connector(NEIGHBOUR, &neighbour(&ledger_path(&shared, NEIGHBOUR)));
            Mutex::new(Host::new(number, home, kafka.servers(), logs.to_owned()))
        });
        let hosts = hosts.collect();
        let scene = Self { hosts, folders, kafka, shared };
        (0..HOSTS - 1).for_each(|number| scene.host(number).start());
        Some(scene)
    }

    /// A host, for one caller at a time.
    pub(crate) fn host(&self, number: usize) -> MutexGuard<'_, Host> {
        self.hosts[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file that says what goes wrong in a connector's sink in a host.
    pub(crate) fn fault_file(&self, connector: &str, number: usize) -> PathBuf {
        self.folders[number].join(format!("{connector}.faults"))
    }

    /// What a connector has written.
    pub(crate) fn ledger(&self, connector: &str) -> Ledger {
        Ledger::of(ledger_path(&self.shared, connector))
    }
}

/// The group of a connector.
pub(crate) fn group(connector: &str) -> String {
    format!("connect-{connector}")
}

/// The topic of a connector's dead letters.
pub(crate) fn dead_letters(connector: &str) -> String {
    format!("{connector}.dead")
}

fn ledger_path(shared: &Home, connector: &str) -> PathBuf {
    shared.path(&format!("{connector}.db"))
}

fn sick(way: &Way, host: usize, ledger: &Path) -> String {
    let Way { connector, tasks, isolation, group_protocol, is_static } = way;
    let plugin = if *connector == EXACT { "ledger-exact" } else { "ledger-append" };
    let instance = if *is_static { format!("group_instance_id = \"host-{host}\"\n") } else { String::new() };
    // Where the broker assigns, it also says how long a session lasts.
    let session = if *group_protocol == "consumer" { String::new() } else { session() };
    format!(
        "tasks = {tasks}\nisolation = \"{isolation}\"\n[source]\ntopics = [\"{TOPIC}\"]\nkey_format = \"string\"\n\
         group_protocol = \"{group_protocol}\"\n{instance}{session}[sink]\nplugin = \"{plugin}\"\n[sink.config]\n\
         path = \"{}\"\nfail_file = \"@{connector}.faults\"\nreject_bad = true\n\
         [errors]\ntolerance = \"all\"\ndead_letter_topic = \"{}\"\nmax_rejected = 1000000\n{LIMITS}",
        ledger.display(),
        dead_letters(connector)
    )
}

fn neighbour(ledger: &Path) -> String {
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
