//! The figures as Markdown.

use std::{fmt::Write, fs, process::Command, time::Duration};

use tidegate_tests::kafka::CONNECT_VERSION;

use crate::{
    Scale,
    catch_up::Table,
    idle::Idle,
    latency::Latency,
    load::{Events, PARTITIONS, SMALL_BYTES},
    start::StartCost,
    summary::Run,
    worker,
};

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) scale: Scale,
    /// The load average of the machine before anything was started.
    pub(crate) load: String,
    pub(crate) events: Events,
    pub(crate) catch_up: Vec<Table>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) start: Vec<StartCost>,
    pub(crate) idle: Vec<Idle>,
}

impl Report {
    /// The text between the markers of the document.
    pub(crate) fn text(&self) -> String {
        let mut out = self.conditions();
        out.push_str(&self.catch_up());
        out.push_str(&self.latency());
        out.push_str(&self.start());
        out.push_str(&self.idle());
        out
    }

    fn conditions(&self) -> String {
        let settings: Vec<String> =
            worker::CONSUMER.iter().map(|(name, value)| format!("`{name}={value}`")).collect();
        format!(
            "Measured on {date} on {cores} cores of {processor}, shared with the broker: Apache Kafka and Kafka Connect {CONNECT_VERSION} \
             on {java}, librdkafka {librdkafka}, {rustc}, Tidegate at {revision}.\n\n\
             - Connect: one standalone worker, one task, `{jvm}`, {settings}, otherwise defaults.\n\
             - Tidegate: {profile} profile, one task, the file sink with `fsync = false` and `style = \"value\"`, or \"raw\" where bytes are \
             copied, otherwise defaults.\n\
             - {records} records in {PARTITIONS} partitions: {different} captured change events of {mean} bytes, over and over, or small \
             records of {SMALL_BYTES} bytes.\n\
             - For catch-up and start, every program runs {rounds}, and the tables have the medians; latency and idle connectors are \
             measured once.\n\
             - Connect does other work in places. `unwrap`: its `ExtractField` does less than Tidegate's `unwrap`, and its rows are Java's \
             text of a map, not JSON. Its file sink writes each line with a system call of its own. `discarded`: that sink writes to \
             `/dev/null`, and the end is seen by offsets that are committed every 200 ms.\n\
             - Tidegate commits offsets and its journal after each batch, Connect once a minute (except `discarded`).\n\
             - CPU is that of the program, without the broker. The peak memory of `warm` includes `cold`, and that of Connect is mostly its \
             heap.\n\
             - The load average of the last minute was {load} before the start, including what cargo had compiled.\n\n",
            load = self.load,
            date = output("date", &["-I"]),
            cores = std::thread::available_parallelism().map_or(0, usize::from),
            processor = processor(),
            java = java(),
            librdkafka = rdkafka::util::get_rdkafka_version().1,
            rustc = output("rustc", &["--version"]).split(" (").next().unwrap_or_default(),
            revision = output("git", &["rev-parse", "--short", "HEAD"]),
            jvm = worker::JAVA.join(" "),
            settings = settings.join(", "),
            profile = if cfg!(debug_assertions) { "development" } else { "release" },
            records = thousands(self.scale.records),
            different = thousands(self.events.different),
            mean = self.events.mean_bytes,
            rounds = if self.scale.rounds == 1 {
                "once".to_owned()
            } else {
                format!("{} times", self.scale.rounds)
            },
        )
    }

    fn catch_up(&self) -> String {
        let mut out = "#### Catch-up\n\nFrom the start of the process, or of the connector in a worker that has run this case once (warm). \
                       \"From the first record\": from the first output.\n\n\
                       | work | program | wall time | from the first record | CPU per record | peak memory | wall time, relative to Tidegate | CPU, relative to Tidegate |\n\
                       |---|---|---|---|---|---|---|---|\n"
            .to_owned();
        for table in &self.catch_up {
            let medians: Vec<(&str, Run)> =
                table.rows.iter().map(|row| (row.program, Run::medians(&row.runs))).collect();
            let (_, own) = medians[0];
            for (program, run) in &medians {
                let from_first = run.from_first.map_or_else(|| "-".to_owned(), seconds);
                let per_record = run.cpu.as_secs_f64() * 1e6 / self.scale.records as f64;
                line(
                    &mut out,
                    &[
                        table.case.title.to_owned(),
                        (*program).to_owned(),
                        seconds(run.wall),
                        from_first,
                        format!("{per_record:.2} µs"),
                        mebibytes(run.peak_bytes),
                        ratio(run.wall, own.wall),
                        ratio(run.cpu, own.cpu),
                    ],
                );
            }
        }
        out.push('\n');
        out
    }

    fn latency(&self) -> String {
        let mut out = "#### Latency\n\nFrom the producer's call to the line in the output file, for small records.\n\n\
                       | records per second | program | p50 | p99 | maximum | CPU |\n|---|---|---|---|---|---|\n"
            .to_owned();
        for one in &self.latency {
            line(
                &mut out,
                &[
                    thousands(one.rate as usize),
                    one.program.to_owned(),
                    milliseconds(one.p50),
                    milliseconds(one.p99),
                    milliseconds(one.maximum),
                    percent(one.cpu),
                ],
            );
        }
        out.push('\n');
        out
    }

    fn start(&self) -> String {
        let mut out =
            "#### Start\n\nFrom the start of the process to the first record in the output file.\n\n\
                       | program | wall time | CPU | peak memory |\n|---|---|---|---|\n"
                .to_owned();
        for one in &self.start {
            let cells =
                [one.program.to_owned(), seconds(one.wall), seconds(one.cpu), mebibytes(one.peak_bytes)];
            line(&mut out, &cells);
        }
        out.push('\n');
        out
    }

    fn idle(&self) -> String {
        let mut out = format!(
            "#### Idle connectors\n\n{} connectors of one task each, in one process, without records.\n\n\
             | program | memory | peak memory | CPU (of one core) | threads |\n|---|---|---|---|---|\n",
            self.scale.connectors
        );
        for one in &self.idle {
            line(
                &mut out,
                &[
                    one.program.to_owned(),
                    mebibytes(one.resident_bytes),
                    mebibytes(one.peak_bytes),
                    percent(one.cpu),
                    one.threads.to_string(),
                ],
            );
        }
        out
    }
}

/// Adds a line of a table.
pub(crate) fn line(out: &mut String, cells: &[String]) {
    writeln!(out, "| {} |", cells.join(" | ")).expect("a string takes everything");
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn ratio(one: Duration, other: Duration) -> String {
    format!("{:.2}", one.as_secs_f64() / other.as_secs_f64())
}

/// A number with commas.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

/// What a program prints, without the end of the line.
pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(tidegate_tests::root()).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Such as `Java 17.0.15`.
pub(crate) fn java() -> String {
    let found = Command::new("java").arg("-version").output();
    let text =
        found.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stderr).into_owned());
    let version = text.split('"').nth(1).unwrap_or("of an unknown version");
    format!("Java {version}")
}

/// The load average of the last minute.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// The model of the processor.
pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("an unknown processor", |(_, name)| name).to_owned()
}
