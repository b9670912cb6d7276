//! The plan: which faults are injected, and when. The same seed gives the same plan.

use std::{
    env, fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fastrand::Rng;

use crate::scene::{FAULTY, HOSTS};

/// Time without faults at the beginning.
pub(crate) const WARM_UP: Duration = Duration::from_secs(10);

/// Duration of a cycle: first everything fails at the same time, then only sinks, then a single host is killed, for the
/// measurements.
const CYCLE: Duration = Duration::from_secs(120);
const ALL_FAULTS: Duration = Duration::from_secs(70);
const ONLY_SINK_FAULTS: Duration = Duration::from_secs(100);
const SINGLE_KILL: Duration = Duration::from_secs(104);

/// The target of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A host, by its number from 0. The first one is never killed, so that the growth of its memory can be measured.
    Host(usize),
    /// One of the brokers. Only one fails at a time, because two of three must acknowledge a record.
    Broker,
    /// The sink of a connector in one host.
    Sink(&'static str, usize),
    /// The files of a host: its connector files and its plugin library.
    Files(usize),
    /// The REST API of a host.
    Api(usize),
    /// The topics beside the stream.
    SideTopics,
    /// The database of the tables.
    Database,
}

/// The host that is killed while there are no other faults.
const SINGLE_KILL_TARGET: Target = Target::Host(1);

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A host starts late.
    LateStart,
    /// A host is killed.
    Kill,
    /// A host gets SIGTERM.
    Terminate,
    /// A host is suspended for less than its session timeout.
    ShortFreeze,
    /// A host is suspended for more than its session timeout.
    LongFreeze,
    /// Its connectors are restarted.
    Restart,
    /// Its plugins are reopened.
    Reopen,
    /// A broker is killed.
    BrokerKill(i32),
    /// A broker gets SIGTERM.
    BrokerStop(i32),
    /// A broker is suspended.
    BrokerFreeze(i32),
    /// An option of the sinks changes.
    ChangeSink,
    /// A setting changes for which tasks are restarted.
    ChangeBatch,
    /// Connector files are invalid.
    BreakFiles,
    /// Connector files are deleted.
    DeleteFiles,
    /// The plugin libraries are replaced twice.
    ReplaceLibrary,
    /// Connectors are paused and resumed over the REST API.
    ApiPause,
    /// Connectors are stopped and resumed over the REST API.
    ApiStop,
    /// Connectors are restarted over the REST API.
    ApiRestart,
    /// One task of each connector is restarted over the REST API.
    ApiRestartTask,
    /// The configuration is changed over the REST API, and changed back.
    ApiConfig,
    /// A topic is deleted and created again, longer than before.
    Recreate,
    /// The same, while its connector is paused.
    RecreatePaused,
    /// A transaction stays open, and is committed.
    Commit,
    /// A transaction stays open, and is aborted.
    Abort,
    /// PostgreSQL is killed.
    DatabaseKill,
    /// PostgreSQL is shut down.
    DatabaseStop,
    /// PostgreSQL is suspended.
    DatabaseFreeze,
    /// The standby misses commits, and replaces the primary, which is killed.
    DatabaseFailover,
    /// Half of the calls fail with a retriable error.
    Retriable,
    /// Half of the writes succeed but return a retriable error.
    LostAnswers,
    /// Writes with records of one partition fail with a retriable error.
    StuckPartition,
    /// One in seven good records is rejected by name.
    Rejections,
    /// One in seven good records is rejected without a name.
    UnnamedRejections,
    /// Calls are half a second slower.
    SlowCalls,
    /// Calls hang for longer than the host waits.
    Hang,
}

/// Settings of a connector with faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectorSettings {
    pub(crate) connector: &'static str,
    /// Number of tasks per host.
    pub(crate) tasks: usize,
    /// `thread` or `process`.
    pub(crate) isolation: &'static str,
    pub(crate) group_protocol: &'static str,
    /// Whether the members of the group are static.
    pub(crate) is_static: bool,
}

