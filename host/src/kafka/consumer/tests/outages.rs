//! Brokers that go away, topics that are missing, and how much is said about it.

use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// The log of this thread, which is the one that polls.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn start(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_writer(self.clone()).with_ansi(false);
        tracing::subscriber::set_default(subscriber.with_max_level(tracing::Level::INFO).finish())
    }

    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_lost_broker_is_one_line_and_so_is_its_return() {
    let broker = broker("t", 1);
    let mut task = Task::open(&settings(&broker, one("t")));
    task.until("the partition", |task| task.owned().len() == 1);
    let log = Log::default();
    let guard = log.start();
    broker.set_reachable(false).unwrap();
    task.until("the outage", |task| !task.stalls.is_empty());
    task.linger(Duration::from_secs(3));
    assert_eq!(log.lines().len(), 1, "{:#?}", log.lines());
    let line = &log.lines()[0];
    assert!(line.contains("kafka brokers cannot be reached; retrying"), "{line}");
    assert!(line.contains(broker.bootstrap_servers()) && line.contains("connector=\"orders\""), "{line}");
    assert!(line.contains("reason="), "{line}");
    assert_eq!(task.stalls.len(), 1);
    broker.set_reachable(true).unwrap();
    task.until("the end of the outage", |task| task.recoveries == 1);
    drop(guard);
    produce(&broker, "t", 0..10);
    task.until("records after the outage", |task| task.values.len() == 10);
    task.close();
}

#[test]
fn a_broker_that_was_never_there_is_a_stall_and_closing_is_quick() {
    let log = Log::default();
    let guard = log.start();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut settings = settings(&broker("unused", 1), one("t"));
    settings.bootstrap_servers = nobody.to_string();
    let mut task = Task::open(&settings);
    task.until("the outage", |task| !task.stalls.is_empty());
    assert!(
        task.stalls[0].contains(&nobody.to_string()) && task.stalls[0].contains("refused"),
        "{:?}",
        task.stalls
    );
    task.linger(Duration::from_secs(2));
    assert_eq!(log.lines().len(), 1, "{:#?}", log.lines());
    drop(guard);
    assert!(task.consumer.close(Duration::from_secs(9)));
}

#[test]
fn a_missing_topic_is_named_once_and_read_when_it_appears() {
    let broker = broker("there", 1);
    let log = Log::default();
    let guard = log.start();
    let topics = Topics::List(vec!["there".to_owned(), "missing".to_owned()]);
    let mut task = Task::open(&settings(&broker, topics));
    task.until("the missing topic", |task| !task.stalls.is_empty());
    assert_eq!(task.stalls, ["topic missing does not exist; waiting for it to be created"]);
    task.linger(Duration::from_secs(2));
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("topic=\"missing\""), "{lines:#?}");
    drop(guard);
    broker.create_topic("missing", 1).unwrap();
    produce(&broker, "missing", 0..10);
    task.until("its records", |task| task.values.len() == 10);
    assert_eq!((task.stalls.len(), task.recoveries), (1, 1));
    task.close();
}
