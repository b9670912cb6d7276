//! `${env:..}` and `${file:..}`, and that what they bring in stays secret.

use super::*;

fn sink(config: &str) -> String {
    format!(
        "source.topics = \"t\"\n[sink]\nplugin = \"snowflake\"\n[sink.config]\ndatabase = \"d\"\n{config}\n"
    )
}

#[test]
fn variables_defaults_files_and_escapes_are_filled_in() {
    let folder = Folder::new().variable("NAME", "acme").variable("EMPTY", "").file("secret.txt", "s3cret\n");
    let path = folder.path("secret.txt");
    let config = format!(
        "account = \"${{env:NAME}}-${{env:EMPTY:-eu}}\"\npassword = \"${{file:{}}}\"\nproxy.url = \"$${{env:X}}$\"",
        path.display()
    );
    let connector = folder.connector("a", &sink(&config)).only();
    assert_eq!(
        connector.sink.config,
        json!({ "account": "acme-eu", "database": "d", "password": "s3cret", "proxy": { "url": "${env:X}$" } })
    );
}

#[test]
fn numbers_and_booleans_may_come_from_placeholders() {
    let folder = Folder::new().variable("N", "3").variable("B", "false");
    let config = "account = \"${env:N}\"\nretries = \"${env:N}\"\nverify = \"${env:B}\"";
    let connector = folder.connector("a", &format!("tasks = \"${{env:N}}\"\n{}", sink(config))).only();
    assert_eq!(connector.tasks, 3);
    assert_eq!(
        connector.sink.config,
        json!({ "account": "3", "database": "d", "retries": 3, "verify": false })
    );
}

#[test]
fn what_cannot_be_filled_in_is_said_once_each() {
    let config = "account = \"${env:NOPE}\"\nretries = \"${env:NOPE2}\"\nproxy.url = \"${file:/no/such}\"";
    let findings = findings_in(&sink(config));
    assert_eq!(
        findings,
        [
            "connectors.d/a.toml:6:11: sink.config.account: environment variable NOPE is not set: \
             set it, or give a default as ${env:NOPE:-value}",
            "connectors.d/a.toml:7:11: sink.config.retries: environment variable NOPE2 is not set: \
             set it, or give a default as ${env:NOPE2:-value}",
            "connectors.d/a.toml:8:13: sink.config.proxy.url: cannot read /no/such: \
             No such file or directory (os error 2): mount the file there, or correct the path",
        ]
    );
}

#[test]
fn malformed_placeholders_are_said() {
    let finding = |text: &str| findings_in(&sink(&format!("account = '{text}'"))).join("\n");
    assert_eq!(
        finding("${env:A"),
        "connectors.d/a.toml:6:11: sink.config.account: \"${\" without a \"}\": close the placeholder, \
         or write $${ for a literal ${"
    );
    assert_eq!(
        finding("${HOME}"),
        "connectors.d/a.toml:6:11: sink.config.account: unknown placeholder ${HOME}: write ${env:NAME}, \
         ${env:NAME:-default} or ${file:/path}, or $${ for a literal ${"
    );
}

#[test]
fn files_are_bounded_and_text() {
    let folder = Folder::new().file("big", vec![b'x'; (1 << 20) + 1]).file("binary", [0xff]);
    let config = ["account = 'big'", "proxy.url = 'binary'"].map(|line| {
        let (key, name) = line.trim_end_matches('\'').split_once('\'').unwrap();
        format!("{key}'${{file:{}}}'", folder.path(name).display())
    });
    let folder = folder.connector("a", &sink(&config.join("\n")));
    let findings = folder.findings();
    assert!(
        findings[0].ends_with("big is larger than 1 MiB: ${file:..} is for secrets and other short texts")
    );
    assert!(findings[1].contains("binary is not valid UTF-8"), "{findings:?}");
}

#[test]
fn no_secret_is_in_debug_or_in_a_finding() {
    let pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END KEY-----\n";
    let folder = Folder::new()
        .variable("API_TOKEN", "tok\"en-1")
        .variable("SNOWFLAKE_PASSWORD", "pw-from-env")
        .file("key.pem", pem);
    let config = format!(
        "account = \"${{env:API_TOKEN}}\"\npin = 1234567\nproxy.headers.auth = \"Basic abc\"\n\
         proxy.url = \"${{file:{}}}\"\n[source.properties]\n\"sasl.password\" = \"p4ss\"\n\
         \"ssl.key.pem\" = \"abc\"\n\"client.id\" = \"see tok\\\"en-1\"",
        folder.path("key.pem").display()
    );
    let text = format!("description = \"uses ${{env:API_TOKEN}}\"\n{}", sink(&config)).replacen(
        "source.topics",
        "[source]\ntopics",
        1,
    );
    let connector = folder.connector("a", &text).only();
    let printed = [
        format!("{connector:?}"),
        format!("{connector:#?}"),
        format!("{:?}", connector.sink),
        format!("{:?}", connector.source),
        format!("{:?}", connector.secrets),
    ]
    .join("\n");
    for secret in ["en-1", "pw-from-env", "MIIEvQ", "1234567", "Basic abc", "p4ss", "\"abc\""] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert!(printed.contains("\"account\":\"***\"") && printed.contains("connect-a"), "{printed}");
    assert_eq!(connector.secrets.scrub("login with pw-from-env failed"), "login with *** failed");
}

#[test]
fn findings_never_hold_secrets() {
    let folder =
        Folder::new().variable("MY_SECRET", "hidden-value").variable("SNOWFLAKE_PASSWORD", "pw-from-env");
    let config = "account = 5\npin = \"12345\"\nmode = \"abc\"\n[batch]\nmax_wait = \"${env:MY_SECRET}\"";
    let folder = folder.connector("a", &sink(config));
    assert_eq!(
        folder.findings(),
        [
            "connectors.d/a.toml:6:1: sink.config.account: expected a string, found an integer",
            "connectors.d/a.toml:7:1: sink.config.pin: expected an integer, found a string",
            "connectors.d/a.toml:8:1: sink.config.mode: unknown value \"***\": known values: key, token",
            "connectors.d/a.toml:10:1: batch.max_wait: \"***\" is not a duration: write a number and us, ms, s, m, \
             h or d, for example \"1.5s\"",
        ]
    );
}

#[test]
fn the_hosts_secrets_are_every_connectors() {
    let folder =
        Folder::new().host("[kafka.properties]\n\"sasl.password\" = \"hunter2\"").connector("a", MINIMAL);
    let (host, _) = folder.read_host();
    assert!(!format!("{host:?}").contains("hunter2"), "{host:?}");
    let connector = folder.only();
    assert_eq!(connector.secrets.scrub("hunter2!"), "***!");
    assert_eq!(connector.source.properties.get("sasl.password"), Some("hunter2"));
}
