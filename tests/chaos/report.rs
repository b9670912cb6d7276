//! The report, in Markdown: the faults, and their outcome.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    director::Done,
    host::{Past, TELLING},
    measure::{Growth, Takeover, Throughput},
    oracle::{Broken, Verdict},
    plan::Plan,
    scene::SESSION,
};

/// The data of the report.
pub(crate) struct Report<'r> {
    pub(crate) plan: &'r Plan,
    pub(crate) done: &'r [Done],
    pub(crate) verdicts: &'r BTreeMap<&'static str, Verdict>,
    pub(crate) hosts: &'r [Past],
    pub(crate) takeovers: &'r [Takeover],
    pub(crate) throughput: Throughput,
    pub(crate) growth: Option<Growth>,
}

impl Report<'_> {
    /// The report's text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let minutes = self.plan.length.as_secs_f64() / 60.0;
        let _infallible = writeln!(text, "Seed {}, {minutes} minutes.\n", self.plan.seed);
        for way in &self.plan.ways {
            let _infallible = writeln!(text, "- {way}");
        }
        text.push('\n');
        self.injected(&mut text);
        self.records(&mut text);
        self.figures(&mut text);
        text
    }

    fn injected(&self, text: &mut String) {
        let mut deeds: BTreeMap<_, (String, u32, i64)> = BTreeMap::new();
        for done in self.done {
            let name = done.deed.to_string();
            // In the order of the enum, with brokers counted together.
            let order =
                self.done.iter().filter(|other| other.deed.to_string() == name).map(|other| other.deed).min();
            let (_, times, milliseconds) = deeds.entry(order).or_insert((name, 0, 0));
            *times += 1;
            *milliseconds += done.to_ms - done.from_ms;
        }
        text.push_str("| fault | count | total seconds |\n|---|---:|---:|\n");
        for (name, times, milliseconds) in deeds.values() {
            let _infallible = writeln!(text, "| {name} | {times} | {} |", milliseconds / 1000);
        }
    }

    fn records(&self, text: &mut String) {
        text.push_str(
            "\n| connector | records | in the sink | dead-lettered | in both | lost | out of order | duplicated | written again | \
             offset samples | samples past a missing record |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        for (connector, verdict) in self.verdicts {
            let Verdict { broken, records, in_sink, in_letters, in_both, repeated, samples } = verdict;
            let count = |wanted: fn(&Broken) -> bool| broken.iter().filter(|broken| wanted(broken)).count();
            let _infallible = writeln!(
                text,
                "| {connector} | {records} | {in_sink} | {in_letters} | {in_both} | {} | {} | {} | {repeated} | {samples} | {} |",
                count(|broken| matches!(broken, Broken::Lost(_))),
                count(|broken| matches!(broken, Broken::Reordered(_))),
                count(|broken| matches!(broken, Broken::Doubled(_))),
                count(|broken| matches!(broken, Broken::Uncovered(..))),
            );
        }
    }

    fn figures(&self, text: &mut String) {
        text.push_str("\n| | |\n|---|---:|\n");
        let mut row = |name: &str, value: String| {
            let _infallible = writeln!(text, "| {name} | {value} |");
        };
        let sum = |of: fn(&Past) -> usize| self.hosts.iter().map(of).sum::<usize>();
        row("host processes", sum(|past| past.lives).to_string());
        row("stops that were cut short", sum(|past| past.cut_short).to_string());
        row("connectors restarted manually", sum(|past| past.revived).to_string());
        for (index, name) in TELLING.into_iter().enumerate() {
            let times = self.hosts.iter().map(|past| past.told[index]).sum::<usize>();
            row(&format!("log lines with \"{name}\""), times.to_string());
        }
        let bar = SESSION + 5;
        for (name, which) in [("without other faults", true), ("with other faults", false)] {
            let mut times: Vec<i64> = self
                .takeovers
                .iter()
                .filter(|takeover| takeover.is_undisturbed == which)
                .map(|takeover| takeover.milliseconds)
                .collect();
            times.sort_unstable();
            let (middle, worst) = (times.get(times.len() / 2), times.last());
            let seconds = |time: Option<&i64>| {
                time.map_or("-".to_owned(), |time| format!("{:.1} s", *time as f64 / 1000.0))
            };
            row(
                &format!(
                    "takeovers after SIGKILL, {name} (session {SESSION} s, limit {bar} s): times, median, worst"
                ),
                format!("{}, {}, {}", times.len(), seconds(middle), seconds(worst)),
            );
        }
        let Throughput { in_peace, beside_the_sick } = self.throughput;
        row(
            "neighbour, records per second: without faults, next to failing sinks",
            format!("{in_peace:.0}, {beside_the_sick:.0}"),
        );
        let growth = self.growth.map_or("not known".to_owned(), |Growth { first, last }| {
            let percent = (last as f64 / first as f64 - 1.0) * 100.0;
            format!("{} MiB, {} MiB, {percent:+.1} %", first / 1024, last / 1024)
        });
        row("memory of the host that was never restarted: early, late, growth", growth);
    }
}
