//! Commits, and where partitions start.

use rdkafka::client::ClientContext as _;
use rdkafka::config::RDKafkaLogLevel;

use super::*;

#[test]
fn a_committed_position_is_where_the_next_task_goes_on() {
    let broker = broker("t", 3);
    produce(&broker, "t", 0..300);
    let settings = settings(&broker, one("t"));
    let mut task = Task::open(&settings);
    task.until("the records", |task| task.values.len() == 300);
    task.commit();
    task.close();
    produce(&broker, "t", 300..400);
    let mut task = Task::open(&settings);
    task.until("the new records", |task| task.values.len() == 100);
    task.linger(Duration::from_millis(300));
    assert_eq!(task.values.keys().copied().collect::<Vec<_>>(), (300..400).collect::<Vec<_>>());
    task.close();
}

#[test]
fn commits_in_the_background_report_what_they_committed() {
    let broker = broker("t", 2);
    produce(&broker, "t", 0..100);
    let settings = settings(&broker, one("t"));
    let mut task = Task::open(&settings);
    task.until("the records", |task| task.values.len() == 100);
    for next in 1..=20 {
        task.consumer
            .commit_async(&without_metadata(&Positions::from([(TopicPartition::new("t", 0), next)])));
    }
    task.consumer.commit_async(&without_metadata(&Positions::from([(TopicPartition::new("t", 1), 7)])));
    let expected = Positions::from([(TopicPartition::new("t", 0), 20), (TopicPartition::new("t", 1), 7)]);
    let reported = |task: &Task| {
        let done = task.commits.iter().filter_map(|result| result.as_ref().ok());
        done.flatten().map(|(at, next)| (at.clone(), *next)).collect::<Positions>()
    };
    task.until("the report", |task| reported(task) == expected);
    assert!(task.commits.len() < 21, "commits are coalesced");
    let deadline = Instant::now() + TIMEOUT;
    let committed = task.consumer.offset_resolver().committed(&task.consumer.assigned(), deadline).unwrap();
    assert_eq!(committed, without_metadata(&expected));
    task.close();
}

#[test]
fn a_commit_is_retried_after_an_outage_and_a_waiting_one_keeps_its_deadline() {
    let broker = broker("t", 1);
    produce(&broker, "t", 0..10);
    let mut task = Task::open(&settings(&broker, one("t")));
    task.until("the records", |task| task.values.len() == 10);
    broker.set_reachable(false).unwrap();
    let late =
        task.consumer.commit_sync(&without_metadata(&task.next), Instant::now() + Duration::from_millis(300));
    assert!(late.is_err());
    broker.set_reachable(true).unwrap();
    task.until("the commit", |task| task.commits.iter().any(Result::is_ok));
    let committed =
        task.consumer.offset_resolver().committed(&task.consumer.assigned(), Instant::now() + TIMEOUT);
    assert_eq!(committed.unwrap(), without_metadata(&Positions::from([(TopicPartition::new("t", 0), 10)])));
    task.close();
}

#[test]
fn a_new_group_begins_at_the_end_when_told_so_and_keeps_that_for_all_partitions() {
    let broker = broker("t", 4);
    produce(&broker, "t", 0..200);
    let settings = settings(&broker, one("t"));
    let mut task = Task::open(&settings);
    task.start = Start::Latest;
    task.until("the partitions", |task| task.owned().len() == 4);
    task.linger(Duration::from_millis(300));
    assert_eq!(task.values.len(), 0);
    // It ends without having read anything: what arrives meanwhile is not "before the group began".
    task.close();
    produce(&broker, "t", 200..300);
    let mut task = Task::open(&settings);
    task.start = Start::Latest;
    task.until("what arrived meanwhile", |task| task.values.len() == 100);
    assert!(task.values.keys().all(|&n| n >= 200));
    task.close();
}

#[test]
fn a_partition_that_was_added_later_begins_at_its_beginning() {
    let broker = broker("t", 2);
    produce(&broker, "t", 0..100);
    let mut task = Task::open(&settings(&broker, one("t")));
    task.until("the records", |task| task.values.len() == 100);
    // As if partition 1 had not existed yet when the group committed.
    let old = Positions::from([(TopicPartition::new("t", 0), 5)]);
    task.consumer.commit_sync(&without_metadata(&old), Instant::now() + TIMEOUT).unwrap();
    let (resolver, both) = (task.consumer.offset_resolver(), task.consumer.assigned());
    let deadline = Instant::now() + TIMEOUT;
    let resolved = resolver.resolve_starts(&both, &HashMap::new(), Start::Latest, deadline).unwrap();
    assert_eq!(
        resolved.starts,
        [(both[0].clone(), StartAt::Offset(5)), (both[1].clone(), StartAt::Beginning)]
    );
    assert_eq!(resolved.origins, [StartOrigin::Committed, StartOrigin::OthersCommitted]);
    task.close();
}

