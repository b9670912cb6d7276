//! Batches that unpack to more than the consumer accepts.

use super::*;

const MEBIBYTE: usize = 1 << 20;
const CODECS: [&str; 4] = ["gzip", "snappy", "lz4", "zstd"];

/// Produces `count` records of zeros, each of this size, in one batch.
fn produce_batch(broker: &EmbeddedBroker, codec: &str, count: usize, size: usize) {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", broker.bootstrap_servers())
        .set("compression.type", codec)
        .set("linger.ms", "500")
        .set("message.max.bytes", "500000000")
        .set("batch.size", "500000000");
    let producer: BaseProducer = config.create().unwrap();
    let zeros = vec![0; size];
    for _ in 0..count {
        producer.send(BaseRecord::<(), _>::to("t").payload(&zeros)).unwrap();
    }
    producer.flush(TIMEOUT).unwrap();
}

/// What a consumer reads until it is at `end` or fails.
#[derive(Default)]
struct Read {
    offsets: Vec<i64>,
    skipped: Vec<SkippedBatch>,
    fatal: Option<String>,
}

fn read(broker: &EmbeddedBroker, on_oversized_batch: OnOversizedBatch, end: i64) -> Read {
    let settings =
        ConsumerSettings { on_oversized_batch, unpacked_bytes: 8 * MEBIBYTE, ..settings(broker, one("t")) };
    let consumer = Consumer::open(&settings).unwrap();
    consumer.join().unwrap();
    let (mut read, deadline) = (Read::default(), Instant::now() + TIMEOUT);
    let at = TopicPartition::new("t", 0);
    while read.fatal.is_none() && consumer.positions().get(&at).copied() < Some(end) {
        assert!(Instant::now() < deadline, "{:?} of {end}, {:?}", read.offsets, read.skipped);
        let polled = consumer.poll(TURN, COUNT, |record| {
            read.offsets.push(record.offset());
            ControlFlow::Continue(())
        });
        match polled {
            Polled::Event(ConsumerEvent::Assigned(partitions)) => {
                let starts: Vec<_> = partitions.into_iter().map(|at| (at, StartAt::Beginning)).collect();
                consumer.assign(&starts).unwrap();
            }
            Polled::Event(ConsumerEvent::Fatal(error)) => read.fatal = Some(error.to_string()),
            Polled::Skipped(batch) => read.skipped.push(batch),
            _ => {}
        }
    }
    assert!(consumer.close(TIMEOUT));
    read
}

#[test]
fn a_batch_that_unpacks_to_too_much_is_named() {
    for codec in CODECS {
        let broker = broker("t", 1);
        produce_batch(&broker, "none", 3, 10);
        produce_batch(&broker, codec, 12, MEBIBYTE);
        let read = read(&broker, OnOversizedBatch::Fail, 15);
        assert_eq!(read.offsets, [0, 1, 2], "{codec}");
        let error = read.fatal.expect("an error");
        for part in [
            "t-0 offset 3 cannot be read: the batch up to offset 14, ",
            &format!(" bytes in {codec}, unpacks to more than 8388608 bytes"),
            "raise `limits.memory`",
            "on_oversized_batch = \"skip\"",
        ] {
            assert!(error.contains(part), "{codec}: {error}");
        }
    }
}

#[test]
fn a_batch_that_unpacks_to_too_much_is_skipped_if_the_settings_say_so() {
    for codec in CODECS {
        let broker = broker("t", 1);
        produce_batch(&broker, "none", 3, 10);
        produce_batch(&broker, codec, 12, MEBIBYTE);
        produce_batch(&broker, codec, 2, 10);
        // At the end of the log, the position is behind it, too.
        produce_batch(&broker, codec, 9, MEBIBYTE);
        let read = read(&broker, OnOversizedBatch::Skip, 26);
        assert_eq!(read.offsets, [0, 1, 2, 15, 16], "{codec}: {:?} {:?}", read.fatal, read.skipped);
        assert_eq!(read.fatal, None, "{codec}");
        let skipped: Vec<_> =
            read.skipped.iter().map(|batch| (&*batch.topic, batch.partition, batch.offset)).collect();
        assert_eq!(skipped, [("t", 0, 3), ("t", 0, 17)], "{codec}");
        assert!(read.skipped[1].reason.starts_with("the batch up to offset 25, "), "{:?}", read.skipped);
    }
}

#[test]
fn batches_that_fit_one_by_one_are_all_read_in_order() {
    for codec in CODECS {
        let broker = broker("t", 1);
        for _ in 0..12 {
            produce_batch(&broker, codec, 5, MEBIBYTE);
        }
        let read = read(&broker, OnOversizedBatch::Fail, 60);
        assert_eq!(read.offsets, (0..60).collect::<Vec<_>>(), "{codec}: {:?}", read.fatal);
    }
}
