//! Records in batches: what is not taken comes with the next poll, and a wait can be ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use super::*;

/// Opens a consumer of a topic with one partition and so many records, which is assigned from its beginning.
fn consumer_with_records(count: usize) -> (EmbeddedBroker, Consumer) {
    let broker = broker("t", 1);
    produce(&broker, "t", 0..count);
    let consumer = Consumer::open(&settings(&broker, one("t"))).unwrap();
    consumer.join().unwrap();
    let deadline = Instant::now() + TIMEOUT;
    loop {
        assert!(Instant::now() < deadline);
        let polled = consumer.poll(TURN, COUNT, |record| panic!("offset {} came too early", record.offset()));
        if let Polled::Event(ConsumerEvent::Assigned(partitions)) = polled {
            let starts: Vec<_> = partitions.into_iter().map(|at| (at, StartAt::Beginning)).collect();
            consumer.assign(&starts).unwrap();
            return (broker, consumer);
        }
    }
}

/// Polls until `count` offsets were taken, at most `at_once` per poll.
fn take(consumer: &Consumer, at_once: usize, count: usize, offsets: &mut Vec<i64>) {
    let deadline = Instant::now() + TIMEOUT;
    let end = offsets.len() + count;
    while offsets.len() < end {
        assert!(Instant::now() < deadline, "{} of {end}", offsets.len());
        let most = end.min(offsets.len() + at_once);
        let _polled = consumer.poll(TURN, COUNT, |record| {
            offsets.push(record.offset());
            if offsets.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        assert!(offsets.len() <= most, "no record comes after the break");
    }
}

#[test]
fn records_that_are_not_taken_come_with_the_next_poll_in_order() {
    let (_broker, consumer) = consumer_with_records(300);
    let mut offsets = Vec::new();
    take(&consumer, 1, 20, &mut offsets);
    take(&consumer, 7, 80, &mut offsets);
    assert_eq!(consumer.positions()[&TopicPartition::new("t", 0)], 100);
    consumer.pause().unwrap();
    consumer.resume().unwrap();
    take(&consumer, 1000, 200, &mut offsets);
    assert_eq!(offsets, (0..300).collect::<Vec<_>>());
    assert!(consumer.close(TIMEOUT));
}

#[test]
fn records_that_were_kept_are_dropped_when_their_partition_is_rewound() {
    let (_broker, consumer) = consumer_with_records(100);
    let mut offsets = Vec::new();
    take(&consumer, 10, 10, &mut offsets);
    let partition = TopicPartition::new("t", 0);
    assert_eq!(consumer.positions()[&partition], 10, "records that were kept are not read");
    consumer.hold(&partition).unwrap();
    consumer.rewind(&[(partition.clone(), StartAt::Offset(5))]).unwrap();
    take(&consumer, 1000, 95, &mut offsets);
    assert_eq!(offsets, (0..10).chain(5..100).collect::<Vec<_>>());
    assert_eq!(consumer.positions()[&partition], 100);
    assert!(consumer.close(TIMEOUT));
}

#[test]
fn records_that_librdkafka_returns_again_by_itself_are_dropped() {
    let (broker, consumer) = consumer_with_records(100);
    let mut offsets = Vec::new();
    take(&consumer, 10, 10, &mut offsets);
    // As after a pause for a rebalance that came while records were taken out of the queue.
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("t", 0, rdkafka::Offset::Offset(0)).unwrap();
    rdkafka::consumer::Consumer::seek_partitions(&consumer.core.base, list, TIMEOUT).unwrap();
    take(&consumer, 1000, 90, &mut offsets);
    assert_eq!(offsets, (0..100).collect::<Vec<_>>());
    produce(&broker, "t", 100..110);
    take(&consumer, 1000, 10, &mut offsets);
    assert_eq!(offsets, (0..110).collect::<Vec<_>>());
    assert!(consumer.close(TIMEOUT));
}

#[test]
fn a_consumer_is_closed_although_records_were_kept() {
    let (_broker, consumer) = consumer_with_records(100);
    take(&consumer, 1, 1, &mut Vec::new());
    assert!(consumer.close(TIMEOUT));
}

#[test]
fn a_panic_while_records_are_taken_reaches_the_caller() {
    let (_broker, consumer) = consumer_with_records(10);
    let (mut offsets, mut panics, deadline) = (Vec::new(), 0, Instant::now() + TIMEOUT);
    while offsets.len() < 9 {
        assert!(Instant::now() < deadline, "{offsets:?}");
        let polled = catch_unwind(AssertUnwindSafe(|| {
            consumer.poll(TURN, COUNT, |record| {
                assert_ne!(record.offset(), 4, "this record");
                offsets.push(record.offset());
                ControlFlow::Continue(())
            })
        }));
        panics += usize::from(polled.is_err());
    }
    assert_eq!((offsets, panics), (vec![0, 1, 2, 3, 5, 6, 7, 8, 9], 1));
    assert!(consumer.close(TIMEOUT));
}

#[test]
fn a_wait_for_records_ends_when_it_is_told_to_and_when_there_is_an_event() {
    let (_broker, consumer) = consumer_with_records(0);
    let began = Instant::now();
    let waker = consumer.waker();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(100));
            waker.wake();
        });
        // Events of librdkafka may end waits too.
        while began.elapsed() < Duration::from_millis(100) {
            let _polled = consumer.poll(TIMEOUT, COUNT, |_| ControlFlow::Continue(()));
        }
    });
    let commits = without_metadata(&[(TopicPartition::new("t", 0), 0)].into());
    consumer.commit_async(&commits);
    loop {
        let polled = consumer.poll(TIMEOUT, COUNT, |_| ControlFlow::Continue(()));
        if matches!(polled, Polled::Event(ConsumerEvent::CommitDone(Ok(_)))) {
            break;
        }
    }
    assert!(began.elapsed() < TIMEOUT / 2, "no wait lasted for its whole time");
    assert!(consumer.close(TIMEOUT));
    // A stage may outlive the consumer.
    waker.wake();
}
