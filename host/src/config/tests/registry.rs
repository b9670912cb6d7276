//! `[schema_registry]`, `[source.schema_registry]`, their variables, and what goes with Avro.

use super::*;
use crate::formats::registry::{ApicurioId, Credentials, RegistrySettings};

const AVRO: &str = "source.value_format = \"avro\"\n";

fn settings(folder: Folder) -> RegistrySettings {
    folder.only().source.registry.unwrap()
}

fn basic(username: &str, password: &str) -> Option<Credentials> {
    Some(Credentials::Basic { username: username.to_owned(), password: password.to_owned() })
}

#[test]
fn every_layer_fills_what_the_one_above_leaves_open() {
    let host = "[schema_registry]\nurl = \"http://host\"\nusername = \"u\"\npassword = \"file-pass\"\napicurio_id = \"content\"";
    let folder = |own: &str| Folder::new().host(host).connector("a", &format!("{AVRO}{MINIMAL}{own}"));

    let from_host = settings(folder(""));
    assert_eq!(from_host.urls, ["http://host"]);
    assert_eq!(from_host.credentials, basic("u", "file-pass"));
    assert_eq!(from_host.apicurio_id, ApicurioId::Content);

    let variables = |folder: Folder| {
        let folder = folder.variable("SCHEMA_REGISTRY_URL", "http://env-1, http://env-2/");
        folder.variable("SCHEMA_REGISTRY_USERNAME", "e").variable("SCHEMA_REGISTRY_PASSWORD", "env-pass")
    };
    let from_environment = settings(variables(folder("")));
    assert_eq!(from_environment.urls, ["http://env-1", "http://env-2"]);
    assert_eq!(from_environment.credentials, basic("e", "env-pass"));

    let own =
        "[source.schema_registry]\nurl = [\"http://own-1\", \"http://own-2\"]\nbearer_token = \"own-token\"";
    let own = settings(variables(folder(own)));
    assert_eq!(own.urls, ["http://own-1", "http://own-2"]);
    assert_eq!(own.credentials, Some(Credentials::Bearer("own-token".to_owned())));
}

#[test]
fn the_variable_alone_is_enough() {
    let folder = Folder::new().connector("a", &format!("{AVRO}{MINIMAL}"));
    assert_eq!(settings(folder.variable("SCHEMA_REGISTRY_URL", "http://r:8081")).urls, ["http://r:8081"]);
}

#[test]
fn a_login_of_the_host_file_is_not_sent_to_another_registry() {
    let host = "[schema_registry]\nurl = \"http://host\"\nusername = \"u\"\npassword = \"file-pass\"";
    let own = format!("{AVRO}{MINIMAL}[source.schema_registry]\nurl = \"http://other\"");
    assert_eq!(settings(Folder::new().host(host).connector("a", &own)).credentials, None);
}

#[test]
fn secrets_are_hidden() {
    let own = "[source.schema_registry]\nurl = \"http://r\"\nusername = \"u\"\npassword = \"hunter2-long\"";
    let connector = only(&format!("{AVRO}{MINIMAL}{own}"));
    assert!(!format!("{connector:?}").contains("hunter2-long"));
    assert_eq!(connector.secrets.scrub("x hunter2-long"), "x ***");
}

#[test]
fn what_is_missing_or_contradictory_is_named() {
    let avro = |extra: &str| findings_in(&format!("{AVRO}{MINIMAL}{extra}"));
    assert_eq!(
        avro(""),
        [
            "connectors.d/a.toml:1:8: source.value_format: \"avro\" needs a schema registry: set url in [schema_registry] of \
             the host file or in [source.schema_registry], or SCHEMA_REGISTRY_URL"
        ]
    );
    let registry = |keys: &str| avro(&format!("[source.schema_registry]\nurl = \"http://r\"\n{keys}"));
    assert_eq!(registry(""), [""; 0]);
    for (keys, expected) in [
        ("username = \"u\"\nbearer_token = \"t\"", "both a user name and a bearer token are given"),
        ("password = \"some-pass\"", "a password without a user name"),
        ("tls_ca_file = \"/no/such/file\"", "cannot read /no/such/file"),
        ("tls_key_password = \"some-pass\"", "a private key without a certificate"),
        ("apicurio_id = \"x\"", "unknown value \"x\""),
    ] {
        let found = registry(keys);
        assert!(found.iter().any(|finding| finding.contains(expected)), "{keys}: {found:?}");
        assert!(!found.concat().contains("some-pass"), "{found:?}");
    }
}

#[test]
fn a_readers_schema_is_a_file_or_stands_there() {
    let registry = "[source.schema_registry]\nurl = \"http://r\"\n";
    let with = |line: &str| format!("{AVRO}{line}\n{MINIMAL}{registry}");
    let inline = only(&with(r#"source.value_reader_schema = '{"type": "int"}'"#));
    assert_eq!(inline.source.value_reader_schema.as_deref(), Some(r#"{"type": "int"}"#));
    let folder = Folder::new().file("orders.avsc", r#"["null", "string"]"#);
    let path = folder.path("orders.avsc");
    let folder = folder.connector("a", &with(&format!("source.value_reader_schema = {path:?}")));
    assert_eq!(folder.only().source.value_reader_schema.as_deref(), Some(r#"["null", "string"]"#));
    for (line, expected) in [
        ("source.value_reader_schema = '{\"type\": \"recrod\"}'", "the type \"recrod\" is not defined"),
        ("source.value_reader_schema = \"nowhere.avsc\"", "cannot read nowhere.avsc"),
        (
            "source.key_reader_schema = '\"int\"'",
            "a reader's schema is for Avro: remove it, or set key_format",
        ),
    ] {
        let found = findings_in(&with(line));
        assert!(found.iter().any(|finding| finding.contains(expected)), "{line}: {found:?}");
    }
}
