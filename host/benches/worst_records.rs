//! The most expensive records of 1 MB: how long one of them takes to decode and to print, for each format, and in each shipped
//! plugin that needs no server.
//!
//! Prints milliseconds, with the kind of record by line, and for plugins the slowest two. None may take more than a second.

#[path = "../../tests/support/registry_stub.rs"]
mod registry_stub;
#[allow(dead_code, reason = "shared with the other benchmarks")]
mod support;

use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use registry_stub::RegistryStub;
use serde_json::{Value as Json, json as value};
use support::{Event, build_plugins, fill, median};
use tidegate::{
    formats::{
        ChangeEvents, ColumnHint, DecoderOptions, Format, Hints, RecordDecoder, registry::RegistrySettings,
    },
    plugins::{OpenParams, PluginKind, Prober, Registry, SinkInstance, TransformInstance},
};
use tidegate_abi::host::Batch;

/// The default of `message.max.bytes` of a broker, less what surrounds a record.
const BYTES: usize = 1_000_000;
const ROUNDS: usize = 5;

/// A record, and how it is read.
struct Case {
    name: &'static str,
    value: Vec<u8>,
    options: DecoderOptions,
}

fn case(name: &'static str, value: impl Into<Vec<u8>>, options: DecoderOptions) -> Case {
    Case { name, value: value.into(), options }
}

fn json() -> DecoderOptions {
    DecoderOptions::default()
}

/// As many items as fit, separated by commas.
fn filled(item: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(BYTES);
    for number in 0.. {
        let item = item(number);
        if text.len() + item.len() + 200 > BYTES {
            break;
        }
        text += if text.is_empty() { "" } else { "," };
        text += &item;
    }
    text
}

