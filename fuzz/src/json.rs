//! JSON with and without a schema, and the change events in it.
//!
//! An input is a key, a value, and any number of headers' names and values, separated by the byte 0xff, which is not in UTF-8.

use crate::{
    Message, Task,
    fixtures::{captured, part, reports},
    formats::{ChangeEvents, DecoderOptions, InvalidUnicode, RecordDecoder},
    seeds,
};

/// Events of a capture that become seeds.
const CAPTURED: usize = 60;
const CAPTURES: [&str; 3] = [
    "types-adaptive/json.jsonl.gz",
    "types-adaptive/json-schema.jsonl.gz",
    "shop-string/json-schema.jsonl.gz",
];

/// The fuzz target: decoders with different options, which get every input.
pub struct Json(Vec<Task>);

impl Default for Json {
    fn default() -> Self {
        Self::new()
    }
}

impl Json {
    /// Makes the decoders, and writes seeds.
    pub fn new() -> Self {
        let mut inputs = Vec::new();
        let files = CAPTURES.iter().map(|file| (*file).to_owned()).chain(reports());
        for file in files {
            for line in captured(&file).iter().take(CAPTURED) {
                let [key, value] = ["key", "value"].map(|name| part(line, name).unwrap_or_default());
                let mut input = [&key[..], &[0xff], &value].concat();
                for (name, value) in line["headers"].as_object().into_iter().flatten() {
                    let value = value.as_str().unwrap_or_default();
                    input.extend([&[0xff][..], name.as_bytes(), &[0xff], value.as_bytes()].concat());
                }
                inputs.push(input);
            }
        }
        seeds::write("json", inputs);
        let options = [
            DecoderOptions::default(),
            DecoderOptions {
                change_events: ChangeEvents::Flattened,
                invalid_unicode: InvalidUnicode::Replace,
                max_value_bytes: 1 << 16,
                ..DecoderOptions::default()
            },
        ];
        Self(options.into_iter().map(|options| Task::new(RecordDecoder::new(options))).collect())
    }

    /// Decodes an input.
    pub fn run(&mut self, input: &[u8]) {
        let mut parts = input.split(|byte| *byte == 0xff);
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (key, value) = (part(), part());
        let mut headers = Vec::new();
        while let Some(name) = parts.next() {
            let Ok(name) = std::str::from_utf8(name) else { continue };
            headers.push((name, parts.next()));
        }
        let message = Message { key, value, headers: &headers };
        self.0.iter_mut().for_each(|task| task.decode(message));
    }
}
