//! Plugins with faults of every kind. A healthy connector in the same host must deliver everything meanwhile.

mod cases;
mod scene;

use cases::Case;
use scene::{Isolation, Scene};
use tidegate_tests::{Broker, Finished, Home};

/// Runs the cases in one host, which must exit with this code.
fn contain(isolation: Isolation, cases: &'static [Case], code: i32) -> Finished {
    let mut scene = Scene::start(isolation, cases);
    scene.watch();
    scene.end().expect_code(code)
}

#[test]
fn every_kind_of_failure_fails_only_its_own_task() {
    contain(Isolation::Thread, cases::FAILING, 0);
}

#[test]
fn every_kind_of_failure_fails_only_its_own_task_in_a_process() {
    contain(Isolation::Process, cases::FAILING, 0);
}

#[test]
fn a_call_that_hangs_fails_only_its_own_task() {
    // Abandoned threads do not keep the host from exiting.
    contain(Isolation::Thread, cases::HANGING, 0);
}

#[test]
fn a_call_that_hangs_ends_only_its_own_process() {
    let finished = contain(Isolation::Process, cases::HANGING, 0);
    assert_eq!(finished.count_log("was abandoned"), 0, "{}", finished.stderr);
}

#[test]
fn side_effects_of_a_plugin_affect_no_other_connector() {
    contain(Isolation::Thread, cases::SIDE_EFFECTS, 0);
}

#[test]
fn logging_continues_after_a_plugin_closed_standard_error() {
    let finished = contain(Isolation::Thread, cases::CLOSING, 0);
    finished.expect_log("INFO stopped");
}

#[test]
fn a_process_closes_only_its_own_standard_streams() {
    contain(Isolation::Process, cases::CLOSING, 0);
}

#[test]
fn side_effects_of_a_plugin_affect_no_other_connector_in_a_process() {
    contain(Isolation::Process, cases::SIDE_EFFECTS, 0);
}

#[test]
fn a_failure_in_close_or_drop_delays_no_other_connector() {
    contain(Isolation::Thread, cases::ENDING, 0);
}

#[test]
fn a_failure_in_close_or_drop_delays_no_other_connector_in_a_process() {
    contain(Isolation::Process, cases::ENDING, 0);
}

#[test]
fn a_plugin_that_hangs_in_close_or_drop_does_not_delay_the_host() {
    // Everything is delivered, but a plugin was not closed.
    let finished = contain(Isolation::Thread, cases::NEVER_ENDING, 1);
    finished.expect_log("a plugin call has not returned; its thread was abandoned");
}

#[test]
fn a_plugin_that_hangs_in_close_or_drop_is_killed_with_its_process() {
    contain(Isolation::Process, cases::NEVER_ENDING, 1);
}

#[test]
fn a_crash_ends_only_its_own_process() {
    contain(Isolation::Process, cases::CRASHING, 0);
}

#[test]
fn process_wide_changes_in_a_child_do_not_affect_the_host() {
    contain(Isolation::Process, cases::CHANGING, 0);
}

#[test]
fn the_table_is_printed_after_a_plugin_closed_standard_output() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["misbehaving"]);
    home.connector(
        "closes",
        "[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"fault-sink\"\n[sink.config]\npath = \"@calls\"\n\
         at = \"open\"\nfault = \"close-stdout\"\n",
    );
    let finished = home.run_once(&broker).expect_code(0);
    assert!(finished.stdout.contains("\ncloses "), "{}", finished.stdout);
}
