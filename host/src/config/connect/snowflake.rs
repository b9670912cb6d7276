//! Options of Snowflake's connector, and of Debezium's JDBC sink with a URL of Snowflake, as options of the sink `snowflake`.

use std::collections::BTreeMap;

use super::common::list;
use super::mapping::Mapping;
use super::masks::MASK;

const OTHER_TABLES: &str =
    "rows are written as change events say, one row per event, without RECORD_METADATA";

fn set(mapping: &mut Mapping<'_>, option: &str, value: impl Into<toml::Value>) {
    mapping.set(&["sink", "config", option], value);
}

/// Sets options that only have another name.
fn rename(mapping: &mut Mapping<'_>, names: &[(&str, &str)]) {
    for (option, own) in names {
        if let Some(value) = mapping.take(option) {
            set(mapping, own, value);
        }
    }
}

/// Snowflake's own connector, which appends a row for each record.
pub(super) fn map_connector(mapping: &mut Mapping<'_>) {
    mapping.set(&["sink", "plugin"], "snowflake");
    set(mapping, "mode", "append");
    mapping.warning("connector.class", OTHER_TABLES);
    if let Some(url) = mapping.take("snowflake.url.name") {
        map_url(mapping, url);
    }
    rename(
        mapping,
        &[
            ("snowflake.user.name", "user"),
            ("snowflake.private.key.passphrase", "private_key_passphrase"),
            ("snowflake.database.name", "database"),
            ("snowflake.schema.name", "schema"),
            ("snowflake.role.name", "role"),
        ],
    );
    if let Some(key) = mapping.take("snowflake.private.key") {
        let is_encrypted = mapping.peek("snowflake.private.key.passphrase").is_some();
        set(mapping, "private_key", pem(key, is_encrypted));
    }
    map_tables(mapping);
    map_buffers(mapping);
    reject_other_meanings(mapping);
    let transport = "the sink loads with SQL";
    mapping.without_effect(
        &["snowflake.ingestion.method", "enable.streaming.client.optimization", "jmx", "provider"],
        transport,
    );
    for prefix in ["snowflake.streaming.", "snowflake.metadata.", "snowflake.cache.", "jvm.", "snowflake."] {
        mapping.prefix_without_effect(prefix, transport);
    }
}

/// `account.snowflakecomputing.com:443`, with or without a scheme.
fn map_url(mapping: &mut Mapping<'_>, url: &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let host = rest.trim_end_matches('/');
    let without_port = host.strip_suffix(":443").unwrap_or(host);
    if without_port.ends_with(".snowflakecomputing.com") {
        return set(mapping, "account", without_port);
    }
    set(mapping, "account", without_port.split(['.', ':']).next().unwrap_or_default());
    set(mapping, "endpoint", format!("{scheme}://{host}"));
}

/// The key as PEM: Snowflake's connector is given its base64 text alone.
fn pem(key: &str, is_encrypted: bool) -> String {
    if key == MASK || key.contains("-----BEGIN") {
        return key.to_owned();
    }
    let kind = if is_encrypted { "ENCRYPTED PRIVATE KEY" } else { "PRIVATE KEY" };
    format!("-----BEGIN {kind}-----\n{key}\n-----END {kind}-----")
}

fn map_tables(mapping: &mut Mapping<'_>) {
    let option = "snowflake.topic2table.map";
    let Some(pairs) = mapping.take(option) else { return };
    let mut tables = BTreeMap::new();
    for pair in list(pairs) {
        let Some((topic, table)) = pair.rsplit_once(':').map(|(topic, table)| (topic.trim(), table.trim()))
        else {
            mapping.error(option, format!("{option} is a list of topic:table"));
            return;
        };
        if topic.contains(['*', '+', '(', '[', '|', '\\', '^', '$', '?']) {
            mapping.error(option, format!("{option} has a pattern for topics: list each topic"));
            return;
        }
        tables.insert(topic.to_owned(), table.trim_matches('"').to_owned());
    }
    for (topic, table) in tables {
        mapping.set(&["sink", "config", "tables", &topic, "name"], table);
    }
}

fn map_buffers(mapping: &mut Mapping<'_>) {
    for (option, key) in [("buffer.count.records", "max_records"), ("buffer.size.bytes", "max_bytes")] {
        if let Some(value) = mapping.take_integer(option) {
            mapping.set(&["batch", key], value);
        }
    }
    if let Some(seconds) = mapping.take_integer("buffer.flush.time") {
        mapping.set(&["batch", "max_wait"], format!("{seconds}s"));
    }
}

