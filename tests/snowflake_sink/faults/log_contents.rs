//! What must not be in the log, and what must be in Snowflake's query tags.

use tidegate_tests::{Finished, Running, StandIn, root};

use super::{Trial, shop, trial::SMALL};

const PASSWORD: &str = "not-a-secret";
const PASSPHRASE: &str = "throw-away";

fn run_at(trial: &Trial<'_>, level: &str) -> Finished {
    let mut command = trial.home.command();
    command.args(["--bootstrap-servers", trial.broker.servers(), "--log-level", level, "run", "--once"]);
    Running::start(&mut command).finish()
}

fn pem(name: &str) -> String {
    let path = root().join("tests/snowflake_sink/faults/keys").join(name);
    std::fs::read_to_string(path).expect("a key of the tests")
}

/// Checks that there is no secret, no statement and no value in the output.
#[track_caller]
fn expect_nothing_leaked(output: &str) {
    assert!(!output.contains(PASSWORD) && !output.contains(PASSPHRASE), "{output}");
    for line in pem("loader.pem").lines().chain(pem("loader_encrypted.pem").lines()) {
        assert!(!output.contains(line), "{line}\n{output}");
    }
    for part in
        ["Snowflake Token", "eyJ", "USING (", "SELECT ", "INSERT INTO", "MERGE INTO", "VALUES", "PARSE_JSON"]
    {
        assert!(!output.contains(part), "{part}\n{output}");
    }
    for value in ["new 1", "changed 2"] {
        assert!(!output.contains(value), "{value}\n{output}");
    }
    let words =
        output.split(|character: char| !character.is_ascii_alphanumeric() && !"-_".contains(character));
    let tokens: Vec<&str> = words.filter(|word| looks_like_token(word)).collect();
    assert!(tokens.is_empty(), "{tokens:?}\n{output}");
}

/// The stand-in's tokens are 43 characters of base64.
fn looks_like_token(word: &str) -> bool {
    let has = |kind: fn(&char) -> bool| word.chars().any(|character| kind(&character));
    word.len() >= 40
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_digit)
}

#[test]
fn no_secret_no_statement_and_no_value_is_in_the_log() {
    let public =
        format!("LOADER={}", root().join("tests/snowflake_sink/faults/keys/loader_public.pem").display());
    let Some(stand_in) = StandIn::start(&["--public-key", &public, "--session-seconds", "2"]) else {
        return;
    };
    let key = format!(
        "{}private_key = {}\nprivate_key_passphrase = \"{PASSPHRASE}\"\n",
        stand_in.options_without_password(),
        serde_json::json!(pem("loader_encrypted.pem")),
    );
    for (number, login) in [stand_in.options(), key].iter().enumerate() {
        for (place, level) in ["debug", "trace"].into_iter().enumerate() {
            let trial = Trial::new(&stand_in, &format!("quiet_{number}_{place}"));
            let retry = "[errors.retry]\ninitial = \"1ms\"\nmax = \"5ms\"\n";
            trial.connector_as(login, "", &format!("[batch]\n{SMALL}{retry}"));
            // The log must not contain them after faults either.
            stand_in.fault("^COMMIT", "lost");
            stand_in.fault("^MERGE INTO [^ ]*\"orders\"", "kill");
            stand_in.fault("^INSERT INTO [^ ]*\"views\"", "code:000603:XX000");
            stand_in.fault("^BEGIN", "http:503");
            let finished = run_at(&trial, level).expect_code(0);
            trial.expect_fired();
            trial.expect_shop(&finished);
            expect_nothing_leaked(&finished.stderr);
            expect_nothing_leaked(&finished.stdout);
        }
    }
}

#[test]
fn a_rejected_secret_is_not_in_the_log() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let other = serde_json::json!(pem("other.pem"));
    for (number, secret) in
        ["password = \"wrong-not-a-secret\"\n".to_owned(), format!("private_key = {other}\n")]
            .into_iter()
            .enumerate()
    {
        let trial = Trial::new(&stand_in, &format!("refused_{number}"));
        let login = format!("{}{secret}", stand_in.options_without_password());
        trial.connector_as(&login, "", super::trial::NO_RESTART);
        let finished = run_at(&trial, "trace").expect_code(3);
        expect_nothing_leaked_but_fingerprint(&finished.stderr);
    }
}

