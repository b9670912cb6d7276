//! Cases that are generated, similar to those in `tests/data/reports`.

use super::{
    bits,
    case::Case,
    documents, envelopes, failovers, flattened, moves, replays,
    scene::{Mode, play},
    snapshots,
};

fn positions() -> Vec<Case> {
    [failovers::cases(), snapshots::cases()].concat()
}

fn rows() -> Vec<Case> {
    [moves::cases(), envelopes::cases(), documents::cases(), flattened::cases(), bits::cases()].concat()
}

#[test]
fn positions_in_batches_of_1() {
    play("positions_in_batches_of_1", &positions(), Mode { isolation: "thread", batch: 1 });
}

#[test]
fn positions_in_batches_of_1000() {
    play("positions_in_batches_of_1000", &positions(), Mode { isolation: "process", batch: 1000 });
}

#[test]
fn replays_in_batches_of_1() {
    play("replays_in_batches_of_1", &replays::cases(), Mode { isolation: "thread", batch: 1 });
}

#[test]
fn replays_in_batches_of_1000() {
    play("replays_in_batches_of_1000", &replays::cases(), Mode { isolation: "process", batch: 1000 });
}

#[test]
fn rows_in_batches_of_1() {
    play("rows_in_batches_of_1", &rows(), Mode { isolation: "thread", batch: 1 });
}

#[test]
fn rows_in_batches_of_1000() {
    play("rows_in_batches_of_1000", &rows(), Mode { isolation: "process", batch: 1000 });
}
