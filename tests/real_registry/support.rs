//! Functions that several test files use.

use std::fs;

use tidegate::kafka::producer::ProducerRecord;
use tidegate_tests::{Broker, Home};

/// A schema whose values are easy to write.
pub(crate) const ITEM: &str = r#"{"type":"record","name":"Item","fields":[{"name":"id","type":"int"}]}"#;

/// A header: name and value.
pub(crate) type Header = (String, Vec<u8>);

/// A value with headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Vec<Header>,
}

/// An item behind a schema id of 4 bytes.
pub(crate) fn item(schema: u32, id: u8) -> Vec<u8> {
    [&[0][..], &schema.to_be_bytes(), &[id * 2]].concat()
}

/// Headers as the producer takes them.
type Headers<'m> = Vec<(&'m [u8], Option<&'m [u8]>)>;

/// Sends values with headers to the topic `events`.
pub(crate) fn send(broker: &Broker, messages: &[Message]) {
    let headers: Vec<Headers<'_>> = messages
        .iter()
        .map(|message| {
            message.headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_slice()))).collect()
        })
        .collect();
    broker.send_exactly(messages.iter().zip(&headers).map(|(message, headers)| ProducerRecord {
        topic: "events",
        partition: Some(0),
        timestamp_ms: None,
        key: None,
        value: Some(&message.value),
        headers,
    }));
}

/// A connector `items` that writes the values of the topic `events` to a file. `registry` are lines of its table
/// `[source.schema_registry]`.
pub(crate) fn to_file(home: &Home, format: &str, registry: &str) {
    home.connector(
        "items",
        &format!(
            "[source]\ntopics = [\"events\"]\nvalue_format = \"{format}\"\nkey_format = \"bytes\"\n\
             [source.schema_registry]\n{registry}\n[sink]\nplugin = \"file\"\n\
             [sink.config]\nstyle = \"value\"\npath = \"@items.jsonl\"\n\
             [restart]\npolicy = \"never\"\n[errors.retry]\ninitial = \"50ms\"\nmax = \"200ms\"\n"
        ),
    );
}

/// What the connector has written.
pub(crate) fn written(home: &Home) -> String {
    fs::read_to_string(home.path("items.jsonl")).unwrap_or_default()
}
