//! Cases that are generated, similar to those in `tests/data/reports`.

use super::{
    bits,
    case::Case,
    documents, envelopes, failovers, flattened, key_changes, replays, reserved,
    scene::{Mode, run_cases},
    snapshots,
};

fn positions() -> Vec<Case> {
    [failovers::cases(), snapshots::cases()].concat()
}

fn rows() -> Vec<Case> {
    [
        key_changes::cases(),
        envelopes::cases(),
        documents::cases(),
        flattened::cases(),
        bits::cases(),
        reserved::cases(),
    ]
    .concat()
}

#[test]
fn positions_in_batches_of_1() {
    run_cases(&positions(), Mode { isolation: "thread", batch: 1 });
}

#[test]
fn positions_in_batches_of_1000() {
    run_cases(&positions(), Mode { isolation: "process", batch: 1000 });
}

#[test]
fn replays_in_batches_of_1() {
    run_cases(&replays::cases(), Mode { isolation: "thread", batch: 1 });
}

#[test]
fn replays_in_batches_of_1000() {
    run_cases(&replays::cases(), Mode { isolation: "process", batch: 1000 });
}

#[test]
fn rows_in_batches_of_1() {
    run_cases(&rows(), Mode { isolation: "thread", batch: 1 });
}

#[test]
fn rows_in_batches_of_1000() {
    run_cases(&rows(), Mode { isolation: "process", batch: 1000 });
}
