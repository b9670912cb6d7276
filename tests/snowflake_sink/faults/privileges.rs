//! Missing objects and privileges are reported with the GRANT to run.

use tidegate_tests::StandIn;

use super::{Trial, trial::NO_RESTART};

/// Runs with these additional options. Checks the exit code, and that one log line contains all `parts`.
#[track_caller]
fn expect_refused(trial: &Trial<'_>, login: &str, parts: &[&str]) {
    trial.connector_as(login, "", NO_RESTART);
    let finished = trial.home.stop_when_failed(trial.start());
    let line = finished.expect_log(parts[0]);
    for part in parts {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(line.contains(" ERROR "), "{line}");
}

#[test]
fn missing_objects_are_reported_with_the_grant() {
    let options = [
        "--warehouses",
        "LOAD_WH",
        "--databases",
        "TIDEGATE",
        "--schemas",
        "MISSING_0",
        "--roles",
        "PUBLIC,ETL",
    ];
    let Some(stand_in) = StandIn::start(&options) else {
        return;
    };
    let given = stand_in.options();
    let swapped = |from: &str, to: &str| given.replace(from, to);
    let scenes = [
        (
            swapped("\"TIDEGATE\"", "\"NOWHERE\""),
            vec![
                "database NOWHERE does not exist or cannot be used",
                "GRANT USAGE ON DATABASE \"NOWHERE\" TO ROLE \"PUBLIC\"",
            ],
        ),
        (
            swapped("\"LOAD_WH\"", "\"NO_WH\""),
            vec![
                "warehouse NO_WH does not exist or cannot be used",
                "GRANT USAGE ON WAREHOUSE \"NO_WH\" TO ROLE \"PUBLIC\"",
            ],
        ),
        (
            format!("{given}role = \"nobody\"\n"),
            vec!["Role 'NOBODY'", "390189", "GRANT ROLE \"NOBODY\" TO USER \"LOADER\""],
        ),
        (
            format!("{given}role = \"etl\"\nsnapshot_warehouse = \"\"\n")
                .replace("\"LOAD_WH\"", "\"lower case\""),
            vec!["USE WAREHOUSE \"LOWER CASE\"", "GRANT USAGE ON WAREHOUSE \"LOWER CASE\" TO ROLE \"ETL\""],
        ),
    ];
    for (login, parts) in scenes {
        let trial = Trial::new(&stand_in, "missing_0");
        expect_refused(&trial, &login, &parts);
    }
    // A schema that does not exist.
    let trial = Trial::new(&stand_in, "missing_schema");
    let parts = [
        "schema TIDEGATE.MISSING_SCHEMA does not exist or cannot be used",
        "GRANT USAGE ON SCHEMA \"TIDEGATE\".\"MISSING_SCHEMA\" TO ROLE \"PUBLIC\"",
    ];
    expect_refused(&trial, &given, &parts);
}

#[test]
fn missing_privileges_are_reported_with_the_grant() {
    let options =
        ["--deny", "A:CREATE TABLE", "--deny", "B:MERGE", "--deny", "C:INSERT", "--deny", "D:ALTER TABLE"];
    let Some(stand_in) = StandIn::start(&options) else {
        return;
    };
    let role = |role: &str| format!("{}role = \"{role}\"\n", stand_in.options());
    let trial = Trial::new(&stand_in, "may_not_create");
    let grant = "GRANT CREATE TABLE ON SCHEMA \"TIDEGATE\".\"MAY_NOT_CREATE\" TO ROLE \"A\"";
    expect_refused(&trial, &role("A"), &["CREATE TABLE \"TIDEGATE\"", "003001/42501", grant]);
    assert_eq!(trial.tables(), Vec::<String>::new());

    let trial = Trial::new(&stand_in, "may_not_merge");
    let table = "\"TIDEGATE\".\"MAY_NOT_MERGE\".\"_cdc_offsets_may_not_merge\"";
    let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {table} TO ROLE \"B\"");
    expect_refused(&trial, &role("B"), &["MERGE into ", "003001/42501", table, &grant]);

    // The tables were created by a user with all privileges.
    let trial = Trial::new(&stand_in, "may_not_insert");
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);
    let mut trial = trial;
    trial.shop.view(&trial.broker, 100..110);
    let table = "\"TIDEGATE\".\"MAY_NOT_INSERT\".\"views\"";
    let grant = format!("GRANT SELECT, INSERT ON TABLE {table} TO ROLE \"C\"");
    expect_refused(&trial, &role("C"), &["INSERT into ", "003001/42501", &grant]);
    trial.connector("", super::trial::SMALL);
    let finished = trial.run_once().expect_code(0);
    trial.expect_shop(&finished);

    let trial = Trial::new(&stand_in, "may_not_alter");
    let _status =
        trial.query(&format!("CREATE TABLE {} (\"id\" NUMBER(38,0) NOT NULL)", trial.table("orders")));
    let grant = "GRANT OWNERSHIP ON TABLE \"TIDEGATE\".\"MAY_NOT_ALTER\".\"orders\" TO ROLE \"D\"";
    expect_refused(&trial, &role("D"), &["ALTER TABLE \"TIDEGATE\"", "003001/42501", grant]);
    assert_eq!(trial.select("\"id\"", "orders"), Vec::<Vec<Option<String>>>::new());
}
