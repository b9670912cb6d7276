//! The commit rule, against a model: random interleavings of reading, transforming, writing, acknowledging, refusing,
//! setting back, committing, handing over and crashing never commit past a record that is not handled.
//!
//! The stages, the sink role and the book-keeping of the poll loop are the real ones; Kafka and the plugins are models.

mod model;

use proptest::prelude::*;

use self::model::{Kind, Model, PARTITIONS};

/// One step of a task, or of the world around it.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Records of a partition are read into the open batch.
    Read(i32, usize),
    /// The open batch is decoded and transformed.
    Transform,
    /// The oldest transformed batch is written.
    Write,
    /// The poll loop takes some of what the sink role has told it.
    Hear(usize),
    /// What is settled is committed, or the commit is refused.
    Commit(bool),
    /// A partition is taken away: once nothing of it is in flight, or late, with batches still under way.
    Revoke(i32, bool),
    /// A partition comes back.
    Assign(i32),
    /// Writes of a partition fail from now on, or work again.
    Trouble(i32, bool),
    /// A partition that was set back is read again.
    ReadAgain(i32),
    /// The next write happens, but its answer is lost.
    LoseAnswer,
    /// The task ends without a word, and another one starts.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let partition = || 0..PARTITIONS;
    prop_oneof![
        8 => (partition(), 1..5_usize).prop_map(|(partition, count)| Step::Read(partition, count)),
        6 => Just(Step::Transform),
        6 => Just(Step::Write),
        5 => (1..6_usize).prop_map(Step::Hear),
        3 => any::<bool>().prop_map(Step::Commit),
        1 => (partition(), any::<bool>()).prop_map(|(partition, late)| Step::Revoke(partition, late)),
        2 => partition().prop_map(Step::Assign),
        2 => (partition(), any::<bool>()).prop_map(|(partition, trouble)| Step::Trouble(partition, trouble)),
        2 => partition().prop_map(Step::ReadAgain),
        1 => Just(Step::LoseAnswer),
        1 => Just(Step::Crash),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::Plain),
        2 => Just(Kind::Filtered),
        2 => Just(Kind::Doubled),
        1 => Just(Kind::RefusedByTransform),
        1 => Just(Kind::RefusedByName),
        1 => Just(Kind::RefusedUnnamed),
    ]
}

fn logs() -> impl Strategy<Value = Vec<Vec<Kind>>> {
    proptest::collection::vec(proptest::collection::vec(kind(), 0..25), PARTITIONS as usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_committed_that_is_not_handled(
        logs in logs(),
        steps in proptest::collection::vec(step(), 0..120),
        apart in any::<bool>(),
    ) {
        let mut model = Model::new(logs, apart);
        let mut steps = steps.into_iter().peekable();
        while steps.peek().is_some() {
            model.live(&mut steps);
        }
        model.finish();
    }
}

#[test]
fn the_model_notices_a_commit_past_a_record_that_is_not_written() {
    let mut model = Model::new(vec![vec![Kind::Plain; 3], vec![], vec![]], false);
    model.commit_anyway(0, 2);
    let noticed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| model.check()));
    assert!(noticed.is_err());
}
