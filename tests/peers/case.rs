//! The cases that all programs run: the settings of each program, and how outputs are compared.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value as Json, json};

use crate::load::{EVENTS, SMALL};

/// Work that all programs do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// What is done, for people.
    pub(crate) title: &'static str,
    /// The topic that is read.
    pub(crate) topic: &'static str,
    /// Bare programs: what people call each, and its argument `WORK`.
    pub(crate) bare: &'static [(&'static str, &'static str)],
    /// Prefix of connectors' names.
    name: &'static str,
    /// What the connector file has after the topic: further keys of the source, and transforms.
    tidegate: &'static str,
    /// The options of Connect's converter and transforms; `None` if Connect cannot do this work.
    connect: Option<&'static [(&'static str, &'static str)]>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Lines have the bytes of the values, which are not parsed.
    Bytes,
    /// Values are parsed and written again; the lines are the same.
    Values,
    /// Lines are rows: JSON, or a Java map as text.
    Rows,
    /// There is no output.
    Discarded,
}

/// All work, in the order of the document.
pub(crate) const CASES: [Case; 4] = [
    Case {
        title: "bytes to file",
        topic: EVENTS,
        bare: &[("bare", "copy")],
        name: "bytes",
        tidegate: "value_format = \"bytes\"\n",
        connect: Some(&[("value.converter", "org.apache.kafka.connect.storage.StringConverter")]),
        kind: Kind::Bytes,
    },
    Case {
        title: "JSON parsed and written to file",
        topic: EVENTS,
        bare: &[("bare", "rewrite")],
        name: "value",
        tidegate: "",
        // Its file sink writes a parsed value as Java's text of a map.
        connect: None,
        kind: Kind::Values,
    },
    Case {
        title: "unwrap, drop a field, to file",
        topic: EVENTS,
        bare: &[("bare", "unwrap")],
        name: "unwrap",
        tidegate: "[[transforms]]\nplugin = \"unwrap\"\n[[transforms]]\nplugin = \"fields\"\nconfig.drop = [\"customer_id\"]\n",
        // Debezium's ExtractNewRecordState passes on events without a schema unchanged, so the row is extracted by Kafka's own
        // transform, which does less.
        connect: Some(&[
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter.schemas.enable", "false"),
            ("transforms", "row,drop"),
            ("transforms.row.type", "org.apache.kafka.connect.transforms.ExtractField$Value"),
            ("transforms.row.field", "after"),
            ("transforms.drop.type", "org.apache.kafka.connect.transforms.ReplaceField$Value"),
            ("transforms.drop.exclude", "customer_id"),
        ]),
        kind: Kind::Rows,
    },
    Case {
        title: "small records, discarded",
        topic: SMALL,
        bare: &[("bare", "count")],
        name: "small",
        tidegate: "value_format = \"bytes\"\n",
        connect: Some(&[("value.converter", "org.apache.kafka.connect.converters.ByteArrayConverter")]),
        kind: Kind::Discarded,
    },
];

impl Case {
    /// A name for a connector that is not used twice: the committed offsets of its group stay.
    pub(crate) fn unique_name(&self, run: &str) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        format!("{}-{run}-{}", self.name, NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the records are written nowhere.
    pub(crate) fn is_discarded(&self) -> bool {
        self.kind == Kind::Discarded
    }

    /// The connector file for Tidegate, which writes to `out` in the home.
    pub(crate) fn connector_file(&self, out: &str) -> String {
        let sink = match self.kind {
            Kind::Discarded => "[sink]\nplugin = \"discard\"\n".to_owned(),
            Kind::Bytes => file_sink(out, "raw"),
            Kind::Values | Kind::Rows => file_sink(out, "value"),
        };
        format!("[source]\ntopics = [\"{}\"]\n{}{sink}", self.topic, self.tidegate)
    }

    /// The configuration for Connect, if it can do this. It has no sink that discards records.
    pub(crate) fn connect_config(&self, out: &str) -> Option<Json> {
        let options = self.connect?;
        let out = if self.is_discarded() { "/dev/null" } else { out };
        let mut config = connect_file_sink(self.topic, out);
        config.extend(options.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        Some(Json::Object(config))
    }

    /// What is compared of a line.
    pub(crate) fn canonical(&self, line: &[u8]) -> Vec<u8> {
        if self.kind == Kind::Rows { row(line) } else { line.to_owned() }
    }
}

/// The sink of a connector file: values as lines. It does not sync, because Connect's file sink does not.
pub(crate) fn file_sink(out: &str, style: &str) -> String {
    format!(
        "[sink]\nplugin = \"file\"\n[sink.config]\npath = \"@{out}\"\nstyle = \"{style}\"\nfsync = false\n"
    )
}

/// A connector of Connect that writes a topic to a file.
pub(crate) fn connect_file_sink(topic: &str, out: &str) -> serde_json::Map<String, Json> {
    let options = [
        ("connector.class", "org.apache.kafka.connect.file.FileStreamSinkConnector"),
        ("tasks.max", "1"),
        ("topics", topic),
        ("file", out),
    ];
    options.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// The fields of a row, sorted. Connect's file sink writes a row as Java shows a map, `{a=1, b=text}` in the order of a hash table;
/// JSON becomes the same text.
fn row(line: &[u8]) -> Vec<u8> {
    let text = match serde_json::from_slice::<Json>(line) {
        Ok(row) => java_text(&row),
        Err(_) => String::from_utf8_lossy(line).into_owned(),
    };
    let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(&text);
    let mut fields: Vec<&str> = text.split(", ").collect();
    fields.sort_unstable();
    fields.join(", ").into_bytes()
}

fn java_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}={}", java_text(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Json::Array(_) | Json::Null | Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}
