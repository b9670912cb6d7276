//! The connector file: environment variables, `validate`, `plugins`, and batch sizes.

use std::fs;

use tidegate_tests::{Finished, Home, LogEntry, Running, StandIn, root};

use super::Trial;

const SOURCE: &str = "[source]\ntopics_regex = '^cdc[.]public[.]'\n[sink]\nplugin = \"snowflake\"\n";

fn run(trial: &Trial<'_>, variables: &[(&str, &str)]) -> Finished {
    let mut command = trial.home.command();
    command.envs(variables.iter().copied());
    command.args(["--bootstrap-servers", trial.broker.servers(), "run", "--once"]);
    Running::start(&mut command).finish()
}

#[test]
fn variables_supply_what_the_file_omits() {
    let key = root().join("tests/snowflake_sink/faults/keys");
    let public = format!("LOADER={}", key.join("loader_public.pem").display());
    let options = ["--public-key", public.as_str(), "--roles", "ETL", "--warehouses", "LOAD_WH,OTHER_WH"];
    let Some(stand_in) = StandIn::start(&options) else { return };
    let encrypted = key.join("loader_encrypted.pem").display().to_string();
    let plain = fs::read_to_string(key.join("loader.pem")).unwrap();
    let secrets: [&[(&str, &str)]; 3] = [
        &[("SNOWFLAKE_PASSWORD", "not-a-secret")],
        &[("SNOWFLAKE_PRIVATE_KEY", &plain)],
        &[("SNOWFLAKE_PRIVATE_KEY_PATH", &encrypted), ("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", "throw-away")],
    ];
    let endpoint = stand_in.endpoint();
    for (number, secret) in secrets.into_iter().enumerate() {
        let trial = Trial::new(&stand_in, &format!("variables_{number}"));
        let schema = format!("VARIABLES_{number}");
        // The file has precedence.
        trial.home.connector(
            &schema.to_lowercase(),
            &format!("{SOURCE}[sink.config]\nwarehouse = \"OTHER_WH\"\n{}", super::trial::NO_RESTART),
        );
        let mut variables = vec![
            ("SNOWFLAKE_ACCOUNT", "acme-one"),
            ("SNOWFLAKE_USER", "loader"),
            ("SNOWFLAKE_ROLE", "etl"),
            ("SNOWFLAKE_WAREHOUSE", "LOAD_WH"),
            ("SNOWFLAKE_DATABASE", "tidegate"),
            ("SNOWFLAKE_SCHEMA", &schema),
            ("SNOWFLAKE_ENDPOINT", &endpoint),
        ];
        variables.extend(secret);
        let finished = run(&trial, &variables).expect_code(0);
        trial.expect_shop(&finished);
        let merge = trial.log().into_iter().find(|entry| entry.kind == "MERGE").expect("a MERGE");
        assert_eq!((merge.role.as_deref(), merge.warehouse.as_deref()), (Some("ETL"), Some("OTHER_WH")));
    }
}

/// The largest number of records in a flush of `orders`.
fn largest_batch(log: &[LogEntry]) -> i64 {
    let sizes = log.iter().filter(|entry| entry.kind == "COMMIT").filter_map(|entry| {
        let ranges = entry.tag.as_deref()?.split(' ').filter_map(|part| part.split_once('@'));
        let size = ranges.map(|(_, range)| {
            let (from, to) = range.split_once('-').expect("a range");
            to.parse::<i64>().expect("an offset") - from.parse::<i64>().expect("an offset")
        });
        Some(size.sum())
    });
    sizes.max().expect("a flush")
}

#[test]
fn batch_size_changes_the_batch() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    for (name, variables, batch, expected) in [
        ("by_variable", &[("BATCH_SIZE", "20")][..], "max_wait = \"2s\"\n", 20..=20),
        ("by_file", &[("BATCH_SIZE", "20")][..], "max_records = 70\nmax_wait = \"2s\"\n", 70..=70),
        // All available records: the sink's default is ten thousand.
        ("by_default", &[][..], "max_wait = \"2s\"\n", 71..=144),
    ] {
        let trial = Trial::new(&stand_in, name);
        trial.connector("", batch);
        let finished = run(&trial, variables).expect_code(0);
        trial.expect_shop(&finished);
        let largest = largest_batch(&trial.log());
        println!("{name}: at most {largest} records in a flush");
        assert!(expected.contains(&largest), "{}", finished.stderr);
    }
}

#[test]
fn invalid_options_are_reported_by_name() {
    let home = Home::new(&["snowflake-sink"]);
    let good = "account = \"a\"\nuser = \"u\"\ndatabase = \"d\"\npassword = \"p\"\n";
    home.connector("fine", &format!("{SOURCE}[sink.config]\n{good}tables.orders.key_columns = [\"id\"]\n"));
    let finished = home.run(&["validate"]).expect_code(0);
    assert!(finished.stdout.contains("1 connector file fine"), "{}", finished.stdout);
    let wrong = "pasword = \"p\"\nmode = \"upsrt\"\nstatement_timeout = \"4 minutes\"\nmax_statement_bytes = \"1 megabyte\"\n\
                 metadata = [\"topic\", \"tpoic\"]\ntables.orders.key_colums = [\"id\"]\n";
    home.connector("wrong", &format!("{SOURCE}[sink.config]\n{good}{wrong}"));
    home.connector("empty", &format!("{SOURCE}[sink.config]\n"));
    let finished = home.run(&["validate"]).expect_code(1);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    let expect = |file: &str, parts: &[&str]| {
        let found =
            lines.iter().any(|line| line.contains(file) && parts.iter().all(|part| line.contains(part)));
        assert!(found, "{file} {parts:?} is not in\n{}", finished.stdout);
    };
    expect("wrong.toml", &["sink.config.pasword", "did you mean \"password\"?"]);
    expect("wrong.toml", &["sink.config.mode", "did you mean \"upsert\"?"]);
    expect(
        "wrong.toml",
        &["sink.config.statement_timeout: \"4 minutes\" is not a duration: write a number and"],
    );
    expect(
        "wrong.toml",
        &["sink.config.max_statement_bytes: \"1 megabyte\" is not a size: write a number and"],
    );
    expect("wrong.toml", &["sink.config.metadata", "\"tpoic\""]);
    expect("wrong.toml", &["key_colums", "did you mean \"key_columns\"?"]);
    for (option, variable) in
        [("account", "SNOWFLAKE_ACCOUNT"), ("user", "SNOWFLAKE_USER"), ("database", "SNOWFLAKE_DATABASE")]
    {
        expect("empty.toml", &[&format!("sink.config.{option}"), variable]);
    }
}

