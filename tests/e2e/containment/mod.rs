//! Plugins that misbehave in every way, each beside a healthy connector that delivers everything meanwhile.

mod cases;
mod scene;

use scene::{Isolation, Scene};
use tidegate_tests::{Broker, Home};

#[test]
fn whatever_a_plugin_fails_with_fails_its_own_task_alone() {
    let mut scene = Scene::start(Isolation::Thread, cases::FAILING);
    scene.watch();
    let _finished = scene.end().expect_code(0);
}

#[test]
fn a_call_that_does_not_return_costs_its_own_task_alone() {
    let mut scene = Scene::start(Isolation::Thread, cases::HANGING);
    scene.watch();
    // The threads that are left behind do not keep the process.
    let _finished = scene.end().expect_code(0);
}

#[test]
fn what_a_plugin_does_beside_its_work_stops_nobody() {
    let mut scene = Scene::start(Isolation::Thread, cases::SIDE_EFFECTS);
    scene.watch();
    let finished = scene.end().expect_code(0);
    // The log outlives the standard error that it began on.
    finished.expect_log("INFO stopped");
}

#[test]
fn a_plugin_that_cannot_end_well_holds_up_nobody() {
    let mut scene = Scene::start(Isolation::Thread, cases::ENDING);
    scene.watch();
    let _finished = scene.end().expect_code(0);
}

#[test]
fn a_plugin_that_does_not_end_is_left_behind() {
    let mut scene = Scene::start(Isolation::Thread, cases::NEVER_ENDING);
    scene.watch();
    // Everything is delivered, and yet a plugin was cut short.
    let finished = scene.end().expect_code(1);
    finished.expect_log("a plugin call has not returned; its thread is left behind");
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
