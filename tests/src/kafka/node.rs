//! A broker: its files and its process.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{Options, PLAIN, jars::Jars};
use crate::{ports::address, wait_for, watchdog::Watchdog};

const CLUSTER: &str = "dGlkZWdhdGUtdGVzdHMtMQ";

/// `host:port` of every listener of a broker, by its name.
pub(super) type Addresses = Vec<(&'static str, String)>;

/// A broker, running or not.
#[derive(Debug)]
pub(super) struct Node {
    id: i32,
    folder: PathBuf,
    java: Vec<String>,
    process: Option<Child>,
}

/// Writes the configuration of a cluster into `folder`; returns the brokers and the addresses of their listeners.
pub(super) fn configure(folder: &Path, options: &Options) -> (Vec<Node>, Vec<Addresses>) {
    let ids = || 1..=options.brokers;
    let controllers: Vec<String> = ids().map(|_| address()).collect();
    let voters: Vec<String> =
        ids().zip(&controllers).map(|(id, address)| format!("{id}@{address}")).collect();
    let names = || [PLAIN].into_iter().chain(options.listeners.iter().map(|listener| listener.name));
    let addresses: Vec<Addresses> = ids().map(|_| names().map(|name| (name, address())).collect()).collect();
    let nodes = ids().zip(&controllers).zip(&addresses).map(|((id, controller), own)| {
        let node =
            Node { id, folder: folder.join(id.to_string()), java: options.java.clone(), process: None };
        fs::create_dir(&node.folder).expect("a new folder");
        let text = properties(&node, options, &voters.join(","), controller, own);
        fs::write(node.properties(), text).expect("a new file");
        node
    });
    (nodes.collect(), addresses)
}

/// Formats the data folders. Kafka's tool runs only once, because the folders differ only in the node id.
pub(super) fn format(jars: &Jars, nodes: &[Node], users: &[(String, String)]) {
    let first = &nodes[0];
    let mut tool = jars.command(["-Xmx64m"], "kafka.tools.StorageTool");
    tool.args(["format", "--cluster-id", CLUSTER, "--config"]).arg(first.properties());
    for (user, password) in users {
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            tool.args(["--add-scram", &format!("{mechanism}=[name={user},password={password}]")]);
        }
    }
    let output = tool.output().expect("Java starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for node in &nodes[1..] {
        fs::create_dir(node.data()).expect("a new folder");
        let checkpoint = "bootstrap.checkpoint";
        fs::copy(first.data().join(checkpoint), node.data().join(checkpoint)).expect("a copy");
        let meta = format!("version=1\ncluster.id={CLUSTER}\nnode.id={}\n", node.id);
        fs::write(node.data().join("meta.properties"), meta).expect("a new file");
    }
}

impl Node {
    /// Starts it, without waiting until it is ready.
    pub(super) fn start(&mut self, jars: &Jars, watchdog: &Watchdog) {
        assert!(!self.is_running(), "broker {} runs already", self.id);
        let log =
            File::options().append(true).create(true).open(self.folder.join("log")).expect("a log file");
        let options = ["-Xmx320m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];
        let options = options.into_iter().chain(self.java.iter().map(String::as_str));
        let mut java = jars.command(options, "kafka.Kafka");
        java.arg(self.properties()).stdout(log.try_clone().expect("a log file")).stderr(log);
        let child = java.spawn().expect("Java starts");
        watchdog.watch(child.id());
        self.process = Some(child);
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|child| child.try_wait().expect("a child of ours").is_none())
    }

    /// Kills it.
    pub(super) fn kill(&mut self, watchdog: &Watchdog) {
        self.signal("KILL");
        self.reap(watchdog);
    }

    /// Sends SIGTERM, and waits for its end.
    pub(super) fn stop(&mut self, watchdog: &Watchdog) {
        self.signal("TERM");
        self.reap(watchdog);
    }

