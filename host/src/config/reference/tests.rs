//! The reference, compared with the readers, the document and real files.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::config::PluginKind;
use crate::config::load_connectors;
use crate::config::plugin_config::PluginCatalog;

/// Two plugins whose options have what schemas of the SDK have.
struct Plugins;

impl PluginCatalog for Plugins {
    fn find(&self, name: &str) -> Option<PluginSummary> {
        let (kind, config_schema) = match name {
            "file" => (
                PluginKind::Sink,
                json!({
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["path", "account"],
                    "properties": {
                        "path": { "type": "string" },
                        "account": { "type": "string", "x-env": "ACCOUNT" },
                        "style": { "$ref": "#/$defs/Style", "default": "plain" },
                        "fsync": { "type": "boolean", "description": "Flush." },
                    },
                    "$defs": { "Style": { "oneOf": [{ "const": "plain" }, { "const": "full" }] } },
                }),
            ),
            "filter" => (
                PluginKind::Transform,
                json!({ "type": "object", "properties": { "limit": { "type": "integer" } }, "additionalProperties": false }),
            ),
            _ => return None,
        };
        Some(PluginSummary { name: name.to_owned(), kind, config_schema, durable_on_flush: false })
    }

    fn names(&self) -> Vec<String> {
        ["file", "filter"].map(str::to_owned).into()
    }
}

fn host() -> HostConfig {
    HostConfig::read(None, &HostFlags::default(), &Environment::default()).0
}

/// What the schema of a connector file says about a file.
fn errors(text: &str) -> Vec<String> {
    let schema = connector_schema(&Plugins, &host());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let file: Value = serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    validator.iter_errors(&file).map(|error| error.instance_path().as_str().to_owned()).collect()
}

const FULL: &str = r#"
tasks = "${env:TASKS}"
[source]
topics_regex = "^cdc"
columns.orders.total = { decimal = 2 }
properties."fetch.min.bytes" = 1
[batch]
max_bytes = "8 MiB"
max_wait = "1.5s"
[[transforms]]
plugin = "filter"
config.limit = "${env:LIMIT}"
when = { operation = ["insert", "delete"], not = { not = { topic = "x" }, tombstone = true } }
[sink]
plugin = "file"
[sink.config]
path = "x"
style = "full"
fsync = "${env:FSYNC:-true}"
[limits]
memory = 1073741824
cpu = 0.5
"#;

#[test]
fn a_schema_accepts_what_the_readers_accept() {
    assert_eq!(errors(FULL), [""; 0]);
    assert_eq!(errors("source.topics = \"t\"\n[sink]\nplugin = \"file\"\nconfig.path = \"x\"\n"), [""; 0]);
}

#[test]
fn a_schema_rejects_what_the_readers_reject() {
    for (old, new, place) in [
        ("topics_regex", "topics_regx", "/source"),
        ("8 MiB", "8 megabytes", "/batch/max_bytes"),
        ("1.5s", "soon", "/batch/max_wait"),
        ("cpu = 0.5", "cpu = 5000", "/limits/cpu"),
        ("\"delete\"]", "\"drop\"]", "/transforms/0/when/operation"),
        ("tombstone = true", "tombstone = 3", "/transforms/0/when/not"),
        ("\"file\"", "\"fil\"", "/sink/plugin"),
        ("style = \"full\"", "style = \"fuller\"", "/sink/config/style"),
        ("path = \"x\"", "", "/sink/config"),
        ("fsync = ", "fsink = ", "/sink/config"),
        ("config.limit = \"${env:LIMIT}\"", "config.limit = \"many\"", "/transforms/0/config/limit"),
    ] {
        assert!(FULL.contains(old), "{old}");
        assert_eq!(errors(&FULL.replace(old, new)), [place], "{new}");
    }
}

#[test]
fn a_default_sink_is_not_required() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidegate.toml");
    fs::write(&file, "[defaults.sink]\nplugin = \"file\"\n").unwrap();
    let (host, _) = HostConfig::read(Some(&file), &HostFlags::default(), &Environment::default());
    let schema = connector_schema(&Plugins, &host);
    assert_eq!(
        (&schema["required"], &schema["properties"]["sink"]["required"]),
        (&json!(["source"]), &Value::Null)
    );
    let schema = host_file_schema(&Plugins);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let host_file =
        |servers: &str| json!({ "kafka": { servers: "a:1" }, "defaults": { "sink": { "plugin": "file" } } });
    assert!(validator.is_valid(&host_file("bootstrap_servers")));
    assert!(!validator.is_valid(&host_file("bootstrap_server")));
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    for (keys, groups) in [(connector_keys(), connector_text::GROUPS), (host_keys(), host_text::GROUPS)] {
        let path = |group: &Group, entry: &Entry| match group.path {
            "" => entry.key.to_owned(),
            path => format!("{path}.{}", entry.key),
        };
        let described: BTreeSet<String> =
            groups.iter().flat_map(|group| group.entries.iter().map(|entry| path(group, entry))).collect();
        let read: BTreeSet<String> = keys.paths().map(str::to_owned).collect();
        assert_eq!(described, read);
    }
}

/// A file that sets a key to the default that the reference names is the same as one that does not set it.
#[test]
fn the_defaults_of_the_reference_are_those_of_the_readers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    let read = |lines: &str| {
        let text = format!(
            "{lines}\nsource.topics = \"t\"\nsink = {{ plugin = \"file\", config = {{ path = \"x\", account = \"a\" }} }}\n"
        );
        fs::write(&file, text).unwrap();
        let loaded = load_connectors(std::slice::from_ref(&file), &host(), &Plugins, &Environment::default());
        let batch = loaded.valid.first().map(|connector| connector.batch.resolve(Default::default()));
        // The limits of a batch are resolved later.
        let definition = loaded.valid.first().map(|connector| {
            let mut connector = connector.clone();
            connector.batch = host_batch();
            format!("{connector:?}")
        });
        (loaded.diagnostics.to_string(), definition, batch)
    };
    let plain = read("");
    assert_eq!(plain.0, "");
    let mut compared = 0;
    for group in connector_text::GROUPS {
        // Without a dead-letter topic, the keys about it have no effect, which is an error.
        let compares =
            |entry: &&Entry| entry.default_value().is_some() && !entry.key.starts_with("dead_letter_");
        for entry in group.entries.iter().filter(compares) {
            let literal = entry.default.trim_matches('`');
            let line = if group.path.is_empty() { String::new() } else { format!("{}.", group.path) };
            assert_eq!(read(&format!("{line}{} = {literal}", entry.key)), plain, "{}", entry.key);
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

fn host_batch() -> crate::config::BatchOverrides {
    crate::config::BatchOverrides {
        max_records: None,
        max_bytes: None,
        max_wait: None,
        max_record_bytes: None,
        task_memory: 0,
    }
}

/// To write the tables: `UPDATE_DOCS=1 cargo test --workspace --lib the_document_has_the_tables_of_the_reference`.
#[test]
fn the_document_has_the_tables_of_the_reference() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/connector-files.md");
    let document = fs::read_to_string(&path).unwrap();
    let wanted = markdown::with_tables(document.clone(), connector_text::GROUPS, &connector_keys());
    let wanted = markdown::with_tables(wanted, host_text::GROUPS, &host_keys());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(
        document == wanted,
        "the tables in docs/connector-files.md differ from the keys that are read: run UPDATE_DOCS=1 cargo test --workspace --lib \
         the_document_has_the_tables_of_the_reference"
    );
}