impl ConnectorSettings {
    fn draw(rng: &mut Rng, connector: &'static str) -> Self {
        let mut pick = |choices: &[&'static str]| choices[rng.usize(..choices.len())];
        let isolation = pick(&["thread", "process"]);
        let protocol =
            pick(&["cooperative-sticky", "cooperative-sticky static", "range", "roundrobin", "consumer"]);
        let group_protocol = protocol.split(' ').next().unwrap_or(protocol);
        Self {
            connector,
            tasks: rng.usize(1..=3),
            isolation,
            group_protocol,
            is_static: protocol.ends_with("static"),
        }
    }
}

impl fmt::Display for ConnectorSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connector, tasks, isolation, group_protocol, is_static } = self;
        let members = if *is_static { "static" } else { "dynamic" };
        write!(
            out,
            "`{connector}`: {tasks} tasks in each host, isolation {isolation}, group protocol {group_protocol}, {members} members"
        )
    }
}

/// A fault with its start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Episode {
    /// Start, from the beginning of the test.
    pub(crate) from: Duration,
    /// End, from the beginning of the test.
    pub(crate) to: Duration,
    pub(crate) fault: Fault,
}

/// The faults of one target, which never overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Track {
    pub(crate) target: Target,
    pub(crate) episodes: Vec<Episode>,
}

/// A whole plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    pub(crate) connectors: Vec<ConnectorSettings>,
    pub(crate) tracks: Vec<Track>,
}

impl Plan {
    /// A plan with the seed in `TIDEGATE_CHAOS_SEED`, by default a random one, and the duration in
    /// `TIDEGATE_CHAOS_MINUTES`, by default one.
    pub(crate) fn from_environment() -> Self {
        let number = |name: &str| {
            let text = env::var(name).ok().filter(|text| !text.is_empty())?;
            Some(text.parse::<f64>().unwrap_or_else(|_| panic!("{name} is no number: {text:?}")))
        };
        let seed = number("TIDEGATE_CHAOS_SEED").map(|seed| seed as u64);
        let minutes = number("TIDEGATE_CHAOS_MINUTES").unwrap_or(1.0);
        Self::new(seed.unwrap_or_else(new_seed), Duration::from_secs_f64(minutes * 60.0))
    }

    pub(crate) fn new(seed: u64, length: Duration) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut tracks: Vec<Track> =
            (0..HOSTS).map(|host| track(&mut rng, length, Target::Host(host))).collect();
        tracks.push(track(&mut rng, length, Target::Broker));
        for connector in FAULTY {
            tracks.extend((0..HOSTS).map(|host| track(&mut rng, length, Target::Sink(connector, host))));
        }
        for target in [Target::Files, Target::Api] {
            tracks.extend((0..HOSTS).map(|host| track(&mut rng, length, target(host))));
        }
        tracks.push(track(&mut rng, length, Target::SideTopics));
        let database = track(&mut Rng::with_seed(seed), length, Target::Database);
        tracks.push(database);
        let connectors =
            FAULTY.into_iter().map(|connector| ConnectorSettings::draw(&mut rng, connector)).collect();
        Self { seed, length, connectors, tracks }
    }
}

/// A random seed that is short enough to be typed.
fn new_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u64 % 1_000_000
}

fn track(rng: &mut Rng, length: Duration, target: Target) -> Track {
    let mut episodes = Vec::new();
    let mut from = WARM_UP;
    if target == Target::Host(HOSTS - 1) {
        let to = WARM_UP + seconds(rng, 1.0..4.0);
        episodes.push(Episode { from: Duration::ZERO, to, fault: Fault::LateStart });
        from = to;
    }
    let mut deck = Vec::new();
    loop {
        from += pause(rng, target);
        // Each fault is used once before any is used again.
        if deck.is_empty() {
            deck = faults(rng, target);
            rng.shuffle(&mut deck);
        }
        let Some(fault) = deck.pop() else { break };
        let lasts = duration(rng, fault);
        let (cycle, within) = cycle(from);
        let end = if matches!(target, Target::Sink(..)) { ONLY_SINK_FAULTS } else { ALL_FAULTS };
        let mut episode = Episode { from, to: from + lasts, fault };
        if within + lasts > end {
            episode = Episode { from: cycle + CYCLE, to: cycle + CYCLE + lasts, fault };
            if target == SINGLE_KILL_TARGET {
                let from = cycle + SINGLE_KILL;
                episodes.push(Episode { from, to: from + Duration::from_secs(8), fault: Fault::Kill });
            }
        }
        if episode.to > length {
            break;
        }
        episodes.push(episode);
        from = episode.to;
    }
    episodes.retain(|episode| episode.to <= length);
    Track { target, episodes }
}

