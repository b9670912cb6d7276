//! Produces records with known content, and checks every acknowledgement.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use tidegate_tests::kafka::{Kafka, flush, send};

use crate::scene::TOPIC;

/// Records per second.
const RATE: u32 = 400;
const TICK: Duration = Duration::from_millis(25);
/// Number of keys. Each key has its own sequence of numbers.
const KEYS: usize = 97;

/// Produces records until it is stopped. Returns their number, after all of them are acknowledged.
pub(crate) fn run(kafka: &Kafka, seed: u64, stop: &AtomicBool) -> u64 {
    let producer = kafka.producer(&[("delivery.timeout.ms", "600000")]);
    let mut rng = Rng::with_seed(seed);
    let (mut numbers, mut sent, began) = ([0_u64; KEYS], 0_u64, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * f64::from(RATE)) as u64;
        while sent < due {
            let key = rng.usize(..KEYS);
            let value = value(&mut rng, key, numbers[key]);
            send(&producer, TOPIC, None, Some(&format!("k{key}")), Some(&value));
            numbers[key] += 1;
            sent += 1;
        }
        thread::sleep(TICK);
    }
    flush(&producer);
    sent
}

/// The value of a record. One in two hundred is rejected by the sinks, and as many cannot be decoded.
fn value(rng: &mut Rng, key: usize, number: u64) -> String {
    match rng.u32(..400) {
        0 | 1 => format!(r#"{{"key":"k{key}","number":{number},"bad":true}}"#),
        2 | 3 => format!("no JSON: k{key} {number}"),
        _ => format!(r#"{{"key":"k{key}","number":{number},"bad":false}}"#),
    }
}

/// Whether the decoder or the sink must reject this value.
pub(crate) fn is_bad(value: &[u8]) -> bool {
    !value.ends_with(br#""bad":false}"#)
}

/// The number in a value.
pub(crate) fn number(value: &str) -> Option<u64> {
    let text = value.split_once("\"number\":").map(|(_, rest)| rest);
    let text = text.or_else(|| value.rsplit_once(' ').map(|(_, number)| number))?;
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}
