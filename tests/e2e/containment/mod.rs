//! Plugins that misbehave in every way, each beside a healthy connector that delivers everything meanwhile.

mod cases;
mod scene;

use cases::Case;
use scene::{Isolation, Scene};
use tidegate_tests::{Broker, Finished, Home};

/// Runs the cases in a host that then ends with this code.
fn contain(isolation: Isolation, cases: &'static [Case], code: i32) -> Finished {
    let mut scene = Scene::start(isolation, cases);
    scene.watch();
    scene.end().expect_code(code)
}

#[test]
fn whatever_a_plugin_fails_with_fails_its_own_task_alone() {
    contain(Isolation::Thread, cases::FAILING, 0);
}

#[test]
fn whatever_a_plugin_fails_with_fails_its_own_task_alone_in_a_process() {
    contain(Isolation::Process, cases::FAILING, 0);
}

#[test]
fn a_call_that_does_not_return_costs_its_own_task_alone() {
    // The threads that are left behind do not keep the host's process.
    contain(Isolation::Thread, cases::HANGING, 0);
}

#[test]
fn a_call_that_does_not_return_costs_its_own_process_alone() {
    let finished = contain(Isolation::Process, cases::HANGING, 0);
    assert_eq!(finished.count_log("was abandoned"), 0, "{}", finished.stderr);
}

#[test]
fn what_a_plugin_does_beside_its_work_stops_nobody() {
    contain(Isolation::Thread, cases::SIDE_EFFECTS, 0);
}

#[test]
fn the_log_outlives_the_standard_error_that_it_began_on() {
    let finished = contain(Isolation::Thread, cases::CLOSING, 0);
    finished.expect_log("INFO stopped");
}

#[test]
fn standard_streams_that_a_process_closes_are_its_own() {
    contain(Isolation::Process, cases::CLOSING, 0);
}

#[test]
fn what_a_plugin_does_beside_its_work_stops_nobody_in_a_process() {
    contain(Isolation::Process, cases::SIDE_EFFECTS, 0);
}

#[test]
fn a_plugin_that_cannot_end_well_holds_up_nobody() {
    contain(Isolation::Thread, cases::ENDING, 0);
}

#[test]
fn a_plugin_that_cannot_end_well_holds_up_nobody_in_a_process() {
    contain(Isolation::Process, cases::ENDING, 0);
}

#[test]
fn a_plugin_that_does_not_end_is_left_behind() {
    // Everything is delivered, and yet a plugin was cut short.
    let finished = contain(Isolation::Thread, cases::NEVER_ENDING, 1);
    finished.expect_log("a plugin call has not returned; its thread was abandoned");
}

#[test]
fn a_plugin_that_does_not_end_is_ended_with_its_process() {
    contain(Isolation::Process, cases::NEVER_ENDING, 1);
}

#[test]
fn a_crash_takes_its_own_process_alone() {
    contain(Isolation::Process, cases::CRASHING, 0);
}

#[test]
fn what_is_changed_in_a_process_does_not_touch_the_host() {
    contain(Isolation::Process, cases::CHANGING, 0);
}

#[test]
fn the_table_is_printed_although_a_plugin_closed_standard_output() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["misbehaving"]);
    home.connector(
        "closes",
        "[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"hostile-sink\"\n[sink.config]\npath = \"@calls\"\n\
         at = \"open\"\ndoes = \"close-stdout\"\n",
    );
    let finished = home.run_once(&broker).expect_code(0);
    assert!(finished.stdout.contains("\ncloses "), "{}", finished.stdout);
}
