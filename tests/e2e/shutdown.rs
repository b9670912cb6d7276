//! How a host stops.

use std::{fs, os::unix::net::UnixDatagram, process::Command, thread, time::Duration};

use tidegate_tests::{Broker, Home, Running, wait_for};

fn events(count: u32) -> Vec<String> {
    (0..count).map(|id| format!(r#"{{"id":{id}}}"#)).collect()
}

#[test]
fn on_a_signal_batches_in_flight_are_delivered_and_committed() {
    let broker = Broker::with_events(events(20));
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "gate = \"@gate\"", "[batch]\nmax_records = 5\n");
    let mut running = home.start(&broker);
    // The first batch waits for the gate file, and further batches wait for the first.
    home.wait_for_status(&mut running, "a", |status| status["counts"]["read"].as_u64() >= Some(10));
    running.signal("TERM");
    running.wait_for_log("stopping: delivering records in flight");
    home.write("gate", "open");
    let finished = running.finish().expect_code(0);
    finished.expect_log("stopped");
    let offsets = recording.offsets();
    assert!(offsets.len() >= 5, "{offsets:?}");
    assert_eq!(offsets, (0..offsets.len() as i64).collect::<Vec<_>>());
    assert_eq!(broker.committed("connect-a", "events", 0), Some(offsets.len() as i64));
    assert_eq!(recording.names().last().map(String::as_str), Some("close"));
}

#[test]
fn a_second_signal_ends_the_host_at_once() {
    let broker = Broker::with_events(events(1));
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "how = \"hang-forever\"\ngate = \"@gate\"", "");
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "a", |status| status["counts"]["read"] == 1);
    running.signal("INT");
    running.wait_for_log("send a second signal to exit immediately");
    running.signal("TERM");
    let _finished = running.finish().expect_code(130);
    assert!(recording.offsets().is_empty());
    assert_eq!(broker.committed("connect-a", "events", 0), None);
}

#[test]
fn two_signals_end_a_host_whose_main_thread_is_blocked() {
    let broker = Broker::start();
    let home = Home::new(&["hangs-on-load"]);
    home.connector("a", "[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"console\"\n");
    let running = home.start(&broker);
    // It waits for the process that examines the library.
    let children = format!("/proc/{pid}/task/{pid}/children", pid = running.pid());
    let child = loop {
        let children = fs::read_to_string(&children).unwrap_or_default();
        if let Some(child) = children.split_whitespace().next() {
            break child.to_owned();
        }
        thread::sleep(Duration::from_millis(10));
    };
    running.signal("INT");
    running.signal("TERM");
    let finished = running.finish().expect_code(130);
    finished.expect_log("exiting although the host does not react");
    // Nothing stays of a process that has ended but, until it is collected, its number.
    let is_gone =
        || fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default().is_empty().then_some(());
    wait_for(is_gone).expect("the end of the process that examines the library");
}

#[test]
fn an_idle_host_exits_with_0() {
    let broker = Broker::with_events(events(1));
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "", "");
    let mut running = home.start(&broker);
    running.wait_until("the record", |_| (recording.offsets() == [0]).then_some(()));
    let _finished = running.terminate().expect_code(0);
    assert_eq!(broker.committed("connect-a", "events", 0), Some(1));
}

#[test]
fn a_plugin_that_hangs_in_close_delays_no_other_connector() {
    let broker = Broker::with_events(events(1));
    let home = Home::new(&["misbehaving"]);
    home.recorder("a", "fail_at_close = true", "");
    let finished = home.run_once(&broker).expect_code(0);
    finished.expect_log("cannot close");
}

#[test]
fn two_hosts_cannot_share_a_state_folder() {
    let broker = Broker::with_events(events(1));
    let home = Home::new(&["misbehaving"]);
    home.recorder("a", "", "");
    let mut first = home.start(&broker);
    home.wait_for_status(&mut first, "a", |status| status["state"] == "RUNNING");
    let second = home.start(&broker).finish().expect_code(1);
    second.expect_log("another host is running with the state folder");
    let _finished = first.terminate().expect_code(0);
}

#[test]
fn a_signal_while_the_host_starts_ends_it_with_0() {
    let home = Home::new(&["discard-sink"]);
    home.connector("a", "source.topics = [\"events\"]\nsink.plugin = \"discard\"\n");
    let mut running = Running::start(home.command().args(["run", "--embedded-kafka"]));
    // Plugins are looked for after this line.
    running.wait_for_log("embedded broker started");
    let _finished = running.terminate().expect_code(0);
}

