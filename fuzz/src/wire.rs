//! The schema's id in a message.
//!
//! An input is a byte that chooses options, a byte with the length of a header, the header's value, and the payload.

use std::sync::Arc;

use tidegate_abi::host::{Batch, NewRecord, Part};

use crate::{
    formats::registry::{ApicurioId, Framed, frame},
    seeds,
};

const NAMES: [&str; 8] = [
    "__key_schema_id",
    "__value_schema_id",
    "apicurio.key.globalId",
    "apicurio.value.globalId",
    "apicurio.key.contentId",
    "apicurio.value.contentId",
    "apicurio.value.encoding",
    "other",
];

/// The fuzz target.
pub struct Wire {
    batch: Batch,
    topic: Arc<str>,
}

impl Default for Wire {
    fn default() -> Self {
        Self::new()
    }
}

impl Wire {
    /// Writes seeds.
    pub fn new() -> Self {
        let payloads: [&[u8]; 4] = [&[0, 0, 0, 0, 7, 2], &[0, 0, 0, 0, 0, 0, 0, 0, 7, 2], &[1; 20], b"{}"];
        let inputs = (0..=u8::MAX).step_by(7).flat_map(|options| {
            payloads.into_iter().flat_map(move |payload| {
                [0, 8, 17].into_iter().map(move |length| {
                    [&[options, length][..], &vec![1; usize::from(length)], payload].concat()
                })
            })
        });
        seeds::write("wire", inputs);
        Self { batch: Batch::new(), topic: Arc::from("fuzzed") }
    }

    /// Reads an input.
    pub fn run(&mut self, input: &[u8]) {
        let Some(([options, length], rest)) = input.split_first_chunk::<2>() else { return };
        let Some((header, payload)) = rest.split_at_checked(usize::from(*length)) else { return };
        let part = if options & 1 == 0 { Part::Key } else { Part::Value };
        let apicurio =
            [ApicurioId::Auto, ApicurioId::Content, ApicurioId::Global][usize::from(options >> 1) % 3];
        let name = NAMES[usize::from(options >> 3) % NAMES.len()];
        self.batch.reset(usize::MAX);
        let slot = self.batch.slot(&self.topic, 0, 1);
        let record = NewRecord { offset: 0, timestamp_ms: None, key: None, value: Some(payload) };
        let headers = [(name, Some(header)), ("more", None)];
        self.batch.push(slot, record, headers.into_iter().take(if *length > 0 { 2 } else { 0 }));
        let record = self.batch.record(0).expect("a record");
        match frame(part, payload, record.headers(), apicurio) {
            // What is serialized is the payload, or its end.
            Ok(Framed { id, data, .. }) => {
                assert!(payload.ends_with(data));
                assert!(!id.to_string().is_empty());
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
