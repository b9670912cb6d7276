//! The embedded broker: `tidegate broker`, and in a host.

use std::time::Instant;

use tidegate_tests::{Home, Running, captured_file};

#[test]
fn tidegate_broker_serves_a_host() {
    let capture = captured_file("shop-string/json.jsonl.gz");
    let home = Home::new(&["discard-sink"]);
    home.connector("count", "source.topics_regex = '^cdc\\.'\nsink.plugin = \"discard\"\n");
    let arguments = ["broker", "--listen", "127.0.0.1:0", "--partitions", "3", "--load"];
    let mut broker = Running::start(home.command().args(arguments).arg(&capture));
    let address = broker.wait_until("the address", |broker| {
        let stdout = broker.stdout();
        stdout.lines().find_map(|line| line.strip_prefix("listening on ")).map(str::to_owned)
    });
    assert!(broker.stdout().contains("3883 records into 7 topics"), "{}", broker.stdout());
    let finished = home.run(&["--bootstrap-servers", &address, "run", "--once"]).expect_code(0);
    let line = finished.stdout.lines().nth(1).expect("a line for the connector");
    assert_eq!(line.split_whitespace().nth(2), Some("3883"), "{line}");
    let _finished = broker.terminate().expect_code(0);
}

#[test]
fn a_host_runs_on_its_embedded_broker() {
    let home = Home::new(&["console-sink", "discard-sink"]);
    home.connector("show", "source.topics = [\"cdc.public.customers\"]\nsink.plugin = \"console\"\n");
    home.connector("count", "source.topics_regex = '^cdc\\.'\nsink.plugin = \"discard\"\n");
    let capture = captured_file("shop-string/json.jsonl.gz");
    let began = Instant::now();
    let arguments = ["run", "--embedded-kafka", "--once", "--load"];
    let mut running = Running::start(home.command().args(arguments).arg(&capture));
    running.wait_until("the first record", |running| running.stdout().contains("Operation: ").then_some(()));
    println!("first record after {:.2} s, debug build", began.elapsed().as_secs_f64());
    let finished = running.finish().expect_code(0);
    let table: Vec<Vec<&str>> = finished
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("connector"))
        .map(|line| line.split_whitespace().take(6).collect())
        .collect();
    assert_eq!(table[0], ["connector", "read", "delivered", "filtered", "rejected", "committed"]);
    assert_eq!(table[1], ["count", "3883", "3883", "0", "0", "3883"]);
    assert_eq!(table[2], ["show", "384", "384", "0", "0", "384"]);
}

#[test]
fn the_embedded_broker_listens_on_loopback_only() {
    let home = Home::new(&[]);
    let finished = home.run(&["broker", "--listen", "0.0.0.0:0"]).expect_code(1);
    finished.expect_log("use 127.0.0.1");
}
