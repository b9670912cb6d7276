//! Executes a plan. Each target has a thread, which injects and ends its faults one after the other.

use std::{
    thread,
    time::{Duration, Instant},
};

use tidegate_tests::SinkFaults;

use crate::{
    host::now_ms,
    plan::{Deed, Episode, Plan, Target, Track},
    scene::{PARTITIONS, Scene},
};

/// Interval of the checks of a host between faults.
const ROUND: Duration = Duration::from_secs(2);

/// A fault that was injected, with start and end in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) target: Target,
    pub(crate) deed: Deed,
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

/// Executes the whole plan.
pub(crate) fn carry_out(plan: &Plan, scene: &Scene) -> Vec<Done> {
    let began = Instant::now();
    let end = began + plan.length;
    thread::scope(|scope| {
        let tracks: Vec<_> =
            plan.tracks.iter().map(|track| scope.spawn(move || walk(track, scene, began, end))).collect();
        tracks.into_iter().flat_map(|track| track.join().expect("a track that does not panic")).collect()
    })
}

fn walk(track: &Track, scene: &Scene, began: Instant, end: Instant) -> Vec<Done> {
    let mut done = Vec::new();
    for Episode { from, to, deed } in &track.episodes {
        wait_until(scene, track.target, began + *from);
        // Ending the previous fault may have taken until now.
        let late = Instant::now().saturating_duration_since(began + *from);
        let from_ms = now_ms();
        begin(scene, track.target, *deed, *from);
        sleep_until(began + *to + late);
        make_good(scene, track.target, *deed);
        // The others notice when the host joins.
        let from_ms = if *deed == Deed::Absence { now_ms() } else { from_ms };
        done.push(Done { target: track.target, deed: *deed, from_ms, to_ms: now_ms() });
    }
    wait_until(scene, track.target, end);
    done
}

/// Waits, and checks the host meanwhile.
fn wait_until(scene: &Scene, target: Target, time: Instant) {
    while let Target::Host(number) = target
        && Instant::now() + ROUND < time
    {
        thread::sleep(ROUND);
        scene.host(number).look_after();
    }
    sleep_until(time);
}

fn sleep_until(time: Instant) {
    thread::sleep(time.saturating_duration_since(Instant::now()));
}

fn begin(scene: &Scene, target: Target, deed: Deed, from: Duration) {
    match (target, deed) {
        (Target::Host(number), Deed::Kill) => scene.host(number).kill(),
        (Target::Host(number), Deed::Terminate) => scene.host(number).terminate(),
        (Target::Host(number), Deed::ShortFreeze | Deed::LongFreeze) => scene.host(number).freeze(true),
        (Target::Host(number), Deed::Restart) => scene.host(number).tell("restart"),
        (Target::Host(number), Deed::Reopen) => scene.host(number).tell("reopen"),
        (Target::Broker, Deed::BrokerKill(id)) => scene.kafka.kill_broker(id),
        (Target::Broker, Deed::BrokerStop(id)) => scene.kafka.stop_broker(id),
        (Target::Broker, Deed::BrokerFreeze(id)) => scene.kafka.pause_broker(id),
        (Target::Sink(connector, number), deed) => {
            put(scene, connector, number, faults(deed, from.as_millis() as u64));
        }
        // A host that is absent has not been started yet.
        _ => {}
    }
}

fn make_good(scene: &Scene, target: Target, deed: Deed) {
    match (target, deed) {
        (Target::Host(number), Deed::ShortFreeze | Deed::LongFreeze) => scene.host(number).freeze(false),
        (Target::Host(number), _) => scene.host(number).start(),
        (Target::Broker, Deed::BrokerFreeze(id)) => scene.kafka.resume_broker(id),
        (Target::Broker, Deed::BrokerKill(id) | Deed::BrokerStop(id)) => scene.kafka.start_broker(id),
        (Target::Broker, _) => {}
        (Target::Sink(connector, number), _) => put(scene, connector, number, SinkFaults::default()),
    }
}

fn put(scene: &Scene, connector: &str, number: usize, faults: SinkFaults) {
    faults.put(&scene.fault_file(connector, number));
}

fn faults(deed: Deed, seed: u64) -> SinkFaults {
    let none = SinkFaults { seed, ..SinkFaults::default() };
    match deed {
        Deed::Retriable => SinkFaults { retriable: 0.5, ..none },
        Deed::LostAnswers => SinkFaults { lost_answers: 0.5, ..none },
        Deed::StuckPartition => SinkFaults { partition: Some((seed % PARTITIONS as u64) as i32), ..none },
        Deed::Refusals => SinkFaults { reject_every: Some(7), ..none },
        Deed::UnnamedRefusals => SinkFaults { reject_every: Some(7), unnamed: true, ..none },
        Deed::Slowness => SinkFaults { delay_ms: 500, ..none },
        Deed::Hang => SinkFaults { hang: true, ..none },
        _ => none,
    }
}
