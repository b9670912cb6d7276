//! `connector.class`: sinks of this host by name, and the classes of Kafka Connect that have a counterpart.

use super::mapping::Mapping;
use super::snowflake;

const CLASS: &str = "connector.class";

pub(super) fn map(mapping: &mut Mapping<'_>) {
    let Some(class) = mapping.take(CLASS) else {
        match mapping.take("sink.plugin") {
            Some(plugin) => mapping.set(&["sink", "plugin"], plugin),
            None => mapping.error(CLASS, "Connector config contains no connector type"),
        }
        return;
    };
    if mapping.schema.sinks().contains(&class) {
        return mapping.set(&["sink", "plugin"], class);
    }
    match class.strip_suffix("Connector").unwrap_or(class) {
        "FileStreamSink" | "org.apache.kafka.connect.file.FileStreamSink" => map_file(mapping),
        "SnowflakeSink"
        | "SnowflakeStreamingSink"
        | "com.snowflake.kafka.connector.SnowflakeSink"
        | "com.snowflake.kafka.connector.SnowflakeStreamingSink" => snowflake::map_connector(mapping),
        "io.debezium.connector.jdbc.JdbcSink" => snowflake::map_jdbc(mapping),
        _ => {
            let sinks = mapping.schema.sinks().join(", ");
            mapping.error(
                CLASS,
                format!(
                    "Failed to find any class that implements Connector and which name matches {class}, available connectors \
                     are: {sinks}"
                ),
            );
        }
    }
}

/// Kafka Connect's file sink, which writes values as text, or to standard output.
fn map_file(mapping: &mut Mapping<'_>) {
    let is_text = mapping.get(&["source", "value_format"]).and_then(toml::Value::as_str);
    let is_text = matches!(is_text, Some("string" | "bytes"));
    let Some(path) = mapping.take("file") else {
        mapping.set(&["sink", "plugin"], "console");
        return mapping.set(&["sink", "config", "style"], "json");
    };
    mapping.set(&["sink", "plugin"], "file");
    mapping.set(&["sink", "config", "path"], path);
    mapping.set(&["sink", "config", "style"], if is_text { "raw" } else { "value" });
    if !is_text {
        mapping.warning("value.converter", "values are written as JSON, not as texts of Java");
    }
}
