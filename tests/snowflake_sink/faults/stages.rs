//! Rows that are uploaded to a stage: every store, every failure, and what happens if there can be no stage.

use tidegate_tests::{Finished, LogEntry, StandIn};

use super::{
    Order, Trial,
    trial::{SMALL, WHOLE},
};

const STAGED: &str = "stage_rows = \"require\"\nstage_from_bytes = 1000\n";
const AUTO: &str = "stage_from_bytes = 1000\n";
const READS: &str = "@\\\"TIDEGATE";
/// Uploads of a session after its first one, which is the only one that is listed right after it.
const LATER: &str = "^UPLOAD .*-[1-9][0-9]*[.]json";
const BOUND: &str = "rows are bound to statements instead";

/// Statements with rows in a file.
fn reading(log: &[LogEntry]) -> Vec<&LogEntry> {
    let reads =
        |entry: &&LogEntry| entry.sql.as_deref().is_some_and(|sql| sql.contains("SELECT $1 AS value"));
    log.iter().filter(reads).collect()
}

#[track_caller]
fn expect_no_complaints(finished: &Finished) {
    let complaints = finished.count_log(" WARN ") + finished.count_log(" ERROR ");
    assert_eq!(complaints, 0, "{}", finished.stderr);
}

#[test]
fn rows_are_uploaded_to_every_store_and_removed() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    for store in ["s3", "azure", "gcs", "gcs-token"] {
        stand_in.use_store(store);
        let trial = Trial::new(&stand_in, &format!("store_{}", store.replace('-', "_")));
        trial.connector(STAGED, WHOLE);
        let finished = trial.run_once().expect_code(0);
        trial.expect_shop(&finished);
        expect_no_complaints(&finished);
        let log = trial.log();
        let tables: Vec<&str> = reading(&log).iter().map(|entry| entry.kind.as_str()).collect();
        assert!(tables.contains(&"MERGE") && tables.contains(&"INSERT"), "{tables:?}");
        assert!(
            reading(&log).iter().all(|entry| entry.in_transaction
                || entry.sql.as_deref().is_some_and(|sql| sql.contains("__cdc_deleted"))),
            "{tables:?}"
        );
        // Uploaded before the transaction, checked in it, removed after it.
        let at = |kind: &str, is_last: bool| {
            let found = log.iter().filter(|entry| entry.kind == kind).map(|entry| entry.number);
            if is_last { found.max() } else { found.min() }.unwrap_or_else(|| panic!("no {kind}"))
        };
        assert!(log.iter().filter(|entry| entry.kind == "PUT").all(|entry| !entry.in_transaction));
        assert!(log.iter().any(|entry| entry.kind == "LIST" && entry.in_transaction));
        assert!(at("REMOVE", true) > at("COMMIT", true));
        assert_eq!(trial.staged_files(), [], "{store}");
        println!("{store}: {} uploads, {} statements read them", trial.count("UPLOAD"), tables.len());
    }
}

#[test]
fn rows_below_the_size_are_bound() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "few_rows");
    trial.connector("stage_rows = \"require\"\n", WHOLE);
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);
    assert_eq!((trial.count("UPLOAD"), trial.count("CREATE STAGE")), (0, 0));
}

#[test]
fn every_failure_around_an_upload_is_survived() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let faults = [
        // Keys that have expired, and stores that fail: a new PUT gets new keys.
        ("expired", "^UPLOAD", 1, "http:403"),
        ("unavailable", "^UPLOAD", 2, "http:503"),
        ("no_connection", "^UPLOAD", 1, "crash_connection"),
        ("no_answer", "^UPLOAD", 1, "lost"),
        // Acknowledged, but not stored: Snowflake would read no rows.
        ("half", "^UPLOAD", 1, "truncate"),
        ("nothing", "^UPLOAD", 1, "drop"),
        ("later_half", LATER, 1, "truncate"),
        ("later_nothing", LATER, 1, "drop"),
        ("put", "^\\s*PUT", 2, "code:000603:XX000"),
        ("put_session", "^\\s*PUT", 2, "kill"),
        ("put_lost", "^\\s*PUT", 1, "lost"),
        ("create", "^CREATE STAGE", 1, "http:503"),
        ("list", "^LIST", 2, "lost"),
        ("read", READS, 4, "lost"),
        ("read_session", "^MERGE.*\\$1", 1, "expire_session"),
        ("commit", "^COMMIT", 3, "lost"),
    ];
    for (name, pattern, nth, action) in faults {
        let trial = Trial::new(&stand_in, &format!("upload_{name}"));
        trial.connector(STAGED, SMALL);
        let finished = trial.run_past(pattern, nth, 1, action);
        assert_eq!(finished.count_log(BOUND), 0, "{}", finished.stderr);
        assert!(!reading(&trial.log()).is_empty(), "{name}");
        // A session that ended has left its files.
        let left = trial.staged_files().len();
        println!("{name}: {} uploads, {left} files are left", trial.count("UPLOAD"));
        assert_eq!(finished.count_log(" ERROR "), 0, "{}", finished.stderr);
    }
}

#[test]
fn a_file_that_disappears_is_not_read_as_one_without_rows() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let mut trial = Trial::empty(&stand_in, "disappeared");
    trial.connector(STAGED, SMALL);
    // Inserts without a key: no other check of theirs would notice missing rows.
    trial.shop.view(&trial.broker, 0..150);
    trial.shop.order(&trial.broker, [(1, Order::Insert("new"))]);
    let finished = trial.run_past(LATER, 1, 1, "drop");
    let line = finished.expect_log("was removed or changed while statements read it");
    assert!(line.contains(" WARN ") && line.contains("retry"), "{line}");
}

