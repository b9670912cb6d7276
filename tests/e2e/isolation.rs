//! `isolation = "process"`: crashes and limits of a connector's process, which do not affect others.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use tidegate_tests::{Broker, Home, Recorded, Recording, Running, captured_file, wait_for};

const GOOD: &str = r#"{"bad":false}"#;
const BAD: &str = r#"{"bad":true}"#;
/// A killed member is removed from its group soon, and the connector is restarted without delay.
const RESTART_QUICKLY: &str = "source.properties = { \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 1000 }\n\
                    restart.initial = \"10ms\"\nrestart.max = \"20ms\"\n";

/// A connector with process isolation that reads `events` into a recorder. `more` is added to its file.
fn isolated(home: &Home, name: &str, more: &str) -> Recording {
    home.connector(
        name,
        &format!(
            "isolation = \"process\"\nsource.topics = [\"events\"]\nsink.plugin = \"recorder\"\n\
             sink.config.path = \"@{name}.calls\"\n{more}"
        ),
    );
    home.recording(name)
}

/// Like [`isolated`], with the transform `crashing`, which does `what` at a bad record.
fn crashing(home: &Home, name: &str, what: &str, more: &str) -> Recording {
    let transform = format!(
        "[[transforms]]\nplugin = \"crashing\"\nconfig = {{ what = \"{what}\", unless = \"@spared\" }}\n"
    );
    isolated(home, name, &format!("{more}{transform}"))
}

const NO_RESTART: &str = "restart.policy = \"never\"\n";

fn pid(status: &Json) -> u64 {
    status["pid"].as_u64().unwrap_or_else(|| panic!("a process in {status}"))
}

fn reason(status: &Json) -> String {
    status["tasks"][0]["reason"].as_str().expect("a reason").to_owned()
}

/// Waits until the connector runs, and returns the pid of its process.
fn running_pid(home: &Home, running: &mut Running, name: &str) -> u64 {
    let runs = |status: &Json| status["state"] == "RUNNING" && status["pid"].is_u64();
    pid(&home.wait_for_status(running, name, runs))
}

/// Waits until the pid is another one than `before`.
fn next_pid(home: &Home, running: &mut Running, name: &str, before: u64) -> u64 {
    let other = |status: &Json| status["pid"].as_u64().is_some_and(|pid| pid != before);
    pid(&home.wait_for_status(running, name, other))
}

fn signal(pid: u64, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().expect("a shell");
    assert!(status.success(), "kill -{name} {pid}");
}

