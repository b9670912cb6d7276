//! Converters: `key.converter`, `value.converter`, `header.converter` and the schema registry.

use super::common::list;
use super::mapping::Mapping;
use super::masks::MASK;

pub(super) fn map(mapping: &mut Mapping<'_>) {
    for side in ["key", "value"] {
        map_side(mapping, side);
    }
    map_headers(mapping);
}

/// The format of a converter, by its class with or without the package.
fn format(class: &str) -> Option<&'static str> {
    match class.rsplit('.').next().unwrap_or_default() {
        "JsonConverter" => Some("json"),
        "StringConverter" => Some("string"),
        "ByteArrayConverter" => Some("bytes"),
        "AvroConverter" => Some("avro"),
        "ProtobufConverter" => Some("protobuf"),
        "JsonSchemaConverter" => Some("json-schema"),
        _ => None,
    }
}

fn map_side(mapping: &mut Mapping<'_>, side: &str) {
    let converter = format!("{side}.converter");
    let Some(class) = mapping.take(&converter) else { return };
    let Some(format) = format(class) else {
        let why = "there are JsonConverter, StringConverter, ByteArrayConverter, AvroConverter, ProtobufConverter and \
                   JsonSchemaConverter";
        mapping.invalid(&converter, class, why);
        return;
    };
    mapping.set(&["source", &format!("{side}_format")], format);
    let option = |name: &str| format!("{converter}.{name}");
    mapping.take(&option("converter.type"));
    // JSON with a schema is recognised for each record.
    mapping.take(&option("schemas.enable"));
    let writes = "it is for records that are written to Kafka";
    let unused = ["schemas.cache.size", "decimal.format", "schemas.cache.config", "auto.register.schemas"];
    mapping.without_effect(&unused.map(&option).each_ref().map(String::as_str), writes);
    let default = option("replace.null.with.default");
    if mapping.take_boolean(&default) == Some(true) {
        mapping.warning(&default, format!("{default} has no effect: null stays null"));
    }
    let encoding = option("converter.encoding");
    if let Some(name) = mapping.take(&encoding)
        && !matches!(name.to_ascii_uppercase().as_str(), "UTF-8" | "UTF8" | "US-ASCII")
    {
        mapping.invalid(&encoding, name, "texts are UTF-8");
    }
    map_registry(mapping, &converter);
    mapping.prefix_without_effect(&format!("{converter}."), "the schema of a record decides");
}

/// The key's and the value's registry are the same here.
fn map_registry(mapping: &mut Mapping<'_>, converter: &str) {
    for (name, key) in [
        ("schema.registry.url", "url"),
        ("apicurio.registry.url", "url"),
        ("schema.registry.bearer.auth.token", "bearer_token"),
        ("bearer.auth.token", "bearer_token"),
        ("schema.registry.ssl.truststore.certificates", "tls_ca_file"),
    ] {
        let option = format!("{converter}.{name}");
        let Some(value) = mapping.take(&option) else { continue };
        let value = if key == "url" { urls(value) } else { value.into() };
        set_registry(mapping, &option, key, value);
    }
    for name in ["basic.auth.user.info", "schema.registry.basic.auth.user.info"] {
        let option = format!("{converter}.{name}");
        let Some(info) = mapping.take(&option) else { continue };
        let (user, password) = match info.split_once(':') {
            Some(parts) => parts,
            None if info == MASK => (MASK, MASK),
            None => {
                mapping.error(
                    &option,
                    format!("{option} is the name of the user and the password, as user:password"),
                );
                continue;
            }
        };
        set_registry(mapping, &option, "username", user.into());
        set_registry(mapping, &option, "password", password.into());
    }
    let sources = ["basic.auth.credentials.source", "bearer.auth.credentials.source"];
    for option in sources.map(|name| format!("{converter}.{name}")) {
        if let Some(source) = mapping.take(&option)
            && !matches!(source, "USER_INFO" | "STATIC_TOKEN")
        {
            mapping.invalid(&option, source, "only USER_INFO and STATIC_TOKEN are supported");
        }
    }
}

fn urls(text: &str) -> toml::Value {
    let mut urls = list(text);
    if urls.len() == 1 { urls.remove(0).into() } else { urls.into() }
}

fn set_registry(mapping: &mut Mapping<'_>, option: &str, key: &str, value: toml::Value) {
    let path = ["source", "schema_registry", key];
    if mapping.get(&path).is_some_and(|other| *other != value) {
        let message = format!("{option} differs from that of the key: a connector has one schema registry");
        mapping.error(option, message);
        return;
    }
    mapping.set(&path, value);
}

fn map_headers(mapping: &mut Mapping<'_>) {
    let option = "header.converter";
    let Some(class) = mapping.take(option) else { return };
    match class.rsplit('.').next().unwrap_or_default() {
        "SimpleHeaderConverter" => mapping.set(&["source", "header_format"], "simple"),
        "StringConverter" => mapping.set(&["source", "header_format"], "raw"),
        _ => mapping.invalid(option, class, "there are SimpleHeaderConverter and StringConverter"),
    }
    mapping.prefix_without_effect("header.converter.", "headers are read without options");
}
