//! What the fuzz targets share: decoders with a registry of the fixtures' schemas, and seeds.
//!
//! `formats` is the host's module. As a part of this crate it compiles without the host's other dependencies, and its parts
//! that are not public can be called.

#[allow(dead_code, unused_imports, unreachable_pub, reason = "the host uses the rest")]
#[path = "../../host/src/formats/mod.rs"]
mod formats;
#[allow(dead_code, unreachable_pub, reason = "the host's tests use the rest")]
#[path = "../../tests/support/registry_stub.rs"]
mod registry_stub;

mod fixtures;
pub mod json;
pub mod order_state;
pub mod registered;
pub mod schemas;
mod seeds;
pub mod wire;

use std::sync::Arc;

use tidegate_abi::host::{Batch, NewRecord};

use formats::RecordDecoder;

/// What a batch keeps of its memory for the next input.
const KEPT: usize = 1 << 20;

/// Key, value and headers of a record.
#[derive(Clone, Copy, Default)]
struct Message<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// A decoder with its batch.
struct Task {
    decoder: RecordDecoder,
    batch: Batch,
    topic: Arc<str>,
    text: String,
}

impl Task {
    fn new(decoder: RecordDecoder) -> Self {
        Self { decoder, batch: Batch::new(), topic: Arc::from("cdc.public.fuzzed"), text: String::new() }
    }

    /// Decodes a record, and writes what was decoded as JSON, which must be valid.
    fn decode(&mut self, message: Message<'_>) {
        self.batch.reset(KEPT);
        let slot = self.batch.slot(&self.topic, 0, 1);
        let record = NewRecord { offset: 0, timestamp_ms: None, key: message.key, value: message.value };
        self.batch.push(slot, record, message.headers.iter().copied());
        // Only what the registry does not have is not there.
        self.decoder.prepare(self.batch.records()).expect("the registry answers");
        self.batch.decode(&mut self.decoder);
        for record in self.batch.records() {
            for value in [record.key(), record.value()] {
                self.text.clear();
                value.write_json(&mut self.text).expect("a string takes all");
                if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&self.text) {
                    panic!("{error}: {}", self.text);
                }
            }
        }
        self.decoder.drain_notices(|_| {});
    }
}