/// Whether a process exists and is not a zombie.
fn is_running(pid: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn wait_for_end(pid: u64) {
    wait_for(|| (!is_running(pid)).then_some(())).unwrap_or_else(|error| panic!("process {pid}: {error}"));
}

fn wait_for_offsets(running: &mut Running, recording: &Recording, wanted: impl IntoIterator<Item = i64>) {
    let wanted: Vec<i64> = wanted.into_iter().collect();
    running.wait_until("the records", |_| (recording.offsets() == wanted).then_some(()));
}

#[test]
fn a_process_delivers_what_threads_deliver() {
    let broker = Broker::start();
    broker.load(&captured_file("shop-string/json.jsonl.gz"), 2);
    let home = Home::new(&["misbehaving", "basics"]);
    for name in ["process", "thread"] {
        home.connector(
            name,
            &format!(
                r#"
isolation = "{name}"
[source]
topics_regex = '^cdc\.'
pass_control_events = true
[source.columns]
"products.price" = {{ decimal = 2 }}
[[transforms]]
plugin = "route"
when = {{ table = "^order", operation = ["insert", "snapshot", "update"], not = {{ header = "seen" }} }}
config.topic = {{ pattern = 'cdc\.public\.(.*)', replacement = 'shop.$1' }}
[sink]
plugin = "recorder"
config.path = "@{name}.calls"
"#
            ),
        );
    }
    let finished = home.run_once(&broker).expect_code(0);
    let written = |name: &str| -> Vec<Recorded> {
        let mut records = home.recording(name).written();
        records.iter_mut().for_each(|record| record.index = 0);
        records.sort_by_key(|record| (record.partition, record.topic.clone(), record.offset));
        records
    };
    let (process, thread) = (written("process"), written("thread"));
    assert_eq!(process.len(), 3883);
    assert!(process == thread, "{} and {} records", process.len(), thread.len());
    assert!(process.iter().any(|record| record.topic == "shop.orders"));
    for name in ["process", "thread"] {
        let line = finished.stdout.lines().find(|line| line.starts_with(name)).expect("a line");
        let cells: Vec<&str> = line.split_whitespace().take(6).collect();
        assert_eq!(cells, [name, "3883", "3883", "0", "0", "3883"]);
    }
}

#[test]
fn commands_work_for_processes_as_for_threads() {
    let broker = Broker::with_events([GOOD]);
    let home = Home::new(&["misbehaving"]);
    let recording = isolated(&home, "a", "tasks = 1\n");
    let mut running = home.start(&broker);
    wait_for_offsets(&mut running, &recording, [0]);
    let first = running_pid(&home, &mut running, "a");
    assert_eq!(home.status()["connectors"][0]["isolation"], "process");
    assert!(is_running(first));

    let send_command = |command: &str| drop(home.run(&[command, "a"]).expect_code(0));
    send_command("pause");
    home.wait_for_status(&mut running, "a", |status| status["state"] == "PAUSED");
    broker.send("events", [GOOD]);
    send_command("reopen");
    let opened = || recording.names().iter().filter(|name| *name == "open").count();
    running.wait_until("the second opening", |_| (opened() == 2).then_some(()));
    assert_eq!(recording.offsets(), [0]);
    send_command("resume");
    wait_for_offsets(&mut running, &recording, 0..2);
    assert_eq!(running_pid(&home, &mut running, "a"), first);

    send_command("restart");
    let second = next_pid(&home, &mut running, "a", first);
    broker.send("events", [GOOD]);
    wait_for_offsets(&mut running, &recording, 0..3);
    wait_for_end(first);

    send_command("stop");
    let stopped = home.wait_for_status(&mut running, "a", |status| status["state"] == "STOPPED");
    assert_eq!(stopped["pid"], Json::Null);
    wait_for_end(second);
    assert_eq!(recording.names().last().map(String::as_str), Some("close"));
    send_command("resume");
    let third = next_pid(&home, &mut running, "a", second);
    broker.send("events", [GOOD]);
    wait_for_offsets(&mut running, &recording, 0..4);
    let _finished = running.terminate().expect_code(0);
    assert!(!is_running(third));
    assert_eq!(broker.committed("connect-a", "events", 0), Some(4));
}

#[test]
fn log_lines_and_metrics_of_a_process_appear_as_the_hosts() {
    let broker = Broker::with_events([GOOD]);
    let home = Home::new(&["misbehaving"]);
    let transforms = "[[transforms]]\nplugin = \"leaks-secret\"\nconfig.password = \"p\"\n\
                      [[transforms]]\nplugin = \"crashing\"\nconfig.what = \"print\"\n";
    let recording = isolated(&home, "a", transforms);
    home.recorder("b", "", "[[transforms]]\nplugin = \"leaks-secret\"\nconfig.password = \"p\"\n");
    broker.send("events", [BAD]);
    let mut running = home.start_with(&broker, &["--log-format", "json"]);
    wait_for_offsets(&mut running, &recording, 0..2);
    let count = |name: &str| {
        let metrics = home.run(&["metrics"]).expect_code(0).stdout;
        let line = metrics.lines().find(|line| {
            line.starts_with("tidegate_plugin_records_seen_total{")
                && line.contains(&format!("connector=\"{name}\""))
        })?;
        for label in ["task=\"0\"", "plugin=\"leaks-secret\"", "kind=\"test\""] {
            assert!(line.contains(label), "{line}");
        }
        let types =
            metrics.lines().filter(|line| line.starts_with("# TYPE tidegate_plugin_records_seen_total "));
        assert_eq!(types.count(), 1, "{metrics}");
        assert!(metrics.contains(&format!("tidegate_plugin_wait_seconds_count{{connector=\"{name}\"")));
        Some(line.rsplit_once(' ')?.1.to_owned())
    };
    running.wait_until("the count", |_| (count("a").as_deref() == Some("2")).then_some(()));
    running.wait_until("the other count", |_| (count("b").as_deref() == Some("2")).then_some(()));
    running.wait_until("what it prints", |running| {
        running.stdout().contains("printed by a plugin: offset 0\n").then_some(())
    });
    let finished = running.terminate().expect_code(0);
    let lines: Vec<Json> = finished
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let line_of = |connector: &str, message: &str| {
        let found = lines.iter().find(|line| line["connector"] == connector && line["message"] == message);
        found.unwrap_or_else(|| panic!("{message} of {connector} is not in {}", finished.stderr)).clone()
    };
    for message in ["logged as information", "logged as a warning", "logged as an error"] {
        let (process, thread) = (line_of("a", message), line_of("b", message));
        for field in ["level", "task", "target", "offset", "module"] {
            assert_eq!(process[field], thread[field], "{field} of {process}");
        }
    }
    assert_eq!(line_of("a", "logged as information")["quoted name"], "a \"b\"");
    assert_eq!(finished.count_log("logged for debugging"), 0);
    assert_eq!(line_of("a", "printed by a plugin")["level"], "WARN");
}

#[test]
fn secrets_are_passed_only_to_the_connectors_own_process() {
    const SECRET: &str = "correct-horse-battery-staple";
    let broker = Broker::with_events([GOOD]);
    let home = Home::new(&["misbehaving"]);
    home.write("password", SECRET);
    let leaks_secret = "[[transforms]]\nplugin = \"leaks-secret\"\nconfig.password = \"${file:@password}\"\n";
    let recording = isolated(&home, "a", leaks_secret);
    let mut running = home.start_with(&broker, &["--log-level", "trace"]);
    wait_for_offsets(&mut running, &recording, [0]);
    let pid = running_pid(&home, &mut running, "a");
    for file in ["cmdline", "environ"] {
        let content = fs::read(format!("/proc/{pid}/{file}")).expect("a process that runs");
        assert!(!String::from_utf8_lossy(&content).contains(SECRET), "{file}");
    }
    let finished = running.terminate().expect_code(0);
    assert!(!finished.stderr.contains(SECRET), "{}", finished.stderr);
    finished.expect_log("opened with ***");
}

#[test]
fn a_killed_process_is_restarted_and_nothing_is_lost() {
    let broker = Broker::with_events([GOOD; 100]);
    let home = Home::new(&["misbehaving"]);
    let offsets = format!("{RESTART_QUICKLY}sink.config.offsets = \"@offsets\"\nbatch.max_records = 10\n");
    let recording = isolated(&home, "a", &offsets);
    let mut running = home.start(&broker);
    let mut sent = 100;
    let mut before = 0;
    for _ in 0..2 {
        before = next_pid(&home, &mut running, "a", before);
        // The process is killed between two batches or during one.
        running.wait_until("some records", |_| (recording.offsets().len() > sent - 50).then_some(()));
        broker.send("events", [GOOD; 100]);
        sent += 100;
        signal(before, "KILL");
    }
    wait_for_offsets(&mut running, &recording, 0..sent as i64);
    let status = home.wait_for_status(&mut running, "a", |status| status["tasks"][0]["restarts"] == 2);
    assert!(reason(&status).starts_with("its process was killed with signal 9 (SIGKILL)"), "{status}");
    let _finished = running.terminate().expect_code(0);
    assert_eq!(broker.committed("connect-a", "events", 0), Some(sent as i64));
}

#[test]
fn a_process_ends_with_its_host_and_ignores_other_signals() {
    let broker = Broker::with_events([GOOD]);
    let home = Home::new(&["misbehaving"]);
    let recording = isolated(&home, "a", "");
    let mut running = home.start(&broker);
    wait_for_offsets(&mut running, &recording, [0]);
    let pid = running_pid(&home, &mut running, "a");
    // A terminal or a service manager sends these to all processes.
    for name in ["INT", "TERM", "HUP"] {
        signal(pid, name);
    }
    broker.send("events", [GOOD]);
    wait_for_offsets(&mut running, &recording, 0..2);
    assert_eq!(running_pid(&home, &mut running, "a"), pid);
    running.signal("KILL");
    let _finished = running.finish();
    let began = Instant::now();
    wait_for_end(pid);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_crash_fails_only_its_own_connector() {
    let broker = Broker::with_events([BAD, GOOD]);
    let home = Home::new(&["misbehaving"]);
    let (thread, process) = (home.recorder("thread", "", ""), isolated(&home, "process", ""));
    crashing(&home, "aborts", "abort", &format!("{RESTART_QUICKLY}{NO_RESTART}"));
    crashing(&home, "exits", "exit", NO_RESTART);
    crashing(&home, "hoards", "hoard", NO_RESTART);
    let mut running = home.start(&broker);
    for (name, expected) in [
        ("aborts", "its process crashed with signal 6 (SIGABRT), while task 0 was in transform \"crashing\""),
        (
            "exits",
            "its process exited with code 7, while task 0 was in transform \"crashing\"; last lines of its stderr: the last line before the exit",
        ),
        (
            "hoards",
            "its process crashed with signal 6 (SIGABRT), while task 0 was in transform \"crashing\"; last lines of its stderr: memory allocation of ",
        ),
    ] {
        let status = home.wait_for_status(&mut running, name, |status| status["state"] == "FAILED");
        assert!(reason(&status).starts_with(expected), "{}", reason(&status));
        assert_eq!(status["pid"], Json::Null);
        running.wait_for_log(&format!("ERROR {name}[0] task failed permanently: {expected}"));
        assert_eq!(broker.committed(&format!("connect-{name}"), "events", 0), None);
    }
    broker.send("events", [GOOD]);
    wait_for_offsets(&mut running, &thread, 0..3);
    wait_for_offsets(&mut running, &process, 0..3);
    // From here on it does not crash.
    home.write("spared", "");
    let _output = home.run(&["resume", "aborts"]).expect_code(0);
    let aborts = home.recording("aborts");
    wait_for_offsets(&mut running, &aborts, 0..3);
    let _finished = running.terminate().expect_code(0);
}

#[test]
fn a_crash_counts_once_however_many_tasks_it_ends() {
    let broker = Broker::with_events([BAD]);
    let home = Home::new(&["misbehaving"]);
    crashing(&home, "a", "abort", &format!("{RESTART_QUICKLY}tasks = 3\nrestart.max_restarts = 2\n"));
    let finished = home.run_until_failed(&broker, &["--log-level", "debug"]);
    assert_eq!(finished.count_log("process started"), 3, "{}", finished.stderr);
    assert_eq!(finished.count_log("task failed: "), 6, "{}", finished.stderr);
    assert_eq!(finished.count_log("task failed permanently: "), 3, "{}", finished.stderr);
}

#[test]
fn a_process_beyond_its_memory_limit_is_killed() {
    let broker = Broker::with_events([BAD]);
    let home = Home::new(&["misbehaving"]);
    crashing(&home, "leaks", "leak", &format!("{NO_RESTART}limits.memory = \"64 MiB\"\n"));
    let finished = home.run_until_failed(&broker, &[]);
    let line = finished.expect_log("leaks[0] task failed permanently: its process was killed: it uses ");
    assert!(line.contains(" MiB, more than limits.memory = 64 MiB allows"), "{line}");
}

/// CPU time of a process in seconds.
fn cpu_seconds(pid: u64) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process that runs");
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let ticks: Vec<f64> =
        rest.split_whitespace().skip(11).take(2).map(|field| field.parse().expect("ticks")).collect();
    ticks.iter().sum::<f64>() / 100.0
}

#[test]
fn the_cpu_limit_applies_to_a_spinning_plugin() {
    let broker = Broker::with_events([BAD]);
    let home = Home::new(&["misbehaving"]);
    crashing(&home, "spins", "spin", "limits.cpu = 0.25\nlimits.shutdown = \"1s\"\n");
    let mut running = home.start(&broker);
    let pid = running_pid(&home, &mut running, "spins");
    running.wait_until("the first second of spinning", |_| (cpu_seconds(pid) > 0.5).then_some(()));
    let (began, before) = (Instant::now(), cpu_seconds(pid));
    running.wait_until("another second", |_| (cpu_seconds(pid) > before + 1.0).then_some(()));
    let share = (cpu_seconds(pid) - before) / began.elapsed().as_secs_f64();
    // Without a limit, the two spinning threads would use two CPUs, or the only one.
    assert!(share < 0.4, "{share} of a processor instead of 0.25");
    // The process was not restarted.
    assert_eq!(running_pid(&home, &mut running, "spins"), pid);
    let _finished = running.terminate();
    wait_for_end(pid);
}

#[test]
fn a_hanging_call_ends_its_process_and_leaves_nothing_behind() {
    let broker = Broker::start();
    broker.topic("events", 2);
    broker.produce([("events", 0, None, Some(BAD)), ("events", 1, None, Some(GOOD))]);
    let home = Home::new(&["misbehaving"]);
    let impatient = "tasks = 2\nlimits.call_timeout = \"1s\"\nlimits.shutdown = \"5s\"\n\
                     sink.config.how = \"hang-forever\"\nsource.group_protocol = \"range\"\n";
    isolated(&home, "hangs", &format!("{RESTART_QUICKLY}{impatient}"));
    let mut running = home.start(&broker);
    // In threads, the connector would fail for good after three abandoned threads.
    let status = home
        .wait_for_status(&mut running, "hangs", |status| status["tasks"][0]["restarts"].as_u64() >= Some(3));
    for task in 0..2 {
        let reason = status["tasks"][task]["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("its process was killed: task "), "{reason}");
        assert!(reason.contains(": sink \"recorder\" has not returned for "), "{reason}");
    }
    // The other task has finished its batch.
    running.wait_until("the other partition's commit", |_| {
        (broker.committed("connect-hangs", "events", 1) == Some(1)).then_some(())
    });
    assert_eq!(broker.committed("connect-hangs", "events", 0), None);
    running.signal("TERM");
    let finished = running.finish();
    assert_eq!(finished.count_log("its thread was abandoned"), 0, "{}", finished.stderr);
}

#[test]
fn a_process_without_heartbeats_is_restarted() {
    let broker = Broker::with_events([GOOD]);
    let home = Home::new(&["misbehaving"]);
    let recording = isolated(&home, "a", RESTART_QUICKLY);
    let mut running = home.start(&broker);
    let status = home.wait_for_status(&mut running, "a", |status| status["counts"]["committed"] == 1);
    let first = pid(&status);
    signal(first, "STOP");
    running.wait_for_log("its process was killed: it sent no heartbeat for 10 s");
    wait_for_end(first);
    broker.send("events", [GOOD]);
    wait_for_offsets(&mut running, &recording, 0..2);
    let _finished = running.terminate().expect_code(0);
}

#[test]
fn a_stopped_host_leaves_no_child_process() {
    let broker = Broker::with_events([BAD]);
    let home = Home::new(&["misbehaving"]);
    isolated(&home, "hangs", "sink.config.how = \"hang-forever\"\nlimits.shutdown = \"1s\"\n");
    isolated(&home, "silent", "limits.shutdown = \"1s\"\n");
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "hangs", |status| status["counts"]["read"] == 1);
    let pids = ["hangs", "silent"].map(|name| running_pid(&home, &mut running, name));
    signal(pids[1], "STOP");
    running.signal("TERM");
    let finished = running.finish().expect_code(1);
    finished.expect_log("its process was killed: it did not stop in time");
    pids.into_iter().for_each(wait_for_end);
}
