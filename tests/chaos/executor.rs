//! Executes a plan. Each target has a thread, which injects and ends its faults one after the other.

use std::{
    thread,
    time::{Duration, Instant},
};

use tidegate_tests::SinkFaults;

use crate::{
    host::now_ms,
    live_edits,
    plan::{Episode, Fault, Plan, Target, Track},
    rest_calls,
    scene::{PARTITIONS, Scene},
    side_topics, tables,
};

/// Interval of the checks of a host between faults.
const ROUND: Duration = Duration::from_secs(2);

/// A fault that was injected, with start and end in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InjectedFault {
    pub(crate) target: Target,
    pub(crate) fault: Fault,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

/// Executes the whole plan.
pub(crate) fn execute(plan: &Plan, scene: &Scene) -> Vec<InjectedFault> {
    let began = Instant::now();
    let end = began + plan.length;
    thread::scope(|scope| {
        let tracks: Vec<_> = plan
            .tracks
            .iter()
            .map(|track| scope.spawn(move || run_track(track, scene, began, end)))
            .collect();
        tracks.into_iter().flat_map(|track| track.join().expect("a track that does not panic")).collect()
    })
}

fn run_track(track: &Track, scene: &Scene, began: Instant, end: Instant) -> Vec<InjectedFault> {
    let mut injected = Vec::new();
    for Episode { from, to, fault } in &track.episodes {
        wait_until(scene, track.target, began + *from);
        // Ending the previous fault may have taken until now.
        let late = Instant::now().saturating_duration_since(began + *from);
        let from_ms = now_ms();
        start_fault(scene, track.target, *fault, *from);
        sleep_until(began + *to + late);
        end_fault(scene, track.target, *fault);
        // The others notice when the host joins.
        let from_ms = if *fault == Fault::LateStart { now_ms() } else { from_ms };
        injected.push(InjectedFault { target: track.target, fault: *fault, from_ms, to_ms: now_ms() });
    }
    wait_until(scene, track.target, end);
    injected
}

/// Waits, and checks the host meanwhile.
fn wait_until(scene: &Scene, target: Target, time: Instant) {
    while let Target::Host(number) = target
        && Instant::now() + ROUND < time
    {
        thread::sleep(ROUND);
        scene.host(number).check();
    }
    sleep_until(time);
}

fn sleep_until(time: Instant) {
    thread::sleep(time.saturating_duration_since(Instant::now()));
}

fn start_fault(scene: &Scene, target: Target, fault: Fault, from: Duration) {
    match (target, fault) {
        (Target::Host(number), Fault::Kill) => scene.host(number).kill(),
        (Target::Host(number), Fault::Terminate) => scene.host(number).terminate(),
        (Target::Host(number), Fault::ShortFreeze | Fault::LongFreeze) => scene.host(number).freeze(true),
        (Target::Host(number), Fault::Restart) => scene.host(number).send_command(&["restart", "--all"]),
        (Target::Host(number), Fault::Reopen) => scene.host(number).send_command(&["reopen"]),
        (Target::Broker, Fault::BrokerKill(id)) => scene.kafka.kill_broker(id),
        (Target::Broker, Fault::BrokerStop(id)) => scene.kafka.stop_broker(id),
        (Target::Broker, Fault::BrokerFreeze(id)) => scene.kafka.pause_broker(id),
        (Target::Sink(connector, number), fault) => {
            write_faults(scene, connector, number, faults(fault, from.as_millis() as u64));
        }
        (Target::Files(host), fault) => live_edits::start(scene, host, fault),
        (Target::Api(host), fault) => rest_calls::start(scene, host, fault),
        (Target::SideTopics, fault) => side_topics::start(scene, fault),
        (Target::Database, fault) => tables::start(scene, fault),
        // A host that is absent has not been started yet.
        _ => {}
    }
}

fn end_fault(scene: &Scene, target: Target, fault: Fault) {
    match (target, fault) {
        (Target::Host(number), Fault::ShortFreeze | Fault::LongFreeze) => scene.host(number).freeze(false),
        (Target::Host(number), _) => scene.host(number).start(),
        (Target::Broker, Fault::BrokerFreeze(id)) => scene.kafka.resume_broker(id),
        (Target::Broker, Fault::BrokerKill(id) | Fault::BrokerStop(id)) => scene.kafka.start_broker(id),
        (Target::Broker, _) => {}
        (Target::Files(host), fault) => live_edits::end(scene, host, fault),
        (Target::Api(host), fault) => rest_calls::end(scene, host, fault),
        (Target::SideTopics, fault) => side_topics::end(scene, fault),
        (Target::Database, fault) => tables::end(scene, fault),
        (Target::Sink(connector, number), _) => write_faults(scene, connector, number, SinkFaults::default()),
    }
}

fn write_faults(scene: &Scene, connector: &str, number: usize, faults: SinkFaults) {
    faults.write_to(&scene.fault_file(connector, number));
}

fn faults(fault: Fault, seed: u64) -> SinkFaults {
    let none = SinkFaults { seed, ..SinkFaults::default() };
    match fault {
        Fault::Retriable => SinkFaults { retriable: 0.5, ..none },
        Fault::LostAnswers => SinkFaults { lost_answers: 0.5, ..none },
        Fault::StuckPartition => SinkFaults { partition: Some((seed % PARTITIONS as u64) as i32), ..none },
        Fault::Rejections => SinkFaults { reject_every: Some(7), ..none },
        Fault::UnnamedRejections => SinkFaults { reject_every: Some(7), unnamed: true, ..none },
        Fault::SlowCalls => SinkFaults { delay_ms: 500, ..none },
        Fault::Hang => SinkFaults { hang: true, ..none },
        _ => none,
    }
}
