//! Rejected records without `[errors]` in the connector file: the task fails with the reason.

use tidegate_tests::{Home, Snowflake};

use super::{
    case::Case,
    folder,
    scene::{Mode, Player, run_once},
};

#[test]
fn a_task_fails_at_the_first_rejected_record() {
    let Some(service) = Snowflake::find("a_task_fails_at_the_first_rejected_record") else { return };
    let is_refused = |case: &Case| !case.refused.is_empty();
    let cases: Vec<Case> = folder::cases().into_iter().filter(is_refused).collect();
    // Without `[errors]`.
    let cases: Vec<Case> = cases.into_iter().map(|case| Case { more: String::new(), ..case }).collect();
    let mut players: Vec<Player<'_>> = cases.iter().map(|case| Player::new(case, service)).collect();
    let home = Home::new(&["snowflake-sink"]);
    for player in &mut players {
        player.send_until(player.case.records.len());
        home.connector(&player.case.name, &player.connector(Mode { isolation: "thread", batch: 1 }));
    }
    let log = run_once(&home).expect_code(3);
    let mut failures = Vec::new();
    for case in &cases {
        let line = log.stderr.lines().find(|line| line.contains(&format!("ERROR {}[0] ", case.name)));
        let first = &case.refused[0];
        let parts = first.reason.iter().copied().chain([first.topic_and_offset.as_str()]);
        let missing: Vec<&str> = parts.filter(|part| !line.unwrap_or_default().contains(part)).collect();
        if !missing.is_empty() {
            failures.push(format!("{}: not {missing:?} in {line:?}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