/// The fingerprint of the public key looks like a token but is not secret.
#[track_caller]
fn expect_nothing_leaked_but_fingerprint(output: &str) {
    for line in pem("other.pem").lines().filter(|line| line.len() > 8) {
        assert!(!output.contains(line), "{line}\n{output}");
    }
    let words: Vec<&str> = output
        .split_whitespace()
        .map(|word| if word.starts_with("SHA256:") { "SHA256:" } else { word })
        .collect();
    expect_nothing_leaked(&words.join(" "));
}

#[test]
fn a_dry_run_prints_statements_and_changes_nothing() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let trial = Trial::new(&stand_in, "dry");
    trial.connector("dry_run = true\n", super::trial::WHOLE);
    let finished = trial.run_once().expect_code(0);
    finished.expect_log("dry run: nothing is changed in Snowflake");
    for line in [
        "-- CREATE TABLE \"TIDEGATE\".\"DRY\".\"orders\"",
        "-- CREATE TABLE \"TIDEGATE\".\"DRY\".\"views\"",
        "-- MERGE \"TIDEGATE\".\"DRY\".\"orders\", 60 rows",
        "-- INSERT \"TIDEGATE\".\"DRY\".\"views\", 30 rows",
    ] {
        assert!(
            finished.stdout.lines().any(|printed| printed == line),
            "{line} is not in\n{}",
            finished.stdout
        );
    }
    assert!(!finished.stdout.contains("changed 2"), "{}", finished.stdout);
    assert_eq!(trial.tables(), Vec::<String>::new());
    let kinds: Vec<String> = trial.log().into_iter().map(|entry| entry.kind).collect();
    let harmless = ["LOGIN", "RENEW", "CLOSE", "SELECT", "SHOW"];
    assert!(kinds.iter().all(|kind| harmless.contains(&kind.as_str())), "{kinds:?}");
}

#[test]
fn the_query_tag_names_connector_topic_and_offsets() {
    let Some(stand_in) = StandIn::exclusive() else {
        return;
    };
    let trial = Trial::new(&stand_in, "tagged");
    let _finished = trial.run_once().expect_code(0);
    let log = trial.log();
    let tagged = |kind: &str, table: &str| -> Vec<&str> {
        let is_wanted = |sql: &str| sql.lines().next().is_some_and(|line| line.contains(table));
        let entries =
            log.iter().filter(|entry| entry.kind == kind && entry.sql.as_deref().is_some_and(is_wanted));
        entries.map(|entry| entry.tag.as_deref().expect("a tag")).collect()
    };
    let tags = tagged("MERGE", "\"orders\"");
    assert!(tags.len() > 1, "{log:#?}");
    assert!(tags.iter().all(|tag| tag.starts_with("tidegate connector=tagged task=0 ")), "{tags:?}");
    // The ranges have no gap and no overlap.
    let mut next = 0;
    for (from, to) in tags.iter().map(|tag| range_of(tag, shop::ORDERS)) {
        assert_eq!(from, next, "{tags:?}");
        next = to;
    }
    assert_eq!(Some(next), trial.committed(), "{tags:?}");
    let tags = tagged("INSERT", "\"views\"");
    assert!(
        !tags.is_empty() && tags.iter().all(|tag| tag.contains(&format!("{}-0@", shop::VIEWS))),
        "{tags:?}"
    );
    // All statements have a tag.
    assert!(
        log.iter().all(|entry| entry.sql.is_none()
            || entry.tag.as_deref().is_some_and(|tag| tag.starts_with("tidegate")))
    );
}

/// The offsets of partition 0 of a topic in a tag.
fn range_of(tag: &str, topic: &str) -> (i64, i64) {
    let (_, rest) =
        tag.split_once(&format!("{topic}-0@")).unwrap_or_else(|| panic!("{topic} is not in {tag}"));
    let range = rest.split(' ').next().unwrap_or_default();
    let (from, to) = range.split_once('-').expect("a range");
    (from.parse().expect("an offset"), to.parse().expect("an offset"))
}
