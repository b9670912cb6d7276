//! The delivery guarantees, against a model: random interleavings of polls, transforms, writes, acknowledgements, rejections,
//! failures, commits, rebalances and crashes never commit an offset past a record that is not handled, never write a
//! partition's records out of order, and never touch a partition that the task does not own. The same holds for a sink that is
//! durable on flush.
//!
//! The flow, the transforms' bisection, the sink worker and the rejection handler are the real ones. Kafka and the plugins are
//! models.

mod consumer;
mod plugins;
mod task;
mod world;

use proptest::prelude::*;

use self::world::{Kind, PARTITIONS, World};

/// One step of a task, or of the world around it.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Some time passes, and the poll loop looks after what is due.
    Tick { milliseconds: u64 },
    /// Records of a partition are polled.
    Poll(i32, usize),
    /// The oldest event of the consumer is polled.
    PollEvent,
    /// The transform worker processes its next message, if the sink worker is ready.
    Transform,
    /// The sink worker processes its next message.
    Sink,
    /// The poll loop receives messages of the stages.
    Receive(usize),
    /// The oldest commit is answered.
    AnswerCommit { accepted: bool },
    /// The group assigns a partition.
    Assign(i32),
    /// The group revokes a partition, and waits until it is released.
    Revoke(i32),
    /// The group removes the task, as after a session timeout.
    LosePartitions,
    /// Another member handles and commits records of a partition that this task does not have.
    OtherMember(i32, usize),
    /// The position of a partition is gone from its log.
    LosePosition(i32),
    /// Writes of a partition fail from now on, or work again.
    FailWrites(i32, bool),
    /// The next write or flush is applied, but its answer is lost.
    LoseAnswer,
    /// The next flush fails before it is applied.
    FailFlush,
    /// The supervisor has the task replace its sink.
    ReplaceSink,
    /// The supervisor pauses the task, or resumes it.
    Pause(bool),
    /// The task is killed, and another one starts.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let partition = || 0..PARTITIONS;
    prop_oneof![
        8 => (0..1500_u64).prop_map(|milliseconds| Step::Tick { milliseconds }),
        10 => (partition(), 1..6_usize).prop_map(|(partition, count)| Step::Poll(partition, count)),
        4 => Just(Step::PollEvent),
        8 => Just(Step::Transform),
        8 => Just(Step::Sink),
        8 => (1..6_usize).prop_map(Step::Receive),
        3 => any::<bool>().prop_map(|accepted| Step::AnswerCommit { accepted }),
        3 => partition().prop_map(Step::Assign),
        2 => partition().prop_map(Step::Revoke),
        1 => Just(Step::LosePartitions),
        2 => (partition(), 1..4_usize).prop_map(|(partition, count)| Step::OtherMember(partition, count)),
        1 => partition().prop_map(Step::LosePosition),
        3 => (partition(), any::<bool>()).prop_map(|(partition, fails)| Step::FailWrites(partition, fails)),
        1 => Just(Step::LoseAnswer),
        1 => Just(Step::FailFlush),
        1 => Just(Step::ReplaceSink),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => Just(Step::Crash),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::Plain),
        2 => Just(Kind::Filtered),
        2 => Just(Kind::Doubled),
        1 => Just(Kind::RejectedByTransform),
        1 => Just(Kind::RejectedByName),
        1 => Just(Kind::RejectedUnnamed),
        1 => Just(Kind::RejectedByFlush),
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
        steps in proptest::collection::vec(step(), 0..200),
        isolates_partitions in any::<bool>(),
        is_flushed in any::<bool>(),
        is_memory_taken in any::<bool>(),
    ) {
        let mut world = World::new(logs, isolates_partitions, is_flushed, is_memory_taken);
        let mut steps = steps.into_iter().peekable();
        while steps.peek().is_some() {
            world.run_task(&mut steps);
        }
        world.finish();
    }
}

#[test]
fn the_model_notices_a_commit_past_a_record_that_is_not_written() {
    let mut world = World::new(vec![vec![Kind::Plain; 3], vec![], vec![]], false, false, false);
    world.commit_anyway(0, 2);
    let noticed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.check()));
    assert!(noticed.is_err());
}