/// Options with which the tables would have another content.
fn reject_other_meanings(mapping: &mut Mapping<'_>) {
    let option = "snowflake.enable.schematization";
    if mapping.take_boolean(option) == Some(false) {
        mapping.error(option, format!("{option} = false is not supported: each field is a column"));
    }
    let option = "behavior.on.null.values";
    if let Some(other) = mapping.take(option).filter(|value| !value.eq_ignore_ascii_case("IGNORE")) {
        mapping.invalid(option, other, "tombstones have no row: set it to IGNORE");
    }
    let option = "snowflake.authenticator";
    if let Some(other) = mapping.take(option).filter(|value| !value.eq_ignore_ascii_case("snowflake_jwt")) {
        mapping.invalid(option, other, "only snowflake_jwt is supported");
    }
}

/// Debezium's JDBC sink, whose only database here is Snowflake.
pub(super) fn map_jdbc(mapping: &mut Mapping<'_>) {
    mapping.set(&["sink", "plugin"], "snowflake");
    map_jdbc_url(mapping);
    rename(mapping, &[("connection.username", "user"), ("connection.password", "password")]);
    map_jdbc_writes(mapping);
    map_jdbc_keys(mapping);
    map_jdbc_tables(mapping);
    if let Some(records) = mapping.take_integer("batch.size") {
        mapping.set(&["batch", "max_records"], records);
    }
    let own = "the sink decides this itself";
    for prefix in ["connection.pool.", "hibernate.", "flush."] {
        mapping.prefix_without_effect(prefix, own);
    }
    mapping.without_effect(
        &[
            "use.reduction.buffer",
            "quote.identifiers",
            "database.time_zone",
            "use.time.zone",
            "connection.provider",
        ],
        own,
    );
}

fn map_jdbc_url(mapping: &mut Mapping<'_>) {
    let option = "connection.url";
    let Some(url) = mapping.take(option) else {
        mapping.error(
            option,
            format!("Missing required configuration \"{option}\" which has no default value."),
        );
        return;
    };
    let Some(rest) = url.strip_prefix("jdbc:snowflake://") else {
        let database = url.split(':').nth(1).unwrap_or_default().to_owned();
        mapping
            .error(option, format!("there is no sink for {database}: only jdbc:snowflake:// is supported"));
        return;
    };
    let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
    map_url(mapping, host.trim_end_matches('/'));
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name.to_ascii_lowercase().as_str() {
            "db" | "database" => set(mapping, "database", value),
            "schema" => set(mapping, "schema", value),
            "warehouse" => set(mapping, "warehouse", value),
            "role" => set(mapping, "role", value),
            _ => mapping.warning(option, format!("{name} in {option} has no effect")),
        }
    }
}

fn map_jdbc_writes(mapping: &mut Mapping<'_>) {
    let option = "insert.mode";
    match mapping.take(option).unwrap_or("insert") {
        "upsert" => set(mapping, "mode", "upsert"),
        other => mapping.invalid(option, other, "rows are upserted by their key: set it to upsert"),
    }
    let option = "delete.enabled";
    if mapping.take_boolean(option) != Some(true) {
        mapping.error(option, format!("{option} = false is not supported: deletes are applied"));
    }
    let truncate = mapping.take_boolean("truncate.enabled").unwrap_or(false);
    set(mapping, "truncate", if truncate { "apply" } else { "ignore" });
    let option = "schema.evolution";
    match mapping.take(option).unwrap_or("none") {
        "basic" => set(mapping, "schema_evolution", "on"),
        "none" => set(mapping, "schema_evolution", "off"),
        other => mapping.invalid(option, other, "String must be one of: none, basic"),
    }
}

fn map_jdbc_keys(mapping: &mut Mapping<'_>) {
    let option = "primary.key.mode";
    if let Some(other) = mapping.take(option).filter(|mode| *mode != "record_key") {
        mapping.invalid(option, other, "rows are found by the key of the record: set it to record_key");
    }
    let option = "primary.key.fields";
    if mapping.take(option).is_some() {
        mapping.error(option, format!("{option}: set sink.config.tables.TABLE.key_columns instead"));
    }
}

fn map_jdbc_tables(mapping: &mut Mapping<'_>) {
    for option in ["collection.name.format", "table.name.format"] {
        let Some(format) = mapping.take(option) else { continue };
        let mut template = format.to_owned();
        for (theirs, own) in [
            ("${topic}", "{topic}"),
            ("${source.table}", "{table}"),
            ("${source.schema}", "{schema}"),
            ("${source.db}", "{database}"),
        ] {
            template = template.replace(theirs, own);
        }
        if template.contains("${") {
            mapping.invalid(
                option,
                format,
                "there are ${topic}, ${source.table}, ${source.schema} and ${source.db}",
            );
        } else {
            set(mapping, "table", template);
        }
    }
    let columns = "use the transform fields";
    for option in ["field.include.list", "field.exclude.list"] {
        if mapping.take(option).is_some() {
            mapping.error(option, format!("{option} is not supported: {columns}"));
        }
    }
}
