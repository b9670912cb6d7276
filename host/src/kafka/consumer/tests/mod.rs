//! The consumer against the embedded broker, over TCP.

mod batches;
mod group;
mod outages;
mod positions;
mod settings;
mod topics;
mod unpacking;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::*;
use crate::kafka::TopicPattern;
use crate::kafka::embedded::{EmbeddedBroker, Options};

/// Far more than anything here takes; a test that waits so long has failed.
const TIMEOUT: Duration = Duration::from_secs(60);
const TURN: Duration = Duration::from_millis(20);
/// Number of records that a poll asks for.
const COUNT: usize = 50;

fn broker(topic: &str, partitions: u32) -> EmbeddedBroker {
    let broker = EmbeddedBroker::start(&Options::default()).unwrap();
    broker.create_topic(topic, partitions).unwrap();
    broker
}

fn settings(broker: &EmbeddedBroker, topics: Topics) -> ConsumerSettings {
    let quick = [
        ("heartbeat.interval.ms", "200"),
        ("topic.metadata.refresh.interval.ms", "300"),
        ("reconnect.backoff.max.ms", "500"),
        ("session.timeout.ms", "10000"),
    ];
    ConsumerSettings {
        connector: "orders".to_owned(),
        task: 0,
        bootstrap_servers: broker.bootstrap_servers().to_owned(),
        group_id: "connect-orders".to_owned(),
        client_id: "tidegate-orders-0".to_owned(),
        topics,
        protocol: Protocol::Classic("cooperative-sticky".to_owned()),
        instance_id: None,
        on_lost_position: OnLostPosition::Fail,
        on_oversized_batch: OnOversizedBatch::Fail,
        unpacked_bytes: 64 << 20,
        queue_bytes: 1 << 20,
        max_record_bytes: 1 << 20,
        properties: quick.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

fn one(topic: &str) -> Topics {
    Topics::List(vec![topic.to_owned()])
}

fn pattern(pattern: &str) -> Topics {
    Topics::Pattern(TopicPattern::parse(pattern).unwrap())
}

/// Produces records whose values are `range`, spread over the partitions by key.
fn produce(broker: &EmbeddedBroker, topic: &str, range: std::ops::Range<usize>) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap_servers()).set("partitioner", "murmur2");
    let producer: BaseProducer = config.create().unwrap();
    for n in range {
        let text = n.to_string();
        producer.send(BaseRecord::to(topic).key(&text).payload(&text)).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
}

/// A poll loop that answers rebalances by itself, and what it has seen.
struct Task {
    consumer: Consumer,
    start: Start,
    stored: HashMap<TopicPartition, i64>,
    /// Number of records per value: 2 is a duplicate.
    values: BTreeMap<usize, usize>,
    next: Positions,
    /// Every offset that a partition began with after an assignment.
    began: BTreeMap<TopicPartition, i64>,
    stalls: Vec<String>,
    recoveries: usize,
    commits: Vec<Result<Positions, CommitError>>,
    fatal: Option<ConsumerError>,
    lost: usize,
    topics: Vec<TopicsChange>,
    /// How often to poll before a rebalance is answered.
    reluctance: usize,
    open: Option<(Answer, usize)>,
}

enum Answer {
    Assign(Vec<(TopicPartition, StartAt)>),
    Release(Vec<TopicPartition>),
}

impl Task {
    fn open(settings: &ConsumerSettings) -> Self {
        let consumer = Consumer::open(settings).unwrap();
        consumer.join().unwrap();
        Self {
            consumer,
            start: Start::Earliest,
            stored: HashMap::new(),
            values: BTreeMap::new(),
            next: Positions::new(),
            began: BTreeMap::new(),
            stalls: Vec::new(),
            recoveries: 0,
            commits: Vec::new(),
            fatal: None,
            lost: 0,
            topics: Vec::new(),
            reluctance: 0,
            open: None,
        }
    }

    fn turn(&mut self) {
        let Self { consumer, values, began, next, .. } = self;
        let polled = consumer.poll(TURN, COUNT, |record| {
            let at = TopicPartition::new(record.topic(), record.partition());
            assert!(consumer.assigned().contains(&at), "record of {at}, which is not assigned");
            let text = std::str::from_utf8(record.value().unwrap()).unwrap();
            *values.entry(text.parse().unwrap()).or_default() += 1;
            began.entry(at.clone()).or_insert(record.offset());
            next.insert(at, record.offset() + 1);
            ControlFlow::Continue(())
        });
        if let Polled::Event(event) = polled {
            self.on_event(event);
        }
        self.answer();
    }

    fn on_event(&mut self, event: ConsumerEvent) {
        let Self { consumer, .. } = self;
        match event {
            ConsumerEvent::Assigned(partitions) => {
                let deadline = Instant::now() + TIMEOUT;
                let (resolver, stored, start) = (consumer.offset_resolver(), self.stored.clone(), self.start);
                // From another thread, as a sink would be asked.
                let resolved = std::thread::scope(|scope| {
                    let asked = scope.spawn(|| {
                        resolver.topic_ids(&partitions, deadline).unwrap();
                        resolver.resolve_starts(&partitions, &stored, start, deadline)
                    });
                    asked.join().unwrap().unwrap()
                });
                self.open = Some((Answer::Assign(resolved.starts), self.reluctance));
            }
            ConsumerEvent::LostPositions(partitions) => {
                let beginning = |at: &TopicPartition| (at.clone(), StartAt::Beginning);
                consumer.rewind(&partitions.iter().map(beginning).collect::<Vec<_>>()).unwrap();
                self.began.retain(|at, _| !partitions.contains(at));
            }
            ConsumerEvent::Revoked { partitions, lost: false } => {
                self.open = Some((Answer::Release(partitions), self.reluctance));
            }
            ConsumerEvent::Revoked { lost: true, .. } => {
                self.lost += 1;
                self.open = None;
            }
            ConsumerEvent::Topics(change) => self.topics.push(change),
            ConsumerEvent::Stalled(reason) => self.stalls.push(reason),
            ConsumerEvent::Recovered => self.recoveries += 1,
            ConsumerEvent::CommitDone(result) => self.commits.push(result),
            ConsumerEvent::Fatal(error) => self.fatal = Some(error),
        }
    }

    fn answer(&mut self) {
        match self.open.take() {
            Some((answer, wait)) if wait > 0 => self.open = Some((answer, wait - 1)),
            Some((Answer::Assign(starts), _)) => {
                for (at, _) in &starts {
                    self.began.remove(at);
                }
                self.consumer.assign(&starts).unwrap();
            }
            Some((Answer::Release(partitions), _)) => {
                let mine = |at: &TopicPartition| partitions.contains(at);
                let done: Positions =
                    self.next.iter().filter(|(at, _)| mine(at)).map(|(a, n)| (a.clone(), *n)).collect();
                // During an eager rebalance the mock rejects requests that Kafka accepts: duplicates, but no loss.
                let committed = self
                    .consumer
                    .commit_sync(&without_metadata(&done), Instant::now() + Duration::from_secs(5));
                assert!(committed.is_ok() || committed.is_err_and(|error| error.is_rebalance()));
                self.consumer.release().unwrap();
            }
            None => {}
        }
    }

    /// Polls until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + TIMEOUT;
        while !done(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}; fatal: {:?}", self.fatal);
            self.turn();
        }
    }

    /// Polls for a while, for things that must not happen.
    fn linger(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
        }
    }

    fn owned(&self) -> BTreeSet<i32> {
        self.consumer.assigned().iter().map(|at| at.partition).collect()
    }

    fn commit(&self) {
        self.consumer.commit_sync(&without_metadata(&self.next), Instant::now() + TIMEOUT).unwrap();
    }

    fn close(self) {
        assert!(self.consumer.close(TIMEOUT));
    }
}