#[test]
fn what_the_sink_has_stored_counts_more_than_what_the_group_has_committed() {
    let broker = broker("t", 2);
    produce(&broker, "t", 0..100);
    let settings = settings(&broker, one("t"));
    let mut task = Task::open(&settings);
    task.until("the records", |task| task.values.len() == 100);
    task.commit();
    task.close();
    produce(&broker, "t", 100..200);
    let mut task = Task::open(&settings);
    task.stored = HashMap::from([(TopicPartition::new("t", 0), 3)]);
    let began = |task: &Task, partition| task.began.get(&TopicPartition::new("t", partition)).copied();
    task.until("both partitions", |task| began(task, 0).is_some() && began(task, 1).is_some());
    assert_eq!(began(&task, 0), Some(3));
    let (_, end) = task
        .consumer
        .offset_resolver()
        .watermarks(&TopicPartition::new("t", 1), Instant::now() + TIMEOUT)
        .unwrap();
    assert!(began(&task, 1).is_some_and(|first| first > 20 && first < end), "{:?}", task.began);
    task.close();
}

#[test]
fn a_position_outside_the_log_is_named_and_not_skipped() {
    let broker = broker("t", 2);
    produce(&broker, "t", 0..100);
    let mut task = Task::open(&settings(&broker, one("t")));
    task.stored = HashMap::from([(TopicPartition::new("t", 1), 5000)]);
    task.until("the error", |task| task.fatal.is_some());
    let error = task.fatal.take().unwrap();
    let ConsumerError::OutOfRange { partition, position: 5000, earliest: 0, latest, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*partition, TopicPartition::new("t", 1));
    assert!((1..100).contains(latest));
    let text = error.to_string();
    assert!(text.contains("position 5000 of t-1") && text.contains("--topic t:1"), "{text}");
    task.linger(Duration::from_millis(300));
    assert!(task.fatal.is_none(), "it is told once");
    task.close();
}

#[test]
fn what_is_kept_beside_an_offset_comes_back_with_it() {
    let broker = broker("t", 2);
    produce(&broker, "t", 0..10);
    let mut task = Task::open(&settings(&broker, one("t")));
    task.until("the records", |task| task.values.len() == 10);
    let both = task.consumer.assigned();
    let commit = |offset, metadata: &[u8]| Commit { offset, metadata: metadata.into(), is_foreign: false };
    let commits =
        Commits::from([(both[0].clone(), commit(3, &[0, 1, 255])), (both[1].clone(), commit(2, &[]))]);
    let deadline = Instant::now() + TIMEOUT;
    task.consumer.commit_sync(&commits, deadline).unwrap();
    let resolved = task
        .consumer
        .offset_resolver()
        .resolve_starts(&both, &HashMap::new(), Start::Earliest, deadline)
        .unwrap();
    let starts = [(both[0].clone(), StartAt::Offset(3)), (both[1].clone(), StartAt::Offset(2))];
    assert_eq!(resolved.starts, starts);
    assert_eq!(resolved.committed, commits);
    task.close();
}

#[test]
fn by_default_a_topic_that_is_created_again_while_it_is_read_is_an_error() {
    let broker = broker("t", 2);
    produce(&broker, "t", 0..100);
    let mut task = Task::open(&settings(&broker, one("t")));
    task.until("the records", |task| task.values.len() == 100);
    // As librdkafka logs it when its metadata changes.
    let line = "[thrd:main]: Topic t changed id from AAAAAAAAAAAAAAAAAAAAAA to PZK0cLFURCygLkJwpZnIVw";
    task.consumer.context().log(RDKafkaLogLevel::Debug, "METADATA", line);
    task.until("the error", |task| task.fatal.is_some());
    let error = task.fatal.take().unwrap().to_string();
    assert!(error.contains("topic t was deleted and created again"), "{error}");
    task.close();
}