/// The start of the cycle at this time, and the time since then.
fn cycle(time: Duration) -> (Duration, Duration) {
    let since = time.saturating_sub(WARM_UP);
    let within = Duration::from_nanos((since.as_nanos() % CYCLE.as_nanos()) as u64);
    (WARM_UP + since - within, within)
}

fn faults(rng: &mut Rng, target: Target) -> Vec<Fault> {
    match target {
        Target::Host(0) => vec![Fault::ShortFreeze, Fault::LongFreeze, Fault::Reopen],
        Target::Host(1) => {
            vec![
                Fault::Kill,
                Fault::Kill,
                Fault::Terminate,
                Fault::ShortFreeze,
                Fault::LongFreeze,
                Fault::Restart,
            ]
        }
        Target::Host(_) => {
            vec![Fault::Terminate, Fault::Terminate, Fault::Kill, Fault::LongFreeze, Fault::Reopen]
        }
        Target::Files(_) => {
            vec![
                Fault::ChangeSink,
                Fault::ChangeBatch,
                Fault::BreakFiles,
                Fault::DeleteFiles,
                Fault::ReplaceLibrary,
            ]
        }
        Target::Api(_) => {
            vec![
                Fault::ApiPause,
                Fault::ApiStop,
                Fault::ApiRestart,
                Fault::ApiRestartTask,
                Fault::ApiRestartTask,
                Fault::ApiConfig,
            ]
        }
        Target::Database => {
            vec![
                Fault::DatabaseKill,
                Fault::DatabaseStop,
                Fault::DatabaseFreeze,
                Fault::DatabaseFailover,
                Fault::DatabaseFailover,
            ]
        }
        Target::SideTopics => vec![Fault::Recreate, Fault::RecreatePaused, Fault::Commit, Fault::Abort],
        Target::Broker => {
            let mut brokers = [1, 2, 3];
            rng.shuffle(&mut brokers);
            let [first, second, third] = brokers;
            vec![Fault::BrokerKill(first), Fault::BrokerStop(second), Fault::BrokerFreeze(third)]
        }
        Target::Sink(_, host) => {
            let mut faults = vec![
                Fault::Retriable,
                Fault::LostAnswers,
                Fault::StuckPartition,
                Fault::Rejections,
                Fault::UnnamedRejections,
                Fault::SlowCalls,
            ];
            // A hanging call is abandoned with its memory, and a connector fails for good after three abandoned calls.
            if host > 0 {
                faults.push(Fault::Hang);
            }
            faults
        }
    }
}

/// Time without faults before the next fault of a target.
fn pause(rng: &mut Rng, target: Target) -> Duration {
    match target {
        Target::Host(0) => seconds(rng, 8.0..20.0),
        Target::Host(_) => seconds(rng, 4.0..12.0),
        Target::Broker | Target::Database => seconds(rng, 5.0..15.0),
        Target::Sink(..) => seconds(rng, 3.0..15.0),
        Target::Files(_) => seconds(rng, 2.0..8.0),
        Target::Api(_) | Target::SideTopics => seconds(rng, 3.0..10.0),
    }
}

