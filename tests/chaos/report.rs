//! The report, in Markdown: the faults, and their outcome.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    executor::InjectedFault,
    host::{COUNTED_TEXTS, Past},
    measure::{Growth, Takeover, Throughput},
    oracle::{CheckResult, Violation},
    plan::Plan,
    scene::SESSION,
    tables::Counts,
};

/// The data of the report.
pub(crate) struct Report<'r> {
    pub(crate) plan: &'r Plan,
    pub(crate) injected: &'r [InjectedFault],
    pub(crate) results: &'r BTreeMap<&'static str, CheckResult>,
    pub(crate) hosts: &'r [Past],
    pub(crate) takeovers: &'r [Takeover],
    pub(crate) throughput: Throughput,
    pub(crate) growth: Option<Growth>,
    /// Missing without PostgreSQL.
    pub(crate) tables: Option<Counts>,
}

impl Report<'_> {
    /// The report's text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let minutes = self.plan.length.as_secs_f64() / 60.0;
        let _infallible = writeln!(text, "Seed {}, {minutes} minutes.\n", self.plan.seed);
        for settings in &self.plan.connectors {
            let _infallible = writeln!(text, "- {settings}");
        }
        text.push('\n');
        self.injected(&mut text);
        self.records(&mut text);
        self.measurements(&mut text);
        text
    }

    fn injected(&self, text: &mut String) {
        let mut faults: BTreeMap<_, (String, u32, i64)> = BTreeMap::new();
        for injected in self.injected {
            let name = injected.fault.to_string();
            // In the order of the enum, with brokers counted together.
            let order = self
                .injected
                .iter()
                .filter(|other| other.fault.to_string() == name)
                .map(|other| other.fault)
                .min();
            let (_, times, milliseconds) = faults.entry(order).or_insert((name, 0, 0));
            *times += 1;
            *milliseconds += injected.to_ms - injected.from_ms;
        }
        text.push_str("| fault | count | total seconds |\n|---|---:|---:|\n");
        for (name, times, milliseconds) in faults.values() {
            let _infallible = writeln!(text, "| {name} | {times} | {} |", milliseconds / 1000);
        }
    }

    fn records(&self, text: &mut String) {
        text.push_str(
            "\n| connector | records | in the sink | dead-lettered | in both | lost | out of order | duplicated | written again | \
             offset samples | samples past a missing record |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        for (connector, result) in self.results {
            let CheckResult { violations, records, in_sink, in_dead_letters, in_both, repeated, samples } =
                result;
            let count = |wanted: fn(&Violation) -> bool| {
                violations.iter().filter(|violations| wanted(violations)).count()
            };
            let _infallible = writeln!(
                text,
                "| {connector} | {records} | {in_sink} | {in_dead_letters} | {in_both} | {} | {} | {} | {repeated} | {samples} | {} |",
                count(|violations| matches!(violations, Violation::Lost(_))),
                count(|violations| matches!(violations, Violation::Reordered(_))),
                count(|violations| matches!(violations, Violation::Duplicated(_))),
                count(|violations| matches!(violations, Violation::CommittedTooFar(..))),
            );
        }
    }

    fn measurements(&self, text: &mut String) {
        text.push_str("\n| | |\n|---|---:|\n");
        let mut row = |name: &str, value: String| {
            let _infallible = writeln!(text, "| {name} | {value} |");
        };
        let tables =
            self.tables.map_or("not known".to_owned(), |Counts { events, rows }| format!("{events}, {rows}"));
        row("PostgreSQL: change events, rows of the source at the end", tables);
        let sum = |of: fn(&Past) -> usize| self.hosts.iter().map(of).sum::<usize>();
        row("host processes", sum(|past| past.runs).to_string());
        row("stops that were cut short", sum(|past| past.cut_short).to_string());
        row("connectors restarted manually", sum(|past| past.connector_restarts).to_string());
        for (index, name) in COUNTED_TEXTS.into_iter().enumerate() {
            let times = self.hosts.iter().map(|past| past.text_counts[index]).sum::<usize>();
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
        let Throughput { without_faults, with_sink_faults } = self.throughput;
        row(
            "healthy connector, records per second: without faults, with faults of other sinks",
            format!("{without_faults:.0}, {with_sink_faults:.0}"),
        );
        let growth = self.growth.map_or("not known".to_owned(), |Growth { first, last }| {
            let percent = (last as f64 / first as f64 - 1.0) * 100.0;
            format!("{} MiB, {} MiB, {percent:+.1} %", first / 1024, last / 1024)
        });
        row("memory of the host that was never restarted: early, late, growth", growth);
    }
}
