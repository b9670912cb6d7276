//! Rebalances: deferred answers, joining, leaving, pausing, closing.

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;

use super::*;
use crate::kafka::ffi;

/// Polls once; there must be no records.
fn event(consumer: &Consumer) -> Option<ConsumerEvent> {
    match consumer.poll(TURN, COUNT, |record| panic!("offset {} came too early", record.offset())) {
        Polled::Event(event) => Some(event),
        _ => None,
    }
}

/// Two tasks share a topic while records arrive; each lets every rebalance wait for a while.
fn joining_and_leaving(strategy: &str) {
    let broker = broker("t", 4);
    let mut settings = settings(&broker, one("t"));
    settings.protocol = Protocol::Classic(strategy.to_owned());
    let mut first = Task::open(&settings);
    first.reluctance = 10;
    produce(&broker, "t", 0..500);
    first.until("the first records", |task| task.values.len() == 500);
    assert_eq!(first.owned().len(), 4);
    first.commit();

    settings.task = 1;
    let mut second = Task::open(&settings);
    second.reluctance = 10;
    let deadline = Instant::now() + TIMEOUT;
    while first.owned().len() != 2 || second.owned().len() != 2 {
        assert!(Instant::now() < deadline, "{:?} and {:?}", first.owned(), second.owned());
        first.turn();
        second.turn();
    }
    assert!(first.owned().is_disjoint(&second.owned()));
    produce(&broker, "t", 500..1000);
    let all = |first: &Task, second: &Task| {
        first.values.keys().chain(second.values.keys()).collect::<BTreeSet<_>>().len()
    };
    while all(&first, &second) < 1000 {
        assert!(Instant::now() < deadline, "{} records", all(&first, &second));
        first.turn();
        second.turn();
    }
    assert!(second.values.len() > 50, "the second task reads its share");

    second.commit();
    second.close();
    first.until("the partitions of the task that left", |task| task.owned().len() == 4);
    produce(&broker, "t", 1000..1500);
    first.until("the last records", |task| (1000..1500).all(|n| task.values.contains_key(&n)));
    assert!(first.fatal.is_none());
    first.close();
}

#[test]
fn nothing_is_lost_when_tasks_join_and_leave_cooperatively() {
    joining_and_leaving("cooperative-sticky");
}

#[test]
fn nothing_is_lost_when_tasks_join_and_leave_eagerly() {
    joining_and_leaving("range");
}

#[test]
fn an_assignment_waits_for_its_answer() {
    let broker = broker("t", 2);
    produce(&broker, "t", 0..100);
    let mut settings = settings(&broker, one("t"));
    settings.properties.insert("session.timeout.ms".to_owned(), "1500".to_owned());
    let consumer = Consumer::open(&settings).unwrap();
    consumer.join().unwrap();
    let deadline = Instant::now() + TIMEOUT;
    let partitions = loop {
        assert!(Instant::now() < deadline);
        if let Some(ConsumerEvent::Assigned(partitions)) = event(&consumer) {
            break partitions;
        }
    };
    assert_eq!(partitions.len(), 2);
    // Longer than the session: polling is what keeps the membership, not the answer.
    let answer_at = Instant::now() + Duration::from_secs(3);
    while Instant::now() < answer_at {
        let event = event(&consumer);
        assert!(event.is_none(), "{event:?} before the answer");
    }
    let incomplete = consumer.assign(&[(partitions[0].clone(), StartAt::Beginning)]).unwrap_err();
    assert!(matches!(incomplete, ConsumerError::NoStart { partition } if partition == partitions[1]));
    let starts: Vec<_> = partitions.iter().map(|at| (at.clone(), StartAt::Offset(10))).collect();
    consumer.assign(&starts).unwrap();
    let mut firsts = BTreeMap::new();
    while firsts.len() < 2 {
        assert!(Instant::now() < deadline);
        let _polled = consumer.poll(TURN, COUNT, |record| {
            firsts.entry(record.partition()).or_insert(record.offset());
            ControlFlow::Continue(())
        });
    }
    assert_eq!(firsts, BTreeMap::from([(0, 10), (1, 10)]));
    assert!(matches!(consumer.assign(&starts), Err(ConsumerError::Superseded)));
    consumer.release().unwrap();
    assert_eq!(consumer.assigned(), partitions, "there was nothing to release");
    assert!(consumer.close(TIMEOUT));
}

#[test]
fn partitions_lost_by_not_polling_are_reported_and_given_again() {
    for strategy in ["cooperative-sticky", "range"] {
        let broker = broker("t", 2);
        produce(&broker, "t", 0..100);
        let mut settings = settings(&broker, one("t"));
        settings.protocol = Protocol::Classic(strategy.to_owned());
        for name in ["session.timeout.ms", "max.poll.interval.ms"] {
            settings.properties.insert(name.to_owned(), "1500".to_owned());
        }
        let mut task = Task::open(&settings);
        task.until("the records", |task| task.values.len() == 100);
        task.commit();
        std::thread::sleep(Duration::from_secs(4));
        task.until("the loss", |task| task.lost == 1);
        assert_eq!(task.owned().len(), 0);
        task.until("the partitions again", |task| task.owned().len() == 2);
        task.values.clear();
        produce(&broker, "t", 100..110);
        task.until("the new records", |task| (100..110).all(|n| task.values.contains_key(&n)));
        assert!(task.values.keys().all(|&n| n >= 100), "it goes on where it committed");
        task.close();
    }
}