    /// Sends a signal, such as `STOP`.
    pub(super) fn signal(&mut self, name: &str) {
        assert!(self.is_running(), "broker {} does not run:\n{}", self.id, self.log());
        let pid = self.process.as_ref().map_or(0, Child::id);
        // `kill` is a shell builtin, so no other tool is needed.
        let status =
            Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).stdin(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "signal {name} for broker {}", self.id);
    }

    /// What it has logged.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Reaps the process after the watchdog has killed it.
    pub(super) fn wait_for_end(&mut self) {
        let _reaped = self.process.take().is_some_and(|mut child| child.wait().is_ok());
    }

    fn reap(&mut self, watchdog: &Watchdog) {
        let mut child = self.process.take().expect("a process that runs");
        let ended = wait_for(|| child.try_wait().expect("a child of ours"));
        watchdog.forget(child.id());
        ended.unwrap_or_else(|reason| panic!("the end of broker {}: {reason}\n{}", self.id, self.log()));
    }

    fn properties(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

/// A small broker with short timeouts and all group protocols.
fn properties(node: &Node, options: &Options, voters: &str, controller: &str, own: &Addresses) -> String {
    let replicas = options.brokers.to_string();
    let in_sync = if options.brokers == 1 { "1" } else { "2" };
    let listeners: Vec<String> = own.iter().map(|(name, address)| format!("{name}://{address}")).collect();
    let advertised = |name: &str| {
        let listener = options.listeners.iter().find(|listener| listener.name == name);
        listener.and_then(|listener| listener.advertised.clone())
    };
    let advertised: Vec<String> = own
        .iter()
        .map(|(name, address)| format!("{name}://{}", advertised(name).unwrap_or_else(|| address.clone())))
        .collect();
    let protocols =
        options.listeners.iter().map(|listener| format!(",{}:{}", listener.name, listener.protocol));
    let lines = [
        ("process.roles", "broker,controller"),
        ("node.id", &node.id.to_string()),
        ("controller.quorum.voters", voters),
        ("controller.listener.names", "CONTROLLER"),
        ("listeners", &format!("{},CONTROLLER://{controller}", listeners.join(","))),
        ("advertised.listeners", &advertised.join(",")),
        (
            "listener.security.protocol.map",
            &format!("{PLAIN}:{PLAIN},CONTROLLER:{PLAIN}{}", protocols.collect::<String>()),
        ),
        ("log.dirs", &node.data().display().to_string()),
        ("auto.create.topics.enable", "false"),
        ("auto.leader.rebalance.enable", "false"),
        ("default.replication.factor", &replicas),
        ("min.insync.replicas", in_sync),
        ("offsets.topic.replication.factor", &replicas),
        ("offsets.topic.num.partitions", "4"),
        ("transaction.state.log.replication.factor", &replicas),
        ("transaction.state.log.num.partitions", "4"),
        ("transaction.state.log.min.isr", in_sync),
        ("share.coordinator.state.topic.replication.factor", &replicas),
        ("share.coordinator.state.topic.min.isr", in_sync),
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.min.session.timeout.ms", "1000"),
        ("group.consumer.min.session.timeout.ms", "1000"),
        ("group.consumer.session.timeout.ms", "6000"),
        ("group.consumer.min.heartbeat.interval.ms", "200"),
        ("group.consumer.heartbeat.interval.ms", "500"),
        ("broker.heartbeat.interval.ms", "500"),
        ("broker.session.timeout.ms", "3000"),
        ("num.network.threads", "2"),
        ("num.io.threads", "4"),
        ("background.threads", "2"),
        ("log.cleaner.dedupe.buffer.size", "2097152"),
        ("log.cleaner.backoff.ms", "500"),
        ("log.index.size.max.bytes", "1048576"),
        // Tests restart brokers and check deleted topics.
        ("log.segment.delete.delay.ms", "1000"),
    ];
    let own = lines.into_iter().map(|(name, value)| (name, value.to_owned()));
    let more = options.properties.iter().map(|(name, value)| (name.as_str(), value.clone()));
    own.chain(more).map(|(name, value)| format!("{name}={value}\n")).collect()
}