#[test]
fn the_service_manager_is_told_that_the_host_is_ready_alive_and_stopping() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["misbehaving"]);
    home.recorder("a", "", "");
    let socket = UnixDatagram::bind(home.path("notify")).expect("a socket");
    socket.set_read_timeout(Some(tidegate_tests::TIMEOUT)).expect("a timeout");
    let receive = || {
        let mut message = [0; 1024];
        let length = socket.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let mut command = home.command();
    command.env("NOTIFY_SOCKET", home.path("notify")).env("WATCHDOG_USEC", "100000");
    let running = Running::start(command.args(["--bootstrap-servers", broker.servers(), "run"]));
    assert_eq!(receive(), "READY=1\nSTATUS=running 1 connectors\n");
    assert_eq!(receive(), "WATCHDOG=1\n");
    assert_eq!(receive(), "WATCHDOG=1\n");
    running.signal("TERM");
    let stopping = std::iter::repeat_with(receive).find(|message| !message.starts_with("WATCHDOG"));
    assert_eq!(stopping.as_deref(), Some("STOPPING=1\nSTATUS=delivering records in flight\n"));
    running.finish().expect_code(0);
}

/// The ids of the processes that this process has started.
fn children(process: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

fn is_host(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim() == "tidegate")
}

/// A command whose process 1 is a shell, which becomes the program in its arguments and leaves it an orphan that sleeps. `None`, with
/// a message, where the system allows no namespaces of processes.
fn as_process_1(host: &Command) -> Option<Command> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child"]);
        command
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: unshare(1) cannot make a namespace of processes");
        return None;
    }
    let mut command = unshare();
    command.args(["sh", "-c", "(sleep 3600 <&- >&- 2>&- &); exec \"$0\" \"$@\""]);
    command.arg(host.get_program()).args(host.get_args());
    command.current_dir(host.get_current_dir()?).env_clear();
    command.envs(host.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(command)
}

#[test]
fn process_1_of_a_container_passes_signals_on_and_collects_orphans() {
    let broker = Broker::with_events(events(3));
    let home = Home::new(&["misbehaving"]);
    let recording = home.recorder("a", "", "");
    let mut host = home.command();
    host.args(["--bootstrap-servers", broker.servers(), "run"]);
    let Some(mut command) = as_process_1(&host) else { return };
    let mut running = Running::start(&mut command);
    running.wait_until("the records", |_| (recording.offsets() == [0, 1, 2]).then_some(()));
    let [process_1] = children(running.pid())[..] else { panic!("one process 1") };
    let (hosts, orphans): (Vec<u32>, Vec<u32>) = children(process_1).into_iter().partition(|id| is_host(*id));
    assert_eq!((hosts.len(), orphans.len()), (1, 1));
    // Had nobody collected the orphan, it would stay as a zombie.
    let kill = |signal: &str, process: u32| {
        let command = format!("kill -{signal} {process}");
        assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success(), "{command}");
    };
    kill("KILL", orphans[0]);
    wait_for(|| (children(process_1) == hosts).then_some(())).expect("the orphan is collected");
    kill("TERM", process_1);
    running.finish().expect_code(0).expect_log("stopping: delivering records in flight");
    assert_eq!(broker.committed("connect-a", "events", 0), Some(3));
}

#[test]
fn health_is_0_once_every_connector_has_been_started() {
    let broker = Broker::with_events(events(1));
    let home = Home::new(&["misbehaving"]);
    home.recorder("a", "open_gate = \"@gate\"", "");
    home.run(&["health"]).expect_code(1).expect_log("no host is running with the state folder state");
    let mut running = home.start(&broker);
    home.wait_for_status(&mut running, "a", |status| status["state"] == "STARTING");
    home.run(&["health"]).expect_code(1).expect_log("the host is not ready: {");
    home.write("gate", "open");
    home.wait_for_status(&mut running, "a", |status| status["state"] == "RUNNING");
    let healthy = home.run(&["health"]).expect_code(0);
    assert_eq!(healthy.stdout, "{\"failed\":0,\"rejected_files\":0,\"starting\":0,\"status\":\"ready\"}\n");
}
