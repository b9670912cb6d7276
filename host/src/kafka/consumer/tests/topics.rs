//! Subscriptions by pattern: what is subscribed to, and how that follows the topics that there are.

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rdkafka::consumer::Consumer as _;

use super::*;

fn topics_of(task: &Task) -> BTreeSet<String> {
    task.consumer.assigned().into_iter().map(|at| at.topic).collect()
}

fn set(topics: &[&str]) -> BTreeSet<String> {
    topics.iter().map(|topic| (*topic).to_owned()).collect()
}

fn appears_and_goes(protocol: &str) {
    let broker = broker("cdc.a", 2);
    broker.create_topic("other", 1).unwrap();
    produce(&broker, "cdc.a", 0..100);
    let mut settings = settings(&broker, pattern(r"^cdc\.\w$"));
    settings.protocol = Protocol::Classic(protocol.to_owned());
    let mut task = Task::open(&settings);
    task.until("the first topic's records", |task| task.values.len() == 100);
    assert_eq!(task.topics[0].appeared, ["cdc.a"]);
    task.commit();
    broker.create_topic("cdc.b", 1).unwrap();
    produce(&broker, "cdc.b", 100..200);
    task.until("the second topic's records", |task| task.values.len() == 200);
    assert_eq!(topics_of(&task), set(&["cdc.a", "cdc.b"]));
    assert_eq!((task.topics[1].partitions, task.topics[1].appeared.clone()), (3, vec!["cdc.b".to_owned()]));
    task.commit();
    broker.delete_topic("cdc.b").unwrap();
    task.until("the end of the second topic", |task| task.topics.len() == 3);
    assert_eq!((task.topics[2].partitions, task.topics[2].gone.clone()), (2, vec!["cdc.b".to_owned()]));
    task.until("the partitions without it", |task| {
        topics_of(task) == set(&["cdc.a"]) && task.owned().len() == 2
    });
    produce(&broker, "cdc.a", 200..300);
    task.until("the first topic's new records", |task| (200..300).all(|n| task.values.contains_key(&n)));
    assert!(task.values.values().all(|&times| times == 1), "nothing is read twice");
    assert!(task.stalls.is_empty() && task.fatal.is_none(), "{:?} {:?}", task.stalls, task.fatal);
    task.close();
}

#[test]
fn topics_that_appear_are_read_and_those_that_are_deleted_leave_cooperatively() {
    appears_and_goes("cooperative-sticky");
}

#[test]
fn topics_that_appear_are_read_and_those_that_are_deleted_leave_eagerly() {
    appears_and_goes("range");
}

#[test]
fn a_pattern_that_matches_nothing_waits_outside_of_the_group_until_something_does() {
    let broker = broker("other", 1);
    let mut task = Task::open(&settings(&broker, pattern("^cdc[.]")));
    task.until("the reason", |task| !task.stalls.is_empty());
    assert_eq!(task.stalls, ["no topic matches ^cdc[.]; waiting for one to appear"]);
    assert_eq!(task.topics, [TopicsChange::default()]);
    task.linger(Duration::from_millis(700));
    assert_eq!(task.consumer.core.base.subscription().unwrap().count(), 0);
    broker.create_topic("cdc.a", 1).unwrap();
    produce(&broker, "cdc.a", 0..10);
    task.until("its records", |task| task.values.len() == 10);
    assert_eq!((task.stalls.len(), task.recoveries), (1, 1));
    // The last one goes, and another comes.
    broker.delete_topic("cdc.a").unwrap();
    task.until("the reason again", |task| task.stalls.len() == 2);
    task.until("the end of the assignment", |task| task.owned().is_empty());
    broker.create_topic("cdc.b", 1).unwrap();
    produce(&broker, "cdc.b", 10..20);
    task.until("its records", |task| task.values.len() == 20);
    assert_eq!(task.recoveries, 2);
    task.close();
}

#[test]
fn two_tasks_share_the_topics_of_a_pattern_also_those_that_appear() {
    let broker = broker("cdc.a", 2);
    let mut settings = settings(&broker, pattern("^cdc[.]"));
    let mut first = Task::open(&settings);
    settings.task = 1;
    let mut second = Task::open(&settings);
    broker.create_topic("cdc.b", 4).unwrap();
    let deadline = Instant::now() + TIMEOUT;
    while first.consumer.assigned().len() + second.consumer.assigned().len() < 6 {
        assert!(
            Instant::now() < deadline,
            "{:?} {:?}",
            first.consumer.assigned(),
            second.consumer.assigned()
        );
        first.turn();
        second.turn();
    }
    produce(&broker, "cdc.a", 0..100);
    produce(&broker, "cdc.b", 100..200);
    while first.values.len() + second.values.len() < 200 {
        assert!(Instant::now() < deadline, "{} {}", first.values.len(), second.values.len());
        first.turn();
        second.turn();
    }
    first.close();
    second.close();
}

#[test]
fn an_outage_takes_nothing_from_the_subscription() {
    let broker = broker("cdc.a", 1);
    let mut task = Task::open(&settings(&broker, pattern("^cdc[.]")));
    task.until("the topic", |task| task.owned().len() == 1);
    broker.set_reachable(false).unwrap();
    task.until("the outage", |task| !task.stalls.is_empty());
    task.linger(Duration::from_secs(3));
    broker.set_reachable(true).unwrap();
    produce(&broker, "cdc.a", 0..10);
    task.until("records after the outage", |task| task.values.len() == 10);
    assert_eq!(task.topics.len(), 1, "{:?}", task.topics);
    task.close();
}

#[test]
fn random_patterns_subscribe_to_what_the_check_says() {
    let names = [
        "__consumer_offsets",
        "__transaction_state",
        "__debezium-heartbeat.cdc",
        "_schemas",
        "cdc",
        "cdc.public.orders",
        "cdc.public.orders2",
        "CDC.public.orders",
        "dlq.cdc",
        "orders",
    ];
    let broker = broker(names[0], 1);
    names[1..].iter().for_each(|name| assert!(broker.create_topic(name, 1).unwrap()));
    let pieces = proptest::sample::select(vec![
        "cdc",
        "__",
        "orders",
        r"\d?",
        ".*",
        ".*?",
        r"\w+",
        "[.]",
        "(?i:CDC)",
        "|",
        "$",
        "(public|dlq).",
    ]);
    let patterns = proptest::collection::vec(pieces, 1..4);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&patterns, |pieces| {
            let text = format!("^{}", pieces.concat());
            let Topics::Pattern(pattern) = pattern(&text) else { unreachable!() };
            let said: BTreeSet<String> =
                names.iter().filter(|name| pattern.takes(name)).map(|name| (*name).to_owned()).collect();
            let mut settings = settings(&broker, Topics::Pattern(pattern));
            settings.group_id = format!("group of {text}");
            let mut task = Task::open(&settings);
            task.until("what matches", |task| !task.topics.is_empty());
            task.until("the partitions", |task| task.consumer.assigned().len() >= said.len());
            let subscription = task.consumer.core.base.subscription().unwrap();
            let subscribed: BTreeSet<String> =
                subscription.elements().iter().map(|element| element.topic().to_owned()).collect();
            let read = topics_of(&task);
            task.close();
            if (&subscribed, &read) == (&said, &said) {
                return Ok(());
            }
            Err(TestCaseError::fail(format!(
                "{text}: said {said:?}, subscribed {subscribed:?}, read {read:?}"
            )))
        })
        .unwrap();
}
