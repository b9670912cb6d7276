//! Measurements for the report: takeovers, memory of the hosts, throughput of the connector without faults.

use std::collections::BTreeMap;

use tidegate_tests::Entry;

use crate::{
    executor::InjectedFault,
    plan::{Fault, Target},
};

/// How long faults of hosts and brokers affect others after their end, in milliseconds.
const RECOVERY_MS: i64 = 10_000;

/// How long a killed host's partitions were not read, for the connector without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Takeover {
    pub(crate) milliseconds: i64,
    /// No other fault of hosts and brokers was active shortly before and during the takeover.
    pub(crate) is_undisturbed: bool,
}

/// The takeovers after kills of a host that had partitions of the connector without faults, whose rows these are.
pub(crate) fn takeovers(
    kills: &[(i64, Vec<u32>)],
    rows: &[Entry],
    injected: &[InjectedFault],
) -> Vec<Takeover> {
    kills.iter().filter_map(|(time, pids)| takeover(*time, pids, rows, injected)).collect()
}

fn takeover(killed: i64, pids: &[u32], rows: &[Entry], injected: &[InjectedFault]) -> Option<Takeover> {
    let mut last: BTreeMap<i32, &Entry> = BTreeMap::new();
    let mut next: BTreeMap<i32, &Entry> = BTreeMap::new();
    for row in rows {
        if row.time_ms <= killed || pids.contains(&row.pid) {
            last.insert(row.partition, row);
        } else {
            next.entry(row.partition).or_insert(row);
        }
    }
    let orphaned =
        last.iter().filter(|(_, row)| pids.contains(&row.pid) && killed - row.time_ms < RECOVERY_MS / 2);
    let milliseconds = orphaned.filter_map(|(at, _)| Some(next.get(at)?.time_ms - killed)).max()?;
    let until = killed + milliseconds;
    let others = injected.iter().filter(|injected| !matches!(injected.target, Target::Sink(..)));
    let is_undisturbed = others
        .filter(|injected| injected.to_ms + RECOVERY_MS > killed && injected.from_ms < until)
        .all(|injected| injected.fault == Fault::Kill && (injected.from_ms - killed).abs() < 1000);
    Some(Takeover { milliseconds, is_undisturbed })
}

/// Records per second of the connector without faults.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Throughput {
    /// While there were no faults.
    pub(crate) without_faults: f64,
    /// While only other sinks had faults.
    pub(crate) with_sink_faults: f64,
}

/// The throughput between two times.
pub(crate) fn throughput(rows: &[Entry], injected: &[InjectedFault], from_ms: i64, to_ms: i64) -> Throughput {
    let mut seconds: BTreeMap<i64, u64> =
        (from_ms / 1000 + 1..to_ms / 1000).map(|second| (second, 0)).collect();
    for row in rows {
        if let Some(count) = seconds.get_mut(&(row.time_ms / 1000)) {
            *count += 1;
        }
    }
    let touches = |second: i64, injected: &InjectedFault, after: i64| {
        injected.from_ms < (second + 1) * 1000 && second * 1000 < injected.to_ms + after
    };
    let (mut undisturbed, mut beside_faulty) = (Vec::new(), Vec::new());
    for (second, count) in seconds {
        let is_sink = |injected: &&InjectedFault| matches!(injected.target, Target::Sink(..));
        let others = injected
            .iter()
            .filter(|injected| !is_sink(injected))
            .any(|injected| touches(second, injected, RECOVERY_MS));
        let sinks = injected.iter().filter(is_sink).any(|injected| touches(second, injected, 0));
        match (others, sinks) {
            (true, _) => {}
            (false, true) => beside_faulty.push(count),
            (false, false) => undisturbed.push(count),
        }
    }
    let mean = |counts: &[u64]| counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    Throughput { without_faults: mean(&undisturbed), with_sink_faults: mean(&beside_faulty) }
}

/// Memory of a process at the beginning and at the end, in kilobytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// Growth of memory: the medians of the second and the last fifth of the samples.
pub(crate) fn growth(memory: &[u64]) -> Option<Growth> {
    let fifth = memory.len() / 5;
    let middle = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).copied()
    };
    Some(Growth {
        first: middle(memory.get(fifth..2 * fifth)?)?,
        last: middle(memory.get(memory.len() - fifth..)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(partition: i32, pid: u32, time_ms: i64) -> Entry {
        let topic = "t".to_owned();
        Entry { number: 0, topic, partition, offset: 0, key: None, value: None, pid, time_ms }
    }

    fn injected(target: Target, fault: Fault, from_ms: i64, to_ms: i64) -> InjectedFault {
        InjectedFault { target, fault, from_ms, to_ms }
    }

    #[test]
    fn a_takeover_lasts_until_the_last_partition_moves() {
        let rows = [row(0, 1, 99_900), row(1, 1, 99_800), row(2, 2, 99_900), row(2, 2, 100_100)];
        let rows = [&rows[..], &[row(1, 2, 104_000), row(0, 2, 106_500), row(0, 2, 107_000)]].concat();
        let kill = injected(Target::Host(1), Fault::Kill, 100_000, 103_000);
        let found = takeovers(&[(100_000, vec![1])], &rows, &[kill]);
        assert_eq!(found, [Takeover { milliseconds: 6500, is_undisturbed: true }]);
        let broker = injected(Target::Broker, Fault::BrokerKill(1), 105_000, 110_000);
        assert!(!takeovers(&[(100_000, vec![1])], &rows, &[kill, broker])[0].is_undisturbed);
        assert!(takeovers(&[(100_000, vec![3])], &rows, &[kill]).is_empty());
    }

    #[test]
    fn throughput_is_measured_with_and_without_faults_elsewhere() {
        let rows: Vec<Entry> = (0..4000).map(|number| row(0, 1, number * 10)).collect();
        let slow = injected(Target::Sink("append", 0), Fault::SlowCalls, 10_000, 20_000);
        let kill = injected(Target::Host(1), Fault::Kill, 25_000, 26_000);
        let found = throughput(&rows[..1200], &[slow, kill], 0, 40_000);
        // Nine of 18 seconds without faults, and two of ten with the slow sink.
        assert_eq!(found, Throughput { without_faults: 50.0, with_sink_faults: 20.0 });
    }
}