#[test]
fn options_that_only_the_sink_can_check_are_reported_offline() {
    let home = Home::new(&["snowflake-sink"]);
    let keys = root().join("tests/snowflake_sink/faults/keys");
    let encrypted = keys.join("loader_encrypted.pem").display().to_string();
    let cases = [
        ("", "table = \"all\"", "13:1: sink.config.table: would write all tables to one"),
        ("", "table = \"{tabel}\"", "13:1: sink.config.table: unknown placeholder {tabel}: use "),
        (
            "",
            "max_statement_bytes = 10",
            "13:1: sink.config.max_statement_bytes: is 10, but must be between 1000 and 16000000 bytes",
        ),
        (
            "",
            "stage_from_bytes = 10",
            "13:1: sink.config.stage_from_bytes: is 10, but must be between 1000 and 1000000000 bytes",
        ),
        ("", "stage = \" \"", "13:1: sink.config.stage: is empty: remove it for the default, or set a name"),
        (
            "",
            "stage = \"mine\"\nstage_rows = \"never\"",
            "13:1: sink.config.stage: has no effect with stage_rows = \"never\": remove one of them",
        ),
        (
            "",
            "tables.orders.name = \"\"",
            "13:15: sink.config.tables.orders.name: Snowflake does not accept the name",
        ),
        ("", "endpoint = \"nowhere\"", "13:1: sink.config.endpoint: \"nowhere\" is not a URL"),
        ("", "private_key = \"secret\"", "13:1: sink.config.private_key: private_key is not a PEM key"),
        (
            "",
            "private_key_path = \"gone.pem\"",
            "13:1: sink.config.private_key_path: reading the private key gone.pem: ",
        ),
        (&encrypted, "", "5:7: sink.config.private_key_passphrase: private_key is encrypted"),
    ];
    for (path, option, expected) in cases {
        let path = if path.is_empty() { String::new() } else { format!("private_key_path = \"{path}\"") };
        let common = "account = \"a\"\nuser = \"u\"\ndatabase = \"d\"\npassword = \"p\"\n";
        home.connector("a", &format!("{SOURCE}[sink.config]\n{common}\n{path}\n\n{option}\n"));
        let finished = home.run(&["validate"]).expect_code(1);
        let line = finished.stdout.lines().next().unwrap_or_default();
        let expected = format!("connectors.d/a.toml:{expected}");
        assert!(line.starts_with(&expected), "{line} instead of {expected}");
        assert!(!finished.stdout.contains("\"secret\""), "{}", finished.stdout);
    }
}

#[test]
fn the_example_is_valid_with_and_without_its_variables() {
    let text = fs::read_to_string(root().join("connectors.d/snowflake.toml")).expect("the example");
    let home = Home::new(&["snowflake-sink"]);
    home.write("connectors.d/snowflake.toml", &text);
    let finished = home.run(&["validate"]).expect_code(0);
    assert!(finished.stdout.contains("1 connector file fine"), "{}", finished.stdout);
    // Enabled, as a user would.
    home.write("connectors.d/snowflake.toml", text.replace("enabled = false", "enabled = true"));
    let mut command = home.command();
    for variable in ["ACCOUNT", "USER", "PASSWORD", "ROLE", "WAREHOUSE", "DATABASE", "SCHEMA"] {
        command.env(format!("SNOWFLAKE_{variable}"), "x");
    }
    command.env("SNOWFLAKE_PRIVATE_KEY_PATH", root().join("tests/snowflake_sink/faults/keys/loader.pem"));
    let finished = Running::start(command.arg("validate")).finish().expect_code(0);
    assert!(finished.stdout.contains("1 connector file fine"), "{}", finished.stdout);
}

#[test]
fn the_plugin_describes_its_options() {
    let home = Home::new(&["snowflake-sink"]);
    let finished = home.run(&["plugins", "snowflake"]).expect_code(0);
    for option in [
        "account",
        "user",
        "password",
        "private_key",
        "private_key_path",
        "private_key_passphrase",
        "role",
        "warehouse",
        "snapshot_warehouse",
        "database",
        "schema",
        "endpoint",
        "mode",
        "delete_mode",
        "truncate",
        "update_missing",
        "unmatched",
        "order_by",
        "identifiers",
        "tables",
        "schema_evolution",
        "type_conflict",
        "metadata",
        "dry_run",
        "SNOWFLAKE_ACCOUNT",
        "SNOWFLAKE_PRIVATE_KEY_PATH",
        "Private key in PEM",
    ] {
        assert!(finished.stdout.contains(option), "{option} is not in\n{}", finished.stdout);
    }
}
