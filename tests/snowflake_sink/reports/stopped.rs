//! Rejected records without `[errors]` in the connector file: the task fails with the reason.

use tidegate_tests::{Home, Snowflake};

use super::{
    case::Case,
    folder,
    scene::{CaseRun, Mode, run_once},
};

#[test]
fn a_task_fails_at_the_first_rejected_record() {
    let Some(service) = Snowflake::find() else { return };
    let is_rejected = |case: &Case| !case.rejected.is_empty();
    let cases: Vec<Case> = folder::cases().into_iter().filter(is_rejected).collect();
    // Without `[errors]`.
    let cases: Vec<Case> = cases.into_iter().map(|case| Case { more: String::new(), ..case }).collect();
    let mut case_runs: Vec<CaseRun<'_>> = cases.iter().map(|case| CaseRun::new(case, service)).collect();
    let home = Home::new(&["snowflake-sink"]);
    for case_run in &mut case_runs {
        case_run.send_until(case_run.case.records.len());
        home.connector(&case_run.case.name, &case_run.connector(Mode { isolation: "thread", batch: 1 }));
    }
    let log = run_once(&home).expect_code(3);
    let mut failures = Vec::new();
    for case in &cases {
        let line = log.stderr.lines().find(|line| line.contains(&format!("ERROR {}[0] ", case.name)));
        let first = &case.rejected[0];
        let parts = first.reason.iter().copied().chain([first.topic_and_offset.as_str()]);
        let missing: Vec<&str> = parts.filter(|part| !line.unwrap_or_default().contains(part)).collect();
        if !missing.is_empty() {
            failures.push(format!("{}: not {missing:?} in {line:?}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