fn event(rows: &str) -> String {
    format!(r#"{{"op":"u",{rows},"table":"t","schema":"s","lsn":"1"}}"#)
}

fn json_cases() -> Vec<Case> {
    let columns =
        |item: fn(usize) -> String, count: usize| (0..count).map(item).collect::<Vec<_>>().join(",");
    let field = |number: usize| format!(r#""c{number:05}":1"#);
    let mut hints = Hints::default();
    hints.insert("t.d", ColumnHint::Decimal { scale: 2 }).expect("a hint");
    let digits: Vec<u8> = (0..1_700).map(|at| (at % 251) as u8 | 1).collect();
    let declared =
        columns(|number| format!(r#"{{"type":"int8","optional":true,"field":"c{number:05}"}}"#), 15_000);
    let reversed: Vec<String> = (0..15_000).rev().map(field).collect();
    let typed = format!(
        r#"{{"schema":{{"type":"struct","name":"n","fields":[{declared}]}},"payload":{{{}}}}}"#,
        reversed.join(",")
    );
    let wide = columns(|number| format!(r#""c{number:05}":1"#), 10_000);
    vec![
        case("json: an object of many fields", format!("{{{}}}", filled(|n| format!(r#""{n}":1"#))), json()),
        case("json: one name again and again", format!("{{{}}}", filled(|_| r#""a":1"#.to_owned())), json()),
        case("json: escapes", format!(r#""{}""#, r"\u00e9".repeat(BYTES / 6 - 1)), json()),
        case("json: a long number", "7".repeat(BYTES - 1), json()),
        case(
            "json: a list of numbers with exponents",
            format!("[{}]", filled(|_| "1e308".to_owned())),
            json(),
        ),
        case(
            "json: the deepest nesting, again and again",
            format!("[{}]", filled(|_| "[".repeat(90) + &"]".repeat(90))),
            json(),
        ),
        case(
            "json: rows of 10,000 columns before and after",
            event(&format!(r#""before":{{{wide}}},"after":{{{wide}}}"#)),
            json(),
        ),
        case(
            "json: a decimal of 4,094 digits in binary",
            event(&format!(r#""before":null,"after":{{"d":"{}"}}"#, STANDARD.encode(digits))),
            DecoderOptions { hints, ..json() },
        ),
        case("json with a schema: fields in reverse", typed, json()),
        case(
            "text: not valid anywhere",
            vec![0xff; BYTES],
            DecoderOptions { value: Format::String, ..json() },
        ),
    ]
}

fn registered(stub: &RegistryStub, value: Format) -> DecoderOptions {
    let registry = RegistrySettings { urls: vec![stub.url()], ..RegistrySettings::default() };
    DecoderOptions {
        value,
        registry: Some(registry),
        change_events: ChangeEvents::None,
        ..DecoderOptions::default()
    }
}

fn framed(id: u8, data: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, id], data].concat()
}

fn avro_cases(stub: &RegistryStub) -> Vec<Case> {
    let fields: Vec<String> =
        (0..20_000).map(|field| format!(r#"{{"name":"c{field}","type":"int"}}"#)).collect();
    stub.add_schema(1, &format!(r#"{{"type":"record","name":"r","fields":[{}]}}"#, fields.join(",")));
    stub.add_schema(2, r#"{"type":"array","items":"null"}"#);
    stub.add_schema(3, r#"{"type":"record","name":"l","fields":[{"name":"n","type":["null","l"]}]}"#);
    stub.add_schema(4, r#"{"type":"array","items":"boolean"}"#);
    let avro = || registered(stub, Format::Avro);
    // Lengths in zig-zag coding: 900,000 items.
    let many = [0xc0, 0xee, 0x6d];
    vec![
        case("avro: a record of 20,000 fields", framed(1, &[2; 20_000]), avro()),
        case("avro: a list of values without bytes", framed(2, &[&many[..], &[0]].concat()), avro()),
        case("avro: a recursive record", framed(3, &[2; BYTES - 10]), avro()),
        case("avro: a list of 900,000 values", framed(4, &[&many[..], &[1; 900_000], &[0]].concat()), avro()),
    ]
}

fn protobuf_cases(stub: &RegistryStub) -> Vec<Case> {
    let schema = r#"syntax = "proto3"; message M { M m = 1; repeated int32 n = 2; oneof o { string a = 3; string b = 4; } }"#;
    stub.add_capture(&serde_json::json!([{ "id": 5, "schemaType": "PROTOBUF", "schema": schema }]));
    let protobuf = || registered(stub, Format::Protobuf);
    let message = |data: &[u8]| framed(5, &[&[0], data].concat());
    vec![
        case(
            "protobuf: a list, one field for each item",
            message(&[16, 1].repeat(BYTES / 2 - 10)),
            protobuf(),
        ),
        case(
            "protobuf: a field that comes again and again",
            message(&[10, 0].repeat(BYTES / 2 - 10)),
            protobuf(),
        ),
        case("protobuf: alternatives in turn", message(&[26, 0, 34, 0].repeat(BYTES / 4 - 10)), protobuf()),
        case("protobuf: unknown fields", message(&[40, 1].repeat(BYTES / 2 - 10)), protobuf()),
    ]
}

/// Milliseconds to decode, milliseconds to print, and whether it was rejected.
fn measure(case: &Case) -> (f64, f64, bool) {
    let events: Vec<Event> = vec![("t".to_owned(), None, case.value.clone())];
    let (mut decoding, mut printing, mut rejected) = (Vec::new(), Vec::new(), false);
    let mut batch = Batch::new();
    for _ in 0..ROUNDS {
        let mut decoder = RecordDecoder::new(case.options.clone());
        fill(&mut batch, &events, false);
        decoder.prepare(batch.records()).expect("a registry that answers");
        let began = Instant::now();
        batch.decode(&mut decoder);
        decoding.push(began.elapsed().as_secs_f64() * 1_000.0);
        rejected = !batch.rejected().is_empty();
        let began = Instant::now();
        let mut text = String::new();
        batch.records().for_each(|record| record.value().write_json(&mut text).expect("memory"));
        printing.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    (median(decoding), median(printing), rejected)
}

/// The shipped plugins with the options that cost most, but for the sink of Snowflake, which needs a server.
fn plugin_uses(out: &str) -> Vec<(PluginKind, &'static str, Json)> {
    use PluginKind::{Sink, Transform};
    let file =
        |style: &str| value!({ "path": format!("{out}/{style}/{{topic}}"), "style": style, "fsync": false });
    let console =
        |style: &str| value!({ "style": style, "output": format!("{out}/console"), "color": "always" });
    vec![
        (Transform, "unwrap", value!({})),
        (Transform, "price-change", value!({})),
        (Transform, "filter", value!({ "conditions": [{ "field": "zz.zz", "exists": true }] })),
        (Transform, "fields", value!({ "drop": ["c09999", "zz"], "rename": { "c00000": "zz" } })),
        (Transform, "mask", value!({ "fields": ["**"], "mode": "hash", "salt": "s" })),
        (Transform, "route", value!({ "table": { "pattern": "(.*.*)t", "replacement": "$1u" } })),
        (Transform, "enrich", value!({ "fields": { "zz": "table" } })),
        (Sink, "discard", value!({})),
        (Sink, "console", console("pretty")),
        (Sink, "console", console("compact")),
        (Sink, "console", console("json")),
        (Sink, "file", file("value")),
        (Sink, "file", file("record")),
    ]
}

/// Milliseconds that each plugin takes for a record, slowest first.
fn measure_plugins(
    case: &Case,
    registry: &Registry,
    uses: &[(PluginKind, &'static str, Json)],
) -> Vec<(f64, String)> {
    let events: Vec<Event> = vec![("t".to_owned(), None, case.value.clone())];
    let mut times: Vec<(f64, String)> = uses
        .iter()
        .map(|(kind, name, config)| {
            let plugin = registry.expect(name, *kind).expect("the plugin");
            let opening = OpenParams { connector: "bench", task: 0, tasks: 1, instance: name, config };
            let mut decoder = RecordDecoder::new(case.options.clone());
            let mut batch = Batch::new();
            fill(&mut batch, &events, false);
            decoder.prepare(batch.records()).expect("a registry that answers");
            batch.decode(&mut decoder);
            let began = Instant::now();
            match kind {
                PluginKind::Transform => {
                    let mut transform = TransformInstance::open(plugin, &opening).expect("options");
                    // Some of these records are rejected, which has to be quick, too.
                    let _outcome = transform.apply(&mut batch, usize::MAX, None, &mut decoder);
                }
                PluginKind::Sink => {
                    let mut sink = SinkInstance::open(plugin, &opening).expect("options");
                    let _outcome = sink.write(&batch, 0..batch.len(), &[], |_, _| 0);
                }
            }
            let style = config["style"].as_str().map(|style| format!(" {style}")).unwrap_or_default();
            (began.elapsed().as_secs_f64() * 1_000.0, format!("{name}{style}"))
        })
        .collect();
    times.sort_by(|left, right| right.0.total_cmp(&left.0));
    times
}

fn main() {
    let stub = RegistryStub::start();
    let folder = build_plugins(&["basics", "price-change", "discard-sink", "console-sink", "file-sink"]);
    let state = tempfile::tempdir().expect("a temporary folder");
    let found = Registry::discover(&[folder], state.path(), &Prober::InProcess).expect("the plugins");
    let uses = plugin_uses(&state.path().display().to_string());
    println!("{:<55} {:>9} {:>10} {:>10}  slowest plugins", "record", "bytes", "decode ms", "print ms");
    for case in json_cases().into_iter().chain(avro_cases(&stub)).chain(protobuf_cases(&stub)) {
        let (decode, print, rejected) = measure(&case);
        let slowest = measure_plugins(&case, &found.registry, &uses).into_iter().take(2);
        let slowest: Vec<String> = slowest.map(|(time, name)| format!("{name} {time:.1}")).collect();
        let rejected = if rejected { "  rejected" } else { "" };
        let (name, bytes, slowest) = (case.name, case.value.len(), slowest.join(", "));
        println!("{name:<55} {bytes:>9} {decode:>10.1} {print:>10.1}  {slowest}{rejected}");
    }
}