#[test]
fn files_that_cannot_be_removed_are_a_warning_and_removed_a_day_later() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let mut trial = Trial::new(&stand_in, "left_behind");
    trial.connector(STAGED, SMALL);
    let finished = trial.run_past("^REMOVE", 1, 0, "code:000603:XX000");
    let line = finished.expect_log("REMOVE ");
    assert!(line.contains(" WARN ") && line.contains("after a day"), "{line}");
    let left = trial.staged_files();
    assert!(!left.is_empty());
    stand_in.clear_faults();
    // A file of a session that ended long ago.
    let log = trial.log();
    let put =
        log.iter().find_map(|entry| entry.sql.as_deref().filter(|_| entry.kind == "PUT")).expect("a PUT");
    let folder = put.split("/left_behind\"/").last();
    let folder = folder.and_then(|_| put.split("_cdc_stage_left_behind\"/").nth(1)).expect("a folder");
    let connector = folder.split('/').next().expect("the connector's folder");
    let stage = "\"TIDEGATE\".\"LEFT_BEHIND\".\"_cdc_stage_left_behind\"";
    stand_in.add_staged(&format!("{stage}/{connector}/7-old/1700000000-3.json.gz"), "x");
    assert_eq!(trial.staged_files().len(), left.len() + 1);
    trial.shop.trade(&trial.broker);
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);
    // New files may belong to another task, which still reads them.
    assert_eq!(trial.staged_files(), left);
}

#[test]
fn without_the_privilege_for_a_stage_rows_are_bound_with_one_warning() {
    let Some(stand_in) = StandIn::start(&["--deny", "PUBLIC:CREATE STAGE"]) else { return };
    let trial = Trial::new(&stand_in, "no_stage");
    trial.connector(AUTO, SMALL);
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);
    let line = finished.expect_log(BOUND);
    let grant = "GRANT CREATE STAGE ON SCHEMA \"TIDEGATE\".\"NO_STAGE\" TO ROLE \"PUBLIC\"";
    for part in [" WARN ", "CREATE STAGE ", "003001/42501", grant, "stage_rows = \"never\""] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert_eq!(finished.count_log(" WARN "), 1, "{}", finished.stderr);
    assert_eq!((trial.count("UPLOAD"), trial.count("CREATE STAGE")), (0, 1));

    let trial = Trial::new(&stand_in, "stage_is_required");
    trial.connector(STAGED, SMALL);
    let line = trial.home.stop_when_failed(trial.start()).expect_log("CREATE STAGE ").to_owned();
    assert!(line.contains("GRANT CREATE STAGE ON SCHEMA"), "{line}");

    let trial = Trial::new(&stand_in, "never_a_stage");
    trial.connector("stage_rows = \"never\"\n", SMALL);
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);
    expect_no_complaints(&finished);
    assert_eq!(trial.count("PUT"), 0);
}

#[test]
fn stages_that_cannot_be_used_are_explained() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let scenes = [
        (
            "encrypted",
            "FILE_FORMAT = (TYPE = JSON COMPRESSION = GZIP NULL_IF = ())",
            "ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')",
        ),
        ("of_csv", "ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')", "001044/42P13"),
    ];
    for (name, options, reason) in scenes {
        let trial = Trial::new(&stand_in, name);
        let stage = format!("\"TIDEGATE\".\"{}\".\"mine\"", name.to_uppercase());
        let _created = stand_in.query("PUBLIC", &format!("CREATE STAGE {stage} {options}"));
        trial.connector(&format!("stage = \"mine\"\n{AUTO}"), SMALL);
        let finished = trial.run_once().expect_code(0);
        trial.expect_shop(&finished);
        let line = finished.expect_log(BOUND);
        assert!(line.contains(reason), "{line}");
        assert_eq!(finished.count_log(" WARN "), 1, "{}", finished.stderr);
        assert_eq!(trial.staged_files(), []);
    }
}

#[test]
fn a_store_that_refuses_every_upload_does_not_stop_the_connector() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    let trial = Trial::new(&stand_in, "refused");
    trial.connector(AUTO, SMALL);
    let finished = trial.run_past("^UPLOAD", 1, 0, "http:403");
    let line = finished.expect_log(BOUND);
    assert!(line.contains("refused the upload: HTTP 403"), "{line}");
    assert_eq!(trial.count("UPLOAD"), 3);
    // The answer to PUT has keys.
    assert!(!finished.stderr.contains("ASIA"), "{}", finished.stderr);
}

#[test]
fn a_statement_that_is_too_large_with_a_file_is_bound_in_parts() {
    let Some(stand_in) = StandIn::exclusive() else { return };
    for (name, action) in [("staged_by_size", "code:001795:54001"), ("staged_by_time", "code:000630:57014")] {
        let trial = Trial::new(&stand_in, name);
        trial.connector(&format!("{STAGED}max_statement_bytes = 1000\n"), WHOLE);
        let finished = trial.run_past("^MERGE INTO [^ ]*\"orders\".*@", 1, 1, action);
        assert!(finished.expect_log("smaller statements").contains(" WARN "));
        let is_merge = |entry: &&LogEntry| {
            entry.sql.as_deref().is_some_and(|sql| {
                sql.starts_with("MERGE INTO")
                    && sql.lines().next().is_some_and(|line| line.contains("\"orders\""))
            })
        };
        assert!(trial.log().iter().filter(is_merge).count() > 4);
    }
}
