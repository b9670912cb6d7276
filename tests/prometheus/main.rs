//! The metrics of a running host, the example dashboard and the example alert rules, with a real Prometheus.

use std::{collections::BTreeSet, fs, time::Duration};

use serde_json::Value as Json;
use tidegate_tests::{
    Broker, Home, Prometheus, Running, SinkFaults, promtool, root, serve_metrics, wait_for,
};

const RULES: &str = "docs/examples/alerts.yml";
const DASHBOARD: &str = "docs/examples/grafana-dashboard.json";

/// A host whose connectors have done everything that the metrics measure: `flushed` retries, rejects and writes dead letters,
/// `isolated` runs in a process of its own, and `panics` fails.
fn scene(broker: &Broker, home: &Home) -> Running {
    let source = "[source]\ntopics = [\"events\"]\n";
    home.write("tidegate.toml", "[metrics]\nkafka_connect_names = false\n");
    home.connector(
        "flushed",
        &format!(
            "{source}[batch]\nmax_records = 2\n[[transforms]]\nplugin = \"failing\"\nconfig.how = \"never\"\n\
             [sink]\nplugin = \"ledger-flushed\"\n[sink.config]\npath = \"@flushed.db\"\nfail_file = \"@faults\"\nreject_bad = true\n\
             [flush]\nmax_wait = \"50ms\"\n[errors]\ntolerance = \"all\"\ndead_letter_topic = \"dlq.{{topic}}\"\n\
             [errors.retry]\ninitial = \"5ms\"\nmax = \"20ms\"\n"
        ),
    );
    home.connector(
        "isolated",
        &format!(
            "isolation = \"process\"\n{source}[sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"@isolated.calls\"\n"
        ),
    );
    home.connector(
        "panics",
        &format!(
            "{source}[sink]\nplugin = \"recorder\"\n[sink.config]\npath = \"@panics.calls\"\nhow = \"panic\"\n\
             [restart]\ninitial = \"2s\"\nmax = \"2s\"\n"
        ),
    );
    SinkFaults { lost_answers: 1.0, ..SinkFaults::default() }.write_to(&home.path("faults"));
    let mut running = home.start(broker);
    running.wait_for_log("but the response is lost");
    SinkFaults::default().write_to(&home.path("faults"));
    running.wait_for_log("record sent to dlq.events");
    running.wait_for_log("restart_in_ms");
    home.wait_for_status(&mut running, "flushed", |status| status["counts"]["committed"] == 20);
    running
}

fn events() -> impl Iterator<Item = String> {
    // A doubled name is counted as a warning.
    (0..20).map(|id| format!(r#"{{"id":{id},"id":{id},"bad":{}}}"#, id == 3))
}

/// The queries of the dashboard, with the variables that Grafana replaces.
fn dashboard_queries() -> Vec<String> {
    let text = fs::read_to_string(root().join(DASHBOARD)).expect("the dashboard");
    let dashboard: Json = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let query = |target: Json| {
        let query = target["expr"].as_str().expect("a query");
        query.replace("$connector", ".*").replace("$__rate_interval", "1m")
    };
    targets.map(query).collect()
}

#[test]
fn the_metrics_follow_the_conventions() {
    let (broker, home) = (Broker::with_events(events()), Home::new(&["ledger", "misbehaving"]));
    let running = scene(&broker, &home);
    let metrics = home.run(&["metrics"]).expect_code(0).stdout;
    let Some(checked) = promtool(&["check", "metrics"], &metrics) else { return };
    assert!(checked.success && checked.output.is_empty(), "{}\n{metrics}", checked.output);
    let _finished = running.terminate();
}

#[test]
fn the_alert_rules_are_valid() {
    let rules = root().join(RULES);
    let Some(checked) = promtool(&["check", "rules", &rules.display().to_string()], "") else { return };
    assert!(checked.success && checked.output.contains("SUCCESS"), "{}", checked.output);
}

#[test]
fn every_query_of_the_dashboard_and_every_alert_has_data() {
    let (broker, home) = (Broker::with_events(events()), Home::new(&["ledger", "misbehaving"]));
    let target = serve_metrics(&home);
    let Some(prometheus) = Prometheus::start(&root().join(RULES), &target) else { return };
    let running = scene(&broker, &home);
    let queries = dashboard_queries();
    assert!(queries.len() > 20, "{queries:?}");
    for query in &queries {
        let found = wait_for(|| match prometheus.query(query) {
            Ok(samples) => (!samples.is_empty()).then_some(samples),
            Err(error) => panic!("{query}: {error}"),
        });
        assert!(found.is_ok(), "no data for {query}\n{}", running.log());
    }
    // Whether an alert fires or not, all its metrics must be there.
    let rules = prometheus.rules();
    assert!(rules.len() > 5);
    let texts = rules.iter().map(|rule| rule["query"].as_str().expect("a query"));
    for name in texts.flat_map(metric_names).collect::<BTreeSet<_>>() {
        let samples = prometheus.query(name).expect("a valid query");
        assert!(!samples.is_empty(), "no series of {name}");
    }
    let healthy = wait_for(|| {
        std::thread::sleep(Duration::from_millis(100));
        prometheus.rules().iter().all(|rule| rule["health"] == "ok").then_some(())
    });
    assert!(healthy.is_ok(), "{:?}", prometheus.rules());
    // A counter that appears with its first value has not increased for Prometheus.
    broker.send("events", events());
    for alert in ["TidegateRecordsRejected", "TidegatePluginPanics"] {
        let firing = wait_for(|| {
            let found = prometheus.rules().into_iter().find(|rule| rule["name"] == alert)?;
            (found["state"] == "firing").then_some(())
        });
        assert!(firing.is_ok(), "{alert}: {:?}", prometheus.rules());
    }
    let _finished = running.terminate();
}

/// The names of the host's metrics in a query.
fn metric_names(query: &str) -> impl Iterator<Item = &str> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    query.split(move |char| !is_part(char)).filter(|word| word.starts_with("tidegate_"))
}
