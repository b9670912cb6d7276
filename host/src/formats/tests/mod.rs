//! Tests of the whole room, through the interface that the pipeline uses.

mod apicurio;
mod captures;
mod changes;
mod control;
mod damaged;
mod envelopes;
mod event_properties;
mod flattened;
mod foreign;
mod incomplete;
mod memory;
mod mongodb;
mod odd;
mod properties;
mod registered_captures;
mod rows;
mod schema_memory;
mod sources;
mod text;
mod tools;
mod types;

use std::sync::Arc;

use tidegate_abi::{
    Record, Value,
    host::{Batch, NewRecord},
};

use super::{DecoderOptions, Format, Hints, RecordDecoder};

/// A decoder of JSON without hints. Like all here, it passes on control events, so that tests see them.
fn json_decoder() -> RecordDecoder {
    with_hints(Hints::default())
}

fn with_hints(hints: Hints) -> RecordDecoder {
    RecordDecoder::new(DecoderOptions { hints, pass_control_events: true, ..DecoderOptions::default() })
}

/// Key and value.
type Payloads<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Decodes records of one partition of `shop.public.t`.
fn decode_with(decoder: &mut RecordDecoder, records: &[Payloads<'_>]) -> Batch {
    let mut batch = Batch::new();
    let slot = batch.slot(&Arc::from("shop.public.t"), 0, 1);
    for ((key, value), offset) in records.iter().zip(0..) {
        let record = NewRecord { offset, timestamp_ms: None, key: *key, value: *value };
        batch.push(slot, record, std::iter::empty());
    }
    batch.decode(decoder);
    batch
}

/// A record with headers, as JSON.
#[derive(Clone, Copy, Default)]
struct Message<'a> {
    key: Option<&'a str>,
    value: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
}

/// Decodes messages of one partition of `topic`, from `offset` on.
fn decode_messages(decoder: &mut RecordDecoder, topic: &str, offset: i64, messages: &[Message<'_>]) -> Batch {
    let mut batch = Batch::new();
    let slot = batch.slot(&Arc::from(topic), 0, 1);
    for (message, offset) in messages.iter().zip(offset..) {
        let (key, value) = (message.key.map(str::as_bytes), message.value.map(str::as_bytes));
        let headers: Vec<_> =
            message.headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
        batch.push(slot, NewRecord { offset, timestamp_ms: None, key, value }, headers.into_iter());
    }
    batch.decode(decoder);
    batch
}

fn decode(values: &[&str]) -> Batch {
    let records: Vec<_> = values.iter().map(|value| (None, Some(value.as_bytes()))).collect();
    decode_with(&mut json_decoder(), &records)
}

/// Why the only record was refused.
#[track_caller]
fn refusal(value: &[u8]) -> String {
    let batch = decode_with(&mut json_decoder(), &[(None, Some(value))]);
    match batch.rejected() {
        [rejected] => rejected.reason.clone(),
        _ => panic!("{} was accepted", String::from_utf8_lossy(value)),
    }
}

#[track_caller]
fn only(batch: &Batch) -> Record<'_> {
    assert_eq!(batch.rejected(), []);
    batch.record(0).unwrap()
}

fn to_json(value: Value<'_>) -> String {
    let mut text = String::new();
    value.write_json(&mut text).unwrap();
    text
}

/// What the decoder noted since the last time: cause, how often, and the message if it is new.
fn notices(decoder: &mut RecordDecoder) -> Vec<String> {
    let mut all = Vec::new();
    decoder.drain_notices(|notice| {
        let message = notice.message.map(|message| format!(": {message}")).unwrap_or_default();
        all.push(format!("{} {}{message}", notice.cause.0, notice.count));
    });
    all
}
