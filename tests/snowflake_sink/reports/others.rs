//! Events of the same kinds as those in `tests/data/reports`.

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
fn positions_1() {
    play("positions_1", &positions(), Mode { isolation: "thread", batch: 1 });
}

#[test]
fn positions_2() {
    play("positions_2", &positions(), Mode { isolation: "process", batch: 2 });
}

#[test]
fn positions_1000() {
    play("positions_1000", &positions(), Mode { isolation: "thread", batch: 1000 });
}

#[test]
fn replays_1() {
    play("replays_1", &replays::cases(), Mode { isolation: "thread", batch: 1 });
}

#[test]
fn replays_2() {
    play("replays_2", &replays::cases(), Mode { isolation: "process", batch: 2 });
}

#[test]
fn replays_1000() {
    play("replays_1000", &replays::cases(), Mode { isolation: "thread", batch: 1000 });
}

#[test]
fn rows_1() {
    play("rows_1", &rows(), Mode { isolation: "thread", batch: 1 });
}

#[test]
fn rows_2() {
    play("rows_2", &rows(), Mode { isolation: "process", batch: 2 });
}

#[test]
fn rows_1000() {
    play("rows_1000", &rows(), Mode { isolation: "thread", batch: 1000 });
}