#[test]
fn closing_does_not_wait_for_an_answer_and_frees_the_partitions() {
    let broker = broker("t", 2);
    for strategy in ["cooperative-sticky", "range"] {
        let mut settings = settings(&broker, one("t"));
        settings.protocol = Protocol::Classic(strategy.to_owned());
        settings.group_id = strategy.to_owned();
        let consumer = Consumer::open(&settings).unwrap();
        consumer.join().unwrap();
        let deadline = Instant::now() + TIMEOUT;
        while !matches!(event(&consumer), Some(ConsumerEvent::Assigned(_))) {
            assert!(Instant::now() < deadline);
        }
        let resolver = consumer.offset_resolver();
        assert!(consumer.close(Duration::from_secs(9)), "it left well before its session timed out");
        let asked = resolver.partitions("t", Instant::now() + TIMEOUT);
        assert!(matches!(asked, Err(ConsumerError::Closed)), "{asked:?}");
        let mut heir = Task::open(&settings);
        heir.until("the partitions", |task| task.owned().len() == 2);
        heir.close();
    }
}

#[test]
fn a_dropped_consumer_leaves_its_group() {
    let broker = broker("t", 2);
    let mut settings = settings(&broker, one("t"));
    // Longer than the test waits, so the next consumer gets both partitions only if the first has left.
    for name in ["session.timeout.ms", "max.poll.interval.ms"] {
        settings.properties.insert(name.to_owned(), "600000".to_owned());
    }
    let mut task = Task::open(&settings);
    task.until("the partitions", |task| task.owned().len() == 2);
    drop(task);
    let mut next = Task::open(&settings);
    next.until("the partitions", |task| task.owned().len() == 2);
    next.close();
}

#[test]
fn pausing_holds_messages_back_also_of_partitions_that_come_later() {
    let broker = broker("t", 2);
    let mut task = Task::open(&settings(&broker, one("t")));
    task.consumer.pause().unwrap();
    produce(&broker, "t", 0..100);
    task.until("the partitions", |task| task.owned().len() == 2);
    task.linger(Duration::from_millis(700));
    assert_eq!(task.values.len(), 0);
    task.consumer.resume().unwrap();
    task.until("the records", |task| task.values.len() == 100);
    task.consumer.pause().unwrap();
    assert!(task.consumer.is_paused());
    produce(&broker, "t", 100..200);
    task.linger(Duration::from_millis(700));
    assert_eq!(task.values.len(), 100);
    task.consumer.resume().unwrap();
    task.until("the rest", |task| task.values.len() == 200);
    assert!(task.values.values().all(|&times| times == 1));
    task.close();
}

#[test]
fn a_held_partition_is_read_again_from_where_it_is_told_and_the_other_goes_on() {
    let broker = broker("t", 2);
    produce(&broker, "t", 0..100);
    let mut task = Task::open(&settings(&broker, one("t")));
    task.until("the records", |task| task.values.len() == 100);
    let held = TopicPartition::new("t", 0);
    task.consumer.hold(&held).unwrap();
    let end = task.next[&held];
    task.began.clear();
    produce(&broker, "t", 100..200);
    task.until("the other partition's records", |task| task.began.contains_key(&TopicPartition::new("t", 1)));
    // Pausing and resuming the rest does not let it go.
    task.consumer.pause().unwrap();
    task.consumer.resume().unwrap();
    task.linger(Duration::from_millis(700));
    assert_eq!(task.next[&held], end);
    task.consumer.rewind(&[(held.clone(), StartAt::Offset(end - 10))]).unwrap();
    task.until("all records", |task| task.values.len() == 200);
    assert_eq!(task.began[&held], end - 10);
    assert_eq!(task.values.values().filter(|&&times| times == 2).count(), 10);
    task.close();
}

#[test]
fn a_group_whose_broker_assigns_shares_its_partitions() {
    let broker = broker("t", 4);
    produce(&broker, "t", 0..100);
    let mut settings = settings(&broker, one("t"));
    settings.protocol = Protocol::Consumer;
    for name in ["session.timeout.ms", "heartbeat.interval.ms"] {
        settings.properties.remove(name);
    }
    let mut first = Task::open(&settings);
    first.until("the records", |task| task.values.len() == 100);
    first.commit();
    let mut second = Task::open(&settings);
    let deadline = Instant::now() + TIMEOUT;
    while second.owned().is_empty() || first.owned().len() == 4 {
        assert!(Instant::now() < deadline, "{:?} and {:?}", first.owned(), second.owned());
        first.linger(TURN);
        second.linger(TURN);
    }
    first.close();
    second.until("all partitions", |task| task.owned().len() == 4);
    produce(&broker, "t", 100..120);
    second.until("the new records", |task| (100..120).all(|n| task.values.contains_key(&n)));
    assert!(second.values.keys().all(|&n| n >= 100), "it goes on where the first has committed");
    second.close();
}

/// Deleting groups on such brokers ends the process.
#[test]
fn brokers_that_cannot_describe_groups_are_an_error() {
    let broker = broker("described", 1);
    let consumer = Consumer::open(&settings(&broker, one("described"))).unwrap();
    let described = ffi::describe_group(consumer.core.base.client(), &consumer.core.group, TIMEOUT);
    assert_eq!(described, Err(RDKafkaErrorCode::UnsupportedFeature));
}
