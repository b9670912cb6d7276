//! Any JSON document is unchanged after decoding, a plugin and encoding, including all digits of its numbers.

use std::{cell::RefCell, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tidegate::{
    formats::{DecoderOptions, Format, RecordDecoder},
    plugins::{OpenParams, Prober, Registry, TransformInstance},
};
use tidegate_abi::{
    Header,
    host::{Batch, NewRecord},
    value::write_json_string,
};
use tidegate_tests::Home;

/// JSON numbers: integers of any length, decimals, and exponents beyond those of a double.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no NaN", |number| number.is_finite())
            .prop_map(|number| format!("{number:?}")),
        "-?(0|[1-9][0-9]{0,40})",
        "-?(0|[1-9][0-9]{0,30})\\.[0-9]{1,40}",
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,5})?[eE][+-]?[0-9]{1,3}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| {
        let mut quoted = String::new();
        assert!(write_json_string(&mut quoted, &text).is_ok());
        quoted
    })
}

/// A JSON document, as text.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        number(),
        text()
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let fields = prop::collection::btree_map(text(), inner.clone(), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..8).prop_map(|items| format!("[{}]", items.join(" , "))),
            fields.prop_map(|fields| {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name} :{value}")).collect();
                format!("{{ {} }}", fields.join(","))
            }),
        ]
    })
}

/// The exact numbers of a document, in order: sign, digits without leading and trailing zeros, power of ten.
fn numbers(document: &str) -> Vec<(bool, String, i64)> {
    let mut numbers = Vec::new();
    let mut rest = document;
    while let Some(start) = rest.find(|next: char| next == '"' || next == '-' || next.is_ascii_digit()) {
        rest = &rest[start..];
        let end = if rest.starts_with('"') {
            end_of_string(rest)
        } else {
            let is_part = |next: char| next.is_ascii_digit() || "+-.eE".contains(next);
            let end = rest.find(|next| !is_part(next)).unwrap_or(rest.len());
            numbers.push(exact(&rest[..end]));
            end
        };
        rest = &rest[end..];
    }
    numbers
}

fn end_of_string(quoted: &str) -> usize {
    let mut escaped = false;
    let end = quoted.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(quoted.len(), |end| end + 2)
}

fn exact(number: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.parse().expect("an exponent");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let kept = digits.trim_end_matches('0');
    let power = exponent - fraction.len() as i64 + (digits.len() - kept.len()) as i64;
    let kept = kept.trim_start_matches('0');
    if kept.is_empty() {
        (false, String::new(), 0)
    } else {
        (number.starts_with('-'), kept.to_owned(), power)
    }
}

/// Decoder, transform and sink of a task, without Kafka.
struct Line {
    batch: Batch,
    decoder: RecordDecoder,
    transform: TransformInstance,
}

/// The documents after decoding, a transform in a dynamic library, and encoding.
fn pass(line: &mut Line, documents: &[String]) -> Vec<String> {
    let Line { batch, decoder, transform } = line;
    batch.reset(usize::MAX);
    let topic: Arc<str> = Arc::from("documents");
    for (document, offset) in documents.iter().zip(0..) {
        let slot = batch.slot(&topic, 0, 1);
        let value = Some(document.as_bytes());
        batch.push(slot, NewRecord { offset, timestamp_ms: None, key: None, value }, std::iter::empty());
    }
    batch.decode(decoder);
    transform.apply(batch, usize::MAX, None, decoder).expect("a transform that changes nothing");
    assert!(batch.rejected().is_empty(), "{:?}", batch.rejected());
    let encode = |record: tidegate_abi::Record<'_>| {
        let mut text = String::new();
        assert!(record.value().write_json(&mut text).is_ok());
        text
    };
    batch.records().map(encode).collect()
}

#[test]
fn any_json_document_is_unchanged_by_decoding_and_encoding() {
    let home = Home::new(&["misbehaving"]);
    let found = Registry::discover(&[home.path("plugins")], &home.path("state"), &Prober::InProcess)
        .expect("a state folder");
    let config = json!({});
    let opening = OpenParams { connector: "values", task: 0, tasks: 1, instance: "no-op", config: &config };
    let plugin = found.registry.get("no-op").expect("a plugin of the fixture");
    let transform = TransformInstance::open(plugin, &opening).expect("opened");
    let options = DecoderOptions { key: Format::Json, value: Format::Json, ..DecoderOptions::default() };
    let line = RefCell::new(Line { batch: Batch::new(), decoder: RecordDecoder::new(options), transform });
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) }, |(documents in prop::collection::vec(document(), 1..16))| {
        let encoded = pass(&mut line.borrow_mut(), &documents);
        prop_assert_eq!(encoded.len(), documents.len());
        for (before, after) in documents.iter().zip(&encoded) {
            prop_assert_eq!(numbers(before), numbers(after), "{} {}", before, after);
            // serde_json rejects numbers beyond the range of a double; documents with such numbers are compared by
            // their numbers only.
            if let Ok(wanted) = serde_json::from_str::<Json>(before) {
                prop_assert_eq!(wanted, serde_json::from_str::<Json>(after).expect("JSON"), "{} {}", before, after);
            }
        }
    });
}

/// Text of headers: any, or with many of the characters that have a meaning.
fn header() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r#"[\[\]{}:,"\\ 0-9ae.+-]{0,40}"#,
        document(),
        r"[+-]?[0-9]{0,25}\.?[0-9]{0,25}([eE][+-]?[0-9]{1,12})?",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z)?",
    ]
}

#[test]
fn any_header_is_written_as_json() {
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) }, |(text in header())| {
        let mut json = String::new();
        let header = Header { name: "h", value: Some(text.as_bytes()) };
        prop_assert!(header.write_simple_json(&mut json).is_ok());
        let parsed = serde_json::from_str::<Json>(&json);
        // As above, serde_json rejects numbers beyond the range of a double.
        let is_beyond = || json.parse::<f64>().is_ok_and(f64::is_infinite);
        prop_assert!(parsed.is_ok() || is_beyond() || json.contains(['e', 'E']), "{} {}", text, json);
        if let Ok(Json::Number(_)) = parsed {
            prop_assert_eq!(numbers(&json), [exact(text.trim().trim_start_matches('+'))]);
        }
    });
}