fn duration(rng: &mut Rng, fault: Fault) -> Duration {
    match fault {
        Fault::LateStart | Fault::Restart | Fault::Reopen => seconds(rng, 0.5..1.0),
        Fault::ApiRestart | Fault::ApiRestartTask => seconds(rng, 0.5..1.0),
        Fault::ApiPause | Fault::ApiStop => seconds(rng, 1.0..5.0),
        Fault::Kill | Fault::Terminate => seconds(rng, 1.0..10.0),
        Fault::ShortFreeze => seconds(rng, 0.5..4.0),
        Fault::LongFreeze => seconds(rng, 8.0..14.0),
        Fault::BrokerKill(_) | Fault::BrokerStop(_) => seconds(rng, 2.0..8.0),
        Fault::BrokerFreeze(_) | Fault::DatabaseFreeze => seconds(rng, 1.0..10.0),
        Fault::Hang => seconds(rng, 5.0..9.0),
        _ => seconds(rng, 2.0..8.0),
    }
}

fn seconds(rng: &mut Rng, range: std::ops::Range<f64>) -> Duration {
    Duration::from_secs_f64(range.start + rng.f64() * (range.end - range.start))
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::LateStart => "host added",
            Self::Kill => "host killed (SIGKILL) and restarted",
            Self::Terminate => "host stopped (SIGTERM) and restarted",
            Self::ShortFreeze => "host frozen (SIGSTOP) for less than its session timeout",
            Self::LongFreeze => "host frozen (SIGSTOP) for longer than its session timeout",
            Self::Restart => "connectors restarted",
            Self::Reopen => "plugins reopened",
            Self::BrokerKill(_) => "broker killed (SIGKILL) and restarted",
            Self::BrokerStop(_) => "broker stopped (SIGTERM) and restarted",
            Self::BrokerFreeze(_) => "broker frozen (SIGSTOP)",
            Self::ChangeSink => "connector files: an option of the sink changed and changed back",
            Self::ChangeBatch => "connector files: a batch limit added and removed",
            Self::BreakFiles => "connector files invalid, then repaired",
            Self::DeleteFiles => "connector files deleted and added again",
            Self::ReplaceLibrary => "plugin libraries replaced twice",
            Self::ApiPause => "REST API: connectors paused and resumed",
            Self::ApiStop => "REST API: connectors stopped and resumed",
            Self::ApiRestart => "REST API: connectors restarted",
            Self::ApiRestartTask => "REST API: one task of each connector restarted",
            Self::ApiConfig => "REST API: configuration changed and changed back",
            Self::Recreate => "topic deleted and created again, longer than before",
            Self::RecreatePaused => "the same while its connector is paused",
            Self::Commit => "transaction open, then committed",
            Self::Abort => "transaction open, then aborted",
            Self::DatabaseKill => "database killed (SIGKILL) and restarted",
            Self::DatabaseStop => "database stopped (SIGINT) and restarted",
            Self::DatabaseFreeze => "database frozen (SIGSTOP)",
            Self::DatabaseFailover => {
                "database killed, failover to a standby that had missed commits for that time"
            }
            Self::Retriable => "sink: every other call fails, retriable",
            Self::LostAnswers => "sink: every other write succeeds but returns an error",
            Self::StuckPartition => "sink: writes with records of one partition fail, retriable",
            Self::Rejections => "sink: one valid record in seven is rejected",
            Self::UnnamedRejections => "sink: the same, without naming the record",
            Self::SlowCalls => "sink: calls take an additional 0.5 s",
            Self::Hang => "sink: a call does not return",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(600);

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        assert_eq!(Plan::new(7, LENGTH), Plan::new(7, LENGTH));
        assert_ne!(Plan::new(7, LENGTH).tracks, Plan::new(8, LENGTH).tracks);
    }

    #[test]
    fn episodes_of_a_target_do_not_overlap_and_end_in_time() {
        for seed in 0..50 {
            for track in Plan::new(seed, LENGTH).tracks {
                let ends =
                    [Duration::ZERO].into_iter().chain(track.episodes.iter().map(|episode| episode.to));
                for (before, episode) in ends.zip(&track.episodes) {
                    assert!(before <= episode.from && episode.from < episode.to && episode.to <= LENGTH);
                }
            }
        }
    }
}
