//! One host with a connector for each case and a healthy connector.

use std::collections::BTreeSet;

use tidegate_tests::{Broker, Finished, Home, Recording, Running};

use super::cases::{Case, Outcome};

const GOOD: &str = r#"{"bad":false}"#;
const BAD: &str = r#"{"bad":true}"#;
const PARTITIONS: i32 = 2;

/// Where plugins run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// In threads of the host.
    Thread,
    /// In a process of the connector's own.
    Process,
}

/// A running host, and the cases that it runs.
pub(crate) struct Scene {
    broker: Broker,
    home: Home,
    running: Running,
    cases: &'static [Case],
    healthy: Recording,
    /// Number of records sent to each partition.
    sent: i64,
}

impl Case {
    fn name(&self) -> String {
        format!("{}-{}-{}", self.kind, self.at, self.fault)
    }
}

impl Scene {
    /// Starts a host with these cases. The second record of partition 0 is bad.
    pub(crate) fn start(isolation: Isolation, cases: &'static [Case]) -> Self {
        let broker = Broker::start();
        broker.topic("events", PARTITIONS as u32);
        let home = Home::new(&["misbehaving"]);
        let healthy = home.recorder("healthy", "", "");
        for case in cases {
            write_connector(&home, isolation, case);
        }
        let mut scene = Self { running: home.start(&broker), broker, home, cases, healthy, sent: 0 };
        scene.send(GOOD);
        scene.send(BAD);
        scene
    }

    /// Sends a record to each partition: this one to partition 0, a good one to the others.
    fn send(&mut self, first: &str) {
        let value = |partition| if partition == 0 { first } else { GOOD };
        self.broker.produce((0..PARTITIONS).map(|at| ("events", at, None, Some(value(at)))));
        self.sent += 1;
    }

    /// Waits for the outcome of every case, and sends more records after each.
    pub(crate) fn watch(&mut self) {
        for case in self.cases {
            if case.at == "release" {
                self.rebalance(case);
            }
            match case.outcome {
                Outcome::Fails(reason) => self.wait_for_failure(case, reason),
                Outcome::Delivers(_) => self.wait_for_delivery(&case.name()),
            }
            self.send(GOOD);
        }
        for case in self.cases {
            if let Outcome::Delivers(_) = case.outcome {
                self.wait_for_delivery(&case.name());
            }
        }
        self.wait_for_delivery("healthy");
        let status = self.home.wait_for_status(&mut self.running, "healthy", |_| true);
        assert_eq!((&status["state"], &status["tasks"][0]["restarts"]), (&"RUNNING".into(), &0.into()));
    }

    /// Adds a member to the connector's group, which causes a rebalance, and removes it again.
    fn rebalance(&mut self, case: &Case) {
        let name = case.name();
        self.home
            .wait_for_status(&mut self.running, &name, |status| status["counts"]["partitions"] == PARTITIONS);
        drop(self.broker.join(&format!("connect-{name}"), "events"));
    }

    fn wait_for_failure(&mut self, case: &Case, wanted: &str) {
        let name = case.name();
        let status =
            self.home.wait_for_status(&mut self.running, &name, |status| status["state"] == "FAILED");
        let reason = status["tasks"][0]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(wanted), "{name}: {reason}");
    }

    fn wait_for_delivery(&mut self, name: &str) {
        let (recording, sent) = (self.home.recording(name), self.sent);
        let what = format!("all records of {name}");
        self.running.wait_until(&what, |_| {
            (offsets_written(&recording).len() as i64 == sent * i64::from(PARTITIONS)).then_some(())
        });
    }

    /// Stops the host, and checks its log and the committed offsets.
    pub(crate) fn end(self) -> Finished {
        let finished = self.running.terminate();
        let all = self.sent;
        for case in self.cases {
            let name = case.name();
            let committed =
                |partition| self.broker.committed(&format!("connect-{name}"), "events", partition);
            match case.outcome {
                Outcome::Delivers(text) => {
                    finished.expect_log(text);
                    assert_eq!([committed(0), committed(1)], [Some(all); 2], "{name}\n{}", finished.stderr);
                }
                // Nothing is committed past the record that failed.
                Outcome::Fails(_) if case.at != "release" => {
                    assert!(committed(0).is_none_or(|next| next <= 1), "{name}: {:?}", committed(0));
                }
                Outcome::Fails(_) => {}
            }
        }
        let records = self.healthy.written();
        assert_eq!(
            records.len(),
            offsets_written(&self.healthy).len(),
            "the healthy connector wrote duplicates"
        );
        for partition in 0..PARTITIONS {
            assert_eq!(self.broker.committed("connect-healthy", "events", partition), Some(all));
        }
        finished
    }
}

/// Partition and offset of every written record.
fn offsets_written(recording: &Recording) -> BTreeSet<(i32, i64)> {
    recording.written().into_iter().map(|record| (record.partition, record.offset)).collect()
}

fn write_connector(home: &Home, isolation: Isolation, case: &Case) {
    let Case { kind, at, fault, .. } = *case;
    let name = case.name();
    let isolation = match isolation {
        Isolation::Thread => "thread",
        Isolation::Process => "process",
    };
    let options = format!("at = \"{at}\"\nfault = \"{fault}\"\n");
    let plugins = match kind {
        "sink" => {
            format!("[sink]\nplugin = \"fault-sink\"\n[sink.config]\npath = \"@{name}.calls\"\n{options}")
        }
        _ => format!(
            "[[transforms]]\nplugin = \"fault-transform\"\n[transforms.config]\n{options}[sink]\nplugin = \"recorder\"\n\
             [sink.config]\npath = \"@{name}.calls\"\n"
        ),
    };
    home.connector(
        &name,
        &format!(
            "isolation = \"{isolation}\"\n[source]\ntopics = [\"events\"]\n{plugins}[restart]\npolicy = \"never\"\n\
             [errors.retry]\ninitial = \"1ms\"\nmax = \"5ms\"\ntimeout = \"100ms\"\n\
             [limits]\ncall_timeout = \"1s\"\nshutdown = \"2s\"\n"
        ),
    );
}
