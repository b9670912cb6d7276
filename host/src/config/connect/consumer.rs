//! `consumer.override.*`: the properties of Java's consumer as keys of `[source]` and properties of librdkafka.

use super::mapping::Mapping;
use super::masks::MASK;

const PREFIX: &str = "consumer.override.";

pub(super) fn map(mapping: &mut Mapping<'_>) {
    map_own(mapping);
    map_assignor(mapping);
    map_login(mapping);
    map_stores(mapping);
    let host = "the host sets it itself";
    let unused = [
        "enable.auto.commit",
        "auto.commit.interval.ms",
        "key.deserializer",
        "value.deserializer",
        "interceptor.classes",
        "metric.reporters",
        "metrics.recording.level",
        "metrics.num.samples",
        "metrics.sample.window.ms",
        "default.api.timeout.ms",
        "request.timeout.ms",
        "exclude.internal.topics",
        "allow.auto.create.topics",
        "client.dns.lookup",
        "security.providers",
        "receive.buffer.bytes",
        "send.buffer.bytes",
    ];
    let unused = unused.map(|name| format!("{PREFIX}{name}"));
    mapping.without_effect(&unused.each_ref().map(String::as_str), host);
    for (name, value) in mapping.unread(PREFIX) {
        mapping.take(&format!("{PREFIX}{name}"));
        let property = match name {
            "fetch.max.wait.ms" => "fetch.wait.max.ms",
            "connections.max.idle.ms" => "connections.max.idle.ms",
            other => other,
        };
        mapping.set(&["source", "properties", property], value.trim());
    }
}

/// Properties with a key of their own.
fn map_own(mapping: &mut Mapping<'_>) {
    for (name, key) in [
        ("group.id", "group_id"),
        ("group.instance.id", "group_instance_id"),
        ("bootstrap.servers", "bootstrap_servers"),
    ] {
        if let Some(value) = mapping.take(&format!("{PREFIX}{name}")) {
            mapping.set(&["source", key], value);
        }
    }
    let option = format!("{PREFIX}auto.offset.reset");
    match mapping.take(&option) {
        Some(start @ ("earliest" | "latest")) => mapping.set(&["source", "start"], start),
        Some(other) => mapping.invalid(&option, other, "String must be one of: earliest, latest"),
        None => {}
    }
    if let Some(records) = mapping.take_integer(&format!("{PREFIX}max.poll.records")) {
        mapping.set(&["batch", "max_records"], records);
    }
}

fn map_assignor(mapping: &mut Mapping<'_>) {
    let option = format!("{PREFIX}partition.assignment.strategy");
    if let Some(classes) = mapping.take(&option) {
        let first = classes.split(',').next().unwrap_or_default();
        match first.rsplit('.').next().unwrap_or_default() {
            "RangeAssignor" => mapping.set(&["source", "group_protocol"], "range"),
            "RoundRobinAssignor" => mapping.set(&["source", "group_protocol"], "roundrobin"),
            "CooperativeStickyAssignor" => mapping.set(&["source", "group_protocol"], "cooperative-sticky"),
            _ => mapping.invalid(
                &option,
                first,
                "there are RangeAssignor, RoundRobinAssignor and CooperativeStickyAssignor",
            ),
        }
    }
    let option = format!("{PREFIX}group.protocol");
    match mapping.take(&option) {
        Some(protocol) if protocol.eq_ignore_ascii_case("consumer") => {
            mapping.set(&["source", "group_protocol"], "consumer");
        }
        Some(protocol) if protocol.eq_ignore_ascii_case("classic") => {}
        Some(other) => mapping.invalid(&option, other, "String must be one of: classic, consumer"),
        None => {}
    }
}

/// `sasl.jaas.config` has user and password in one text.
fn map_login(mapping: &mut Mapping<'_>) {
    let option = format!("{PREFIX}sasl.jaas.config");
    let Some(text) = mapping.take(&option) else { return };
    let (user, password) = if text == MASK {
        (Some(MASK.to_owned()), Some(MASK.to_owned()))
    } else {
        (jaas_value(text, "username"), jaas_value(text, "password"))
    };
    let (Some(user), Some(password)) = (user, password) else {
        let message = format!(
            "{option} has no username and password: for other logins, set the properties of librdkafka as {PREFIX}NAME"
        );
        mapping.error(&option, message);
        return;
    };
    mapping.set(&["source", "properties", "sasl.username"], user);
    mapping.set(&["source", "properties", "sasl.password"], password);
}

/// The value of `name="value"` in a login module's options, in which a backslash stands before a quote.
fn jaas_value(text: &str, name: &str) -> Option<String> {
    let start = text.find(&format!("{name}="))? + name.len() + 1;
    let rest = text.get(start..)?;
    let Some(quote) = rest.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        return rest.split([' ', ';']).next().map(str::to_owned);
    };
    let (mut value, mut escaped) = (String::new(), false);
    for letter in rest.chars().skip(1) {
        match letter {
            '\\' if !escaped => escaped = true,
            letter if letter == quote && !escaped => return Some(value),
            letter => {
                value.push(letter);
                escaped = false;
            }
        }
    }
    None
}

/// Trust and key stores: librdkafka reads PEM.
fn map_stores(mapping: &mut Mapping<'_>) {
    for (store, property) in
        [("ssl.truststore", "ssl.ca.location"), ("ssl.keystore", "ssl.keystore.location")]
    {
        let kind_option = format!("{PREFIX}{store}.type");
        let kind = mapping.take(&kind_option).map(str::to_ascii_uppercase);
        let location = format!("{PREFIX}{store}.location");
        let Some(path) = mapping.take(&location) else { continue };
        let expected = if store == "ssl.truststore" { "PEM" } else { "PKCS12" };
        if kind.as_deref() == Some(expected) {
            mapping.set(&["source", "properties", property], path);
        } else {
            let message = format!(
                "{location} is read as {expected} only: convert the store, and set {kind_option} = {expected}"
            );
            mapping.error(&location, message);
        }
    }
    let option = format!("{PREFIX}ssl.truststore.password");
    mapping.without_effect(&[&option], "a PEM file has no password");
}

#[cfg(test)]
mod tests {
    use super::jaas_value;

    #[test]
    fn user_and_password_of_a_login_module() {
        let text = r#"org.apache.kafka.common.security.scram.ScramLoginModule required username="me" password="a\"b c";"#;
        assert_eq!(jaas_value(text, "username").as_deref(), Some("me"));
        assert_eq!(jaas_value(text, "password").as_deref(), Some("a\"b c"));
        assert_eq!(jaas_value("x required username=me password=p;", "password").as_deref(), Some("p"));
        assert_eq!(jaas_value("x required username=\"open", "username"), None);
    }
}
