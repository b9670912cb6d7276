//! Secrets in configurations that are shown and come back.

use super::*;

const MASKS: &str = r#"# the masks
[source]
topics = "a"

# first
[[transforms]]
name = "one"
plugin = "mask"

[transforms.config]
key = "1111"

# second
[[transforms]]
name = "two"
plugin = "mask"

[transforms.config]
key = "2222" # of two

[sink]
plugin = "file"

[sink.config]
path = " /x "
pins = ["12", "34"]
"#;

#[test]
fn secrets_are_masked_and_a_masked_one_stays() {
    let schema = schema();
    let given = options(&[
        ("connector.class", "com.snowflake.kafka.connector.SnowflakeSinkConnector"),
        ("topics", "a"),
        ("snowflake.private.key", "MIIsecret"),
        ("consumer.override.sasl.jaas.config", "x required username=\"me\" password=\"hunter2\";"),
        ("value.converter", "io.confluent.connect.avro.AvroConverter"),
        ("value.converter.basic.auth.user.info", "u:hunter3"),
        ("value.converter.schema.registry.url", "http://r:8081"),
    ]);
    let first = to_file("c", &given, None, &schema);
    let shown = from_file("c", &first.text, &schema).unwrap();
    for secret in ["MIIsecret", "hunter2", "hunter3"] {
        assert_eq!(first.text.matches(secret).count(), 1, "{}", first.text);
        assert!(!shown.values().any(|value| value.contains(secret)), "{shown:?}");
    }
    assert_eq!(shown["snowflake.private.key"], MASK);
    let mut again = shown.clone();
    again.insert("tasks.max".to_owned(), "2".to_owned());
    let second = to_file("c", &again, Some(&first.text), &schema);
    for secret in ["MIIsecret", "hunter2", "hunter3"] {
        assert!(second.text.contains(secret), "{}", second.text);
    }
    assert!(to_file("d", &again, None, &schema).has_errors(), "there is no secret to keep");
    let own = "[source]\ntopics = \"a\"\n[sink]\nplugin = \"file\"\nconfig = { pin = \"1234\" }\n";
    assert_eq!(from_file("c", own, &schema).unwrap()["sink.config.pin"], MASK);
}

#[test]
fn a_masked_list_stays_as_a_whole() {
    let schema = schema();
    let shown = from_file("c", MASKS, &schema).unwrap();
    assert_eq!(shown["sink.config.pins"], MASK);
    let again = to_file("c", &shown, Some(MASKS), &schema);
    assert_eq!((again.text.as_str(), again.findings), (MASKS, vec![]));
}

#[test]
fn transforms_keep_their_secrets_and_comments_when_they_are_moved() {
    let schema = schema();
    let mut shown = from_file("c", MASKS, &schema).unwrap();
    shown.insert("transforms".to_owned(), "two,one".to_owned());
    let moved = to_file("c", &shown, Some(MASKS), &schema);
    assert_eq!(moved.findings, []);
    let place = |part: &str| moved.text.find(part).unwrap();
    let parts = ["# second", "\"two\"", "\"2222\" # of two", "# first", "\"one\"", "\"1111\"", "[sink]"];
    assert!(parts.map(place).is_sorted(), "{}", moved.text);
    for option in ["type", "config.key"] {
        shown.remove(&format!("transforms.one.{option}"));
    }
    shown.insert("transforms".to_owned(), "two".to_owned());
    let left = to_file("c", &shown, Some(MASKS), &schema).text;
    assert!(left.contains("# second") && left.contains("2222") && !left.contains("1111"), "{left}");
}

#[test]
fn names_that_users_choose_are_no_secrets() {
    for plain in [
        "transforms.token.predicate",
        "predicates.secret.pattern",
        "sink.config.tables.\"a.password\".name",
        "sink.config.tables.tokens.key",
        "sink.config.\"password.file\"",
    ] {
        assert!(!masks::is_secret_name(plain), "{plain}");
    }
    for secret in [
        "transforms.a.config.password",
        "sink.config.private_key",
        "consumer.override.sasl.jaas.config",
        "sink.config.tables.a.token",
        "sink.config.\"ssl.key.pem\"",
        "transforms.\"a.b\".config.\"client.secret\"",
    ] {
        assert!(masks::is_secret_name(secret), "{secret}");
    }
}

#[test]
fn the_password_of_a_url_is_masked_and_stays_if_the_rest_does() {
    let schema = schema();
    let text = "[source]\ntopics = \"a\"\n[sink]\nplugin = \"file\"\nconfig = { path = \"https://u:hunter2@h/p\" }\n";
    let mut shown = from_file("c", text, &schema).unwrap();
    assert_eq!(shown["sink.config.path"], "https://u:********@h/p");
    shown.insert("tasks.max".to_owned(), "2".to_owned());
    let changed = to_file("c", &shown, Some(text), &schema);
    assert!(changed.text.contains("https://u:hunter2@h/p"), "{}", changed.text);
    shown.insert("sink.config.path".to_owned(), "https://u:********@other/p".to_owned());
    let moved = to_file("c", &shown, Some(text), &schema);
    assert!(moved.has_errors(), "the password is not sent to another host: {}", moved.text);

    let mut given = options(&FILE_SINK);
    given.insert("file".to_owned(), "https://u:hunter2@h/p".to_owned());
    given.insert("errors.log.enable".to_owned(), "true".to_owned());
    let text = to_file("c", &given, None, &schema).text;
    assert_eq!(text.matches("hunter2").count(), 1, "{text}");
    assert_eq!(from_file("c", &text, &schema).unwrap()["file"], "https://u:********@h/p");
    let edited = from_file("c", &text.replace("hunter2@h/p", "hunter2@i/p"), &schema).unwrap();
    assert_eq!(edited["sink.config.path"], "https://u:********@i/p", "{edited:?}");
}
