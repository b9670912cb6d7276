//! A plugin's configuration against its schema: which line, which words.

use super::*;

#[track_caller]
fn console(config: &str, expected: &[&str]) {
    let findings =
        findings_in(&format!("source.topics = \"t\"\n[sink]\nplugin = \"console\"\n[sink.config]\n{config}"));
    let expected: Vec<_> = expected.iter().map(|line| format!("connectors.d/a.toml:{line}")).collect();
    assert_eq!(findings, expected);
}

#[test]
fn unknown_plugins_and_wrong_kinds() {
    let plugin = |name: &str| findings_in(&format!("source.topics = \"t\"\nsink.plugin = \"{name}\""));
    assert_eq!(
        plugin("consol"),
        ["connectors.d/a.toml:2:6: sink.plugin: unknown plugin \"consol\": did you mean \"console\"? \
          sink plugins found: broken, console, discard, snowflake"]
    );
    assert_eq!(
        plugin("prices"),
        ["connectors.d/a.toml:2:6: sink.plugin: \"prices\" is a transform, not a sink: \
          sink plugins found: broken, console, discard, snowflake"]
    );
    assert_eq!(
        findings_with("[[transforms]]\nplugin = \"console\""),
        ["connectors.d/a.toml:4:1: transforms[0].plugin: \"console\" is a sink, not a transform: \
          transform plugins found: prices"]
    );
    let broken = plugin("broken");
    assert!(
        broken[0].starts_with(
            "connectors.d/a.toml:2:6: sink.plugin: the configuration schema of plugin \"broken\" is broken: "
        ),
        "{broken:?}"
    );
}

#[test]
fn violations_are_at_the_key_that_caused_them() {
    console("stile = \"json\"", &["5:1: sink.config.stile: unknown key \"stile\": did you mean \"style\"?"]);
    console("color = \"yes\"", &["5:1: sink.config.color: expected true or false, found a string"]);
    console("indent = 9", &["5:1: sink.config.indent: must be at most 8"]);
    console(
        "indent = 1.5",
        &["5:1: sink.config.indent: expected an integer, found a number with a fraction"],
    );
    console(
        "indent = nan",
        &[
            "5:1: sink.config.indent: expected an integer, found nothing",
            "5:10: sink.config.indent: infinity and nan are not allowed in a plugin's configuration",
        ],
    );
    console("tables = [\"a\",\n  \"\"]", &["6:3: sink.config.tables[1]: must not be empty"]);
    console("tables = 5", &["5:1: sink.config.tables: expected a list, found an integer"]);
}

#[test]
fn choices_list_what_there_is() {
    console("style = \"jsn\"", &["5:1: sink.config.style: unknown value \"jsn\": did you mean \"json\"?"]);
    console(
        "style = 5",
        &["5:1: sink.config.style: expected \"human\", \"json\" or \"compact\", found an integer"],
    );
    console("target = \"x\"", &["5:1: sink.config.target: expected a table, found a string"]);
    console(
        "target = { pth = \"x\" }",
        &[
            "5:1: sink.config.target.path: is missing: add path = ...",
            "5:12: sink.config.target.pth: unknown key \"pth\": did you mean \"path\"?",
        ],
    );
}

#[test]
fn missing_keys_are_at_the_header_and_name_the_variable() {
    let findings = findings_in("source.topics = \"t\"\n[sink]\nplugin = \"snowflake\"\n[sink.config]\n");
    assert_eq!(
        findings,
        [
            "connectors.d/a.toml:4:7: sink.config.account: is missing: add account = ..., or set the environment \
             variable SNOWFLAKE_ACCOUNT",
            "connectors.d/a.toml:4:7: sink.config.database: is missing: add database = ...",
        ]
    );
    let findings = findings_in("source.topics = \"t\"\n[sink]\nplugin = \"snowflake\"\n");
    assert!(
        findings[0].starts_with("connectors.d/a.toml:2:2: sink.config.account: is missing"),
        "{findings:?}"
    );
}

#[test]
fn variables_fill_keys_in_the_type_that_the_schema_asks_for() {
    let folder = Folder::new()
        .variable("SNOWFLAKE_ACCOUNT", "12345")
        .variable("SNOWFLAKE_TIMEOUT", "1.5")
        .variable("SNOWFLAKE_RETRIES", "3")
        .variable("SNOWFLAKE_VERIFY", "TRUE")
        .variable("SNOWFLAKE_PASSWORD", "hunter2")
        .variable("PROXY_URL", "http://p")
        .connector("a", "source.topics = \"t\"\nsink = { plugin = \"snowflake\", config.database = \"d\" }");
    let connector = folder.only();
    assert_eq!(
        connector.sink.config,
        json!({
            "account": "12345", "database": "d", "timeout": 1.5, "retries": 3, "verify": true,
            "password": "hunter2", "proxy": { "url": "http://p" }
        })
    );
    assert_eq!(connector.secrets.scrub("hunter2"), "***");
}

#[test]
fn a_variable_of_the_wrong_type_is_named() {
    let folder = Folder::new()
        .variable("SNOWFLAKE_ACCOUNT", "a")
        .variable("SNOWFLAKE_RETRIES", "many")
        .connector("a", "source.topics = \"t\"\nsink = { plugin = \"snowflake\", config.database = \"d\" }");
    assert_eq!(
        folder.findings(),
        ["(environment): sink.config.retries: expected an integer, found a string \
          (from the environment variable SNOWFLAKE_RETRIES)"]
    );
}
