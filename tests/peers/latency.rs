//! How long a record takes from the producer to the output file, and what that costs at a low rate.
//!
//! The producer and the reader of the file are in this process, so both use the same clock. A record's time begins when it is passed to
//! the producer.

use std::{
    fs::File,
    io::Read,
    ops::Range,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rdkafka::producer::BaseProducer;
use serde_json::Value as Json;
use tidegate_tests::{
    TIMEOUT,
    kafka::{Kafka, RejectedCount, flush, send},
};

use crate::{
    Scale,
    case::{connect_file_sink, file_sink},
    load::{PARTITIONS, number, small},
    process::usage,
    tidegate, worker,
};

type Producer = BaseProducer<RejectedCount>;

/// Records per second.
pub(crate) const RATES: [u64; 2] = [200, 20_000];
/// Seconds at the rate before the measurement begins.
const WARM_UP: u64 = 5;
/// How often the reader looks for new lines.
const STEP: Duration = Duration::from_micros(200);

/// Times from the producer to the file, and the CPU of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) program: &'static str,
    pub(crate) rate: u64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) maximum: Duration,
    /// Share of a core.
    pub(crate) cpu: f64,
}

/// Measures both programs at both rates.
pub(crate) fn measure(kafka: &Kafka, scale: Scale) -> Vec<Latency> {
    let mut found = Vec::new();
    for rate in RATES {
        eprintln!("latency at {rate} records per second");
        found.push(of_tidegate(kafka, rate, scale.latency_seconds));
        found.push(of_connect(kafka, rate, scale.latency_seconds));
    }
    found
}

fn of_tidegate(kafka: &Kafka, rate: u64, seconds: u64) -> Latency {
    let topic = format!("latency-tidegate-{rate}");
    kafka.create_topic(&topic, PARTITIONS, 1);
    let home = tidegate::home();
    home.connector(
        "latency",
        &format!("[source]\ntopics = [\"{topic}\"]\n{}", file_sink(tidegate::OUT, "raw")),
    );
    let running = home.start_on(&kafka.servers(), &[]);
    Measured { kafka, topic: &topic, out: &tidegate::out(&home), pid: running.pid() }
        .run("Tidegate", rate, seconds)
}

fn of_connect(kafka: &Kafka, rate: u64, seconds: u64) -> Latency {
    let topic = format!("latency-connect-{rate}");
    kafka.create_topic(&topic, PARTITIONS, 1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("out");
    let config = Json::Object(connect_file_sink(&topic, &out.display().to_string()));
    let worker = worker::start(kafka, &[], &[(format!("latency-{rate}"), config)]);
    Measured { kafka, topic: &topic, out: &out, pid: worker.pid() }.run("Kafka Connect", rate, seconds)
}

/// A process that writes the records of a topic to a file.
struct Measured<'t> {
    kafka: &'t Kafka,
    topic: &'t str,
    out: &'t Path,
    pid: u32,
}

impl Measured<'_> {
    fn run(&self, program: &'static str, rate: u64, seconds: u64) -> Latency {
        let skipped = 1 + (rate * WARM_UP) as usize;
        let records = skipped + (rate * seconds) as usize;
        let sent: Vec<AtomicU64> = (0..records).map(|_| AtomicU64::new(0)).collect();
        let clock = Instant::now();
        // Until the program reads: the first record finds it with all its partitions.
        let linger = if rate > 1000 { "1" } else { "0" };
        let producer = self.kafka.producer(&[("linger.ms", linger)]);
        let send = |range| self.send(&producer, &sent, range, rate, clock);
        send(0..1);
        let mut file = wait_for_file(self.out);
        let mut cpu = Duration::ZERO;
        let received = thread::scope(|scope| {
            let reader = scope.spawn(|| receive(&mut file, records, clock));
            send(1..skipped);
            let before = usage(self.pid).cpu;
            send(skipped..records);
            cpu = usage(self.pid).cpu - before;
            reader.join().expect("all records are in the file")
        });
        let mut times: Vec<u64> = received
            .iter()
            .zip(&sent)
            .skip(skipped)
            .map(|(received, sent)| received.saturating_sub(sent.load(Ordering::Relaxed)))
            .collect();
        times.sort_unstable();
        let at = |share: f64| Duration::from_nanos(times[((times.len() - 1) as f64 * share) as usize]);
        let latency = Latency {
            program,
            rate,
            p50: at(0.5),
            p99: at(0.99),
            maximum: at(1.0),
            cpu: cpu.as_secs_f64() / seconds as f64,
        };
        eprintln!("    {program}: p50 {:?}, p99 {:?}, CPU {:.3}", latency.p50, latency.p99, latency.cpu);
        latency
    }

    /// Sends records at a rate, at most a millisecond's worth at a time; notes when each is passed to the producer.
    fn send(&self, producer: &Producer, sent: &[AtomicU64], range: Range<usize>, rate: u64, clock: Instant) {
        let started = Instant::now();
        let first = range.start;
        for index in range {
            let due = Duration::from_nanos((index - first) as u64 * 1_000_000_000 / rate);
            let early = due.saturating_sub(started.elapsed());
            if early > Duration::from_millis(1) || (rate <= 1000 && !early.is_zero()) {
                thread::sleep(early);
            }
            let text = small(index);
            sent[index].store(clock.elapsed().as_nanos() as u64, Ordering::Relaxed);
            send(producer, self.topic, Some(index as i32 % PARTITIONS), None, Some(&text));
        }
        flush(producer);
    }
}

/// Opens a file as soon as it has something.
fn wait_for_file(path: &Path) -> File {
    let there = tidegate_tests::wait_for(|| path.metadata().ok().filter(|metadata| metadata.len() > 0));
    there.unwrap_or_else(|reason| panic!("{}: {reason}", path.display()));
    File::open(path).expect("a file")
}

/// When each record was found in the file, in nanoseconds of the clock.
fn receive(file: &mut File, records: usize, clock: Instant) -> Vec<u64> {
    let mut received = vec![0; records];
    let mut missing = records;
    let mut rest = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    let mut last = Instant::now();
    while missing > 0 {
        let read = file.read(&mut buffer).expect("a readable file");
        let now = clock.elapsed().as_nanos() as u64;
        if read == 0 {
            assert!(last.elapsed() < TIMEOUT, "{missing} records are missing");
            thread::sleep(STEP);
            continue;
        }
        last = Instant::now();
        rest.extend_from_slice(&buffer[..read]);
        let complete = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in rest[..complete].split_inclusive(|byte| *byte == b'\n') {
            let number = number(line).expect("a line of a small record");
            assert_eq!(received[number], 0, "the record {number} is in the file twice");
            received[number] = now;
            missing -= 1;
        }
        rest.drain(..complete);
    }
    received
}
