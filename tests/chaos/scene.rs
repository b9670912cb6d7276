//! What the faults meet: a cluster of three brokers, three hosts with the same connectors, and what these write into.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tidegate_tests::{
    Home, Ledger,
    kafka::{Kafka, Options},
};

use crate::host::Host;

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
/// Connectors whose sinks have faults: one that writes at least once, in a process of its own, and one that writes exactly
/// once.
pub(crate) const SICK: [&str; 2] = [APPEND, EXACT];
/// The one that writes at least once.
pub(crate) const APPEND: &str = "append";
/// The one that writes exactly once.
pub(crate) const EXACT: &str = "exact";
/// A connector beside them whose sink has no faults, and which takes every record as it is.
pub(crate) const NEIGHBOUR: &str = "neighbour";
/// All connectors.
pub(crate) const CONNECTORS: [&str; 3] = [APPEND, EXACT, NEIGHBOUR];

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
    pub(crate) fn start(logs: &Path) -> Option<Self> {
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
            for connector in CONNECTORS {
                home.connector(connector, &definition(connector, &ledger_path(&shared, connector)));
            }
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

fn definition(connector: &str, ledger: &Path) -> String {
    let is_sick = SICK.contains(&connector);
    let (plugin, tasks, isolation) = match connector {
        APPEND => ("ledger-append", 2, "process"),
        EXACT => ("ledger-exact", 1, "thread"),
        _ => ("ledger-append", 2, "thread"),
    };
    let format = if is_sick { "json" } else { "bytes" };
    let faults = format!("fail_file = \"@{connector}.faults\"\nreject_bad = true\n");
    let errors = format!(
        "[errors]\ntolerance = \"all\"\ndead_letter_topic = \"{}\"\nmax_rejected = 1000000\n",
        dead_letters(connector)
    );
    let (faults, errors) = if is_sick { (faults, errors) } else { (String::new(), String::new()) };
    format!(
        "tasks = {tasks}\nisolation = \"{isolation}\"\n[source]\ntopics = [\"{TOPIC}\"]\nkey_format = \"string\"\nvalue_format = \"{format}\"\n\
         [source.properties]\n\"session.timeout.ms\" = {}\n\"heartbeat.interval.ms\" = 1000\n\
         [sink]\nplugin = \"{plugin}\"\n[sink.config]\npath = \"{}\"\n{faults}{errors}\
         [errors.retry]\ninitial = \"50ms\"\nmax = \"500ms\"\n\
         [restart]\ninitial = \"100ms\"\nmax = \"1s\"\nmax_restarts = 1000\n\
         [limits]\ncall_timeout = \"2s\"\nshutdown = \"5s\"\n",
        SESSION * 1000,
        ledger.display()
    )
}
