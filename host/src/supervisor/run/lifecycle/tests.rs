//! When tasks start, stop and restart.

use proptest::prelude::*;

use super::*;
use crate::config::RestartWhen;

const SECOND: Duration = Duration::from_secs(1);

fn lifecycle(tasks: u32) -> (Lifecycle, Instant) {
    let policy = RestartPolicy {
        policy: RestartWhen::OnFailure,
        initial: SECOND,
        max: SECOND,
        max_restarts: 1,
        window: 60 * SECOND,
    };
    let now = Instant::now();
    let shape = Shape { tasks, shutdown: 5 * SECOND, restart: policy };
    let mut lifecycle = Lifecycle::new("c", shape, DesiredState::Running, now);
    lifecycle.start();
    assert_eq!(lifecycle.take_actions(), [Action::Start((0..tasks as usize).collect())]);
    (lifecycle, now)
}

fn failed() -> TaskEvent {
    TaskEvent::Failed { reason: "broken".to_owned(), abandoned: false, recovery: Recovery::Restart }
}

fn stopped() -> TaskEvent {
    TaskEvent::Stopped { clean: true }
}

fn stop(task: usize) -> Action {
    Action::Send(task, TaskCommand::Stop { within: 5 * SECOND })
}

#[test]
fn a_failed_task_is_restarted_after_its_backoff_and_then_fails_for_good() {
    let (mut lifecycle, now) = lifecycle(2);
    lifecycle.on_event(1, failed(), now);
    assert_eq!(lifecycle.slots[1].state(), ConnectorState::Restarting);
    lifecycle.restart_due_tasks(now);
    assert_eq!(lifecycle.take_actions(), []);
    lifecycle.restart_due_tasks(now + SECOND);
    assert_eq!(lifecycle.take_actions(), [Action::Start(vec![1])]);
    assert_eq!(lifecycle.find(1, 1), None, "an event of the first run is out of date");
    assert_eq!(lifecycle.find(1, 2), Some(1));
    lifecycle.on_event(1, failed(), now + SECOND);
    lifecycle.restart_due_tasks(now + 60 * SECOND);
    assert_eq!(lifecycle.take_actions(), []);
    assert_eq!(lifecycle.slots[1].state(), ConnectorState::Failed);
    assert_eq!(lifecycle.state(), ConnectorState::Starting, "the other task still runs");
    lifecycle.on_event(0, stopped(), now);
    assert_eq!(lifecycle.take_actions(), [Action::StopProcess]);
    assert!(lifecycle.has_failed());
}

#[test]
fn an_invalid_option_fails_a_task_at_once_and_for_good() {
    let (mut lifecycle, now) = lifecycle(1);
    let invalid =
        TaskEvent::Failed { reason: "invalid".to_owned(), abandoned: false, recovery: Recovery::None };
    lifecycle.on_event(0, invalid, now);
    assert_eq!(lifecycle.state(), ConnectorState::Failed);
    lifecycle.restart_due_tasks(now + 60 * SECOND);
    assert_eq!(lifecycle.take_actions(), [Action::StopProcess]);
    lifecycle.restart();
    assert_eq!(
        lifecycle.take_actions(),
        [Action::StopProcess, Action::Start(vec![0])],
        "the user may have corrected it"
    );
}

#[test]
fn a_restart_starts_every_task_once_the_last_one_has_stopped() {
    let (mut lifecycle, now) = lifecycle(2);
    lifecycle.pause();
    assert_eq!(lifecycle.take_actions().len(), 2);
    lifecycle.restart();
    assert_eq!(lifecycle.take_actions(), [stop(0), stop(1)]);
    lifecycle.on_event(1, stopped(), now);
    assert_eq!(lifecycle.take_actions(), []);
    lifecycle.on_event(0, stopped(), now);
    let pause = |task| Action::Send(task, TaskCommand::Pause);
    assert_eq!(
        lifecycle.take_actions(),
        [Action::StopProcess, Action::Start(vec![0, 1]), pause(0), pause(1)],
        "a paused connector is paused after its restart"
    );
}

#[test]
fn a_restart_starts_a_task_that_waits_for_its_backoff() {
    let (mut lifecycle, now) = lifecycle(2);
    lifecycle.on_event(1, failed(), now);
    lifecycle.restart();
    assert_eq!(lifecycle.take_actions(), [stop(0)]);
    lifecycle.restart_due_tasks(now + 60 * SECOND);
    assert_eq!(lifecycle.take_actions(), [], "it starts together with the others");
    lifecycle.on_event(0, stopped(), now);
    assert_eq!(lifecycle.take_actions(), [Action::StopProcess, Action::Start(vec![0, 1])]);
}

#[test]
fn tasks_join_their_group_when_all_of_them_are_ready_or_have_failed() {
    let (mut lifecycle, now) = lifecycle(3);
    let join = |task| Action::Send(task, TaskCommand::Join);
    lifecycle.on_event(0, TaskEvent::ReadyToJoin, now);
    lifecycle.on_event(1, TaskEvent::ReadyToJoin, now);
    assert_eq!(lifecycle.take_actions(), []);
    lifecycle.on_event(2, failed(), now);
    assert_eq!(lifecycle.take_actions(), [join(0), join(1)]);
    lifecycle.restart_due_tasks(now + SECOND);
    assert_eq!(lifecycle.take_actions(), [Action::Start(vec![2])]);
    lifecycle.on_event(2, TaskEvent::ReadyToJoin, now + SECOND);
    assert_eq!(lifecycle.take_actions(), [join(2)], "a restarted task waits for none");
}

#[test]
fn tasks_do_not_wait_forever_for_one_that_opens_its_plugins() {
    let (mut lifecycle, now) = lifecycle(2);
    lifecycle.on_event(1, TaskEvent::ReadyToJoin, now);
    lifecycle.join_due_tasks(now + SECOND);
    assert_eq!(lifecycle.take_actions(), []);
    lifecycle.join_due_tasks(now + 60 * SECOND);
    assert_eq!(lifecycle.take_actions(), [Action::Send(1, TaskCommand::Join)]);
}

#[test]
fn resuming_a_connector_that_is_stopping_starts_it_again() {
    let (mut lifecycle, now) = lifecycle(1);
    lifecycle.stop();
    lifecycle.resume();
    assert_eq!(lifecycle.take_actions(), [stop(0)]);
    lifecycle.on_event(0, stopped(), now);
    assert_eq!(lifecycle.take_actions(), [Action::StopProcess, Action::Start(vec![0])]);
}

#[test]
fn a_stopped_connector_is_not_restarted_and_rejects_a_pause() {
    let (mut lifecycle, now) = lifecycle(1);
    lifecycle.stop();
    lifecycle.on_event(0, failed(), now);
    assert_eq!(lifecycle.state(), ConnectorState::Failed);
    lifecycle.restart_due_tasks(now + 60 * SECOND);
    assert_eq!(lifecycle.take_actions(), [stop(0), Action::StopProcess]);
    assert!(lifecycle.rejection("pause").is_some());
    lifecycle.stop();
    assert_eq!(lifecycle.state(), ConnectorState::Stopped, "stopping clears the failure");
}

#[test]
fn a_replaced_connector_starts_in_its_new_shape_once_its_tasks_have_stopped() {
    let (mut lifecycle, now) = lifecycle(2);
    let shape = Shape { tasks: 3, ..lifecycle.shape.clone() };
    lifecycle.replace(shape.clone());
    assert_eq!(lifecycle.take_actions(), [stop(0), stop(1)]);
    lifecycle.on_event(0, stopped(), now);
    lifecycle.on_event(1, stopped(), now);
    assert_eq!(lifecycle.take_actions(), [Action::StopProcess, Action::Start(vec![0, 1, 2])]);
    lifecycle.replace(Shape { tasks: 1, ..shape.clone() });
    (0..3).for_each(|task| lifecycle.on_event(task, stopped(), now));
    assert_eq!(lifecycle.take_actions().last(), Some(&Action::Start(vec![0])));
    assert_eq!(lifecycle.find(2, 2), None, "the task is gone");
    lifecycle.replace(Shape { tasks: 3, ..shape });
    lifecycle.on_event(0, stopped(), now);
    assert_eq!(lifecycle.take_actions().last(), Some(&Action::Start(vec![0, 1, 2])));
    assert_eq!(lifecycle.find(2, 2), None, "an event of the task that was removed is out of date");
}

#[test]
fn a_connector_that_is_paused_while_it_restarts_starts_paused() {
    let (mut lifecycle, now) = lifecycle(1);
    lifecycle.restart();
    lifecycle.pause();
    assert_eq!(lifecycle.take_actions(), [stop(0)]);
    lifecycle.on_event(0, stopped(), now);
    assert_eq!(
        lifecycle.take_actions(),
        [Action::StopProcess, Action::Start(vec![0]), Action::Send(0, TaskCommand::Pause)]
    );
}

#[test]
fn tasks_that_have_failed_start_when_the_plugins_of_the_others_are_replaced() {
    let (mut lifecycle, now) = lifecycle(2);
    let invalid =
        TaskEvent::Failed { reason: "invalid".to_owned(), abandoned: false, recovery: Recovery::None };
    lifecycle.on_event(1, invalid, now);
    lifecycle.start_failed(now);
    lifecycle.restart_due_tasks(now);
    assert_eq!(lifecycle.take_actions(), [Action::Start(vec![1])]);
}

#[test]
fn a_stopped_connector_stays_stopped_when_it_is_replaced() {
    let (mut lifecycle, now) = lifecycle(1);
    lifecycle.stop();
    lifecycle.on_event(0, stopped(), now);
    lifecycle.take_actions();
    lifecycle.replace(Shape { tasks: 2, ..lifecycle.shape.clone() });
    assert_eq!(lifecycle.take_actions(), []);
    lifecycle.resume();
    assert_eq!(lifecycle.take_actions(), [Action::Start(vec![0, 1])]);
}

#[test]
fn a_connector_is_gone_when_it_was_removed_and_its_tasks_have_stopped() {
    let (mut lifecycle, now) = lifecycle(1);
    lifecycle.remove();
    assert_eq!(lifecycle.take_actions(), [stop(0)]);
    lifecycle.on_event(0, failed(), now);
    assert!(lifecycle.is_gone());
    lifecycle.restart_due_tasks(now + 60 * SECOND);
    assert_eq!(lifecycle.take_actions(), [Action::StopProcess]);
}

#[test]
fn a_connector_that_is_added_again_while_it_stops_starts_once_it_has_stopped() {
    let (mut lifecycle, now) = lifecycle(1);
    lifecycle.remove();
    lifecycle.add_again(lifecycle.shape.clone(), DesiredState::Running);
    assert_eq!(lifecycle.take_actions(), [stop(0)]);
    lifecycle.on_event(0, stopped(), now);
    assert_eq!(lifecycle.take_actions(), [Action::StopProcess, Action::Start(vec![0])]);
    assert!(!lifecycle.is_gone());
}

#[test]
fn a_crash_of_the_process_restarts_all_of_its_tasks_together() {
    let (mut lifecycle, now) = lifecycle(2);
    lifecycle.on_crash("killed", now);
    assert!(lifecycle.slots.iter().all(|slot| slot.state() == ConnectorState::Restarting));
    lifecycle.restart_due_tasks(now + SECOND);
    assert_eq!(lifecycle.take_actions(), [Action::Start(vec![0, 1])]);
}

#[test]
fn a_task_that_is_restarted_alone_starts_when_it_has_stopped_and_the_others_go_on() {
    let (mut lifecycle, now) = lifecycle(2);
    lifecycle.restart_task(1);
    assert_eq!(lifecycle.take_actions(), [stop(1)]);
    lifecycle.on_event(1, stopped(), now);
    assert_eq!(lifecycle.take_actions(), [Action::Start(vec![1])]);
    lifecycle.on_event(1, stopped(), now);
    assert_eq!(lifecycle.take_actions(), [], "it was restarted once");
}

#[test]
fn the_only_task_is_restarted_in_its_process_also_if_it_fails_while_it_stops() {
    let (mut lifecycle, now) = lifecycle(1);
    lifecycle.pause();
    lifecycle.restart_task(0);
    lifecycle.take_actions();
    lifecycle.on_event(0, failed(), now);
    assert_eq!(lifecycle.take_actions(), [Action::Start(vec![0]), Action::Send(0, TaskCommand::Pause)]);
    assert_eq!(lifecycle.slots[0].status().trace.len(), 1, "the failure is not forgotten");
}

#[test]
fn a_task_that_has_failed_for_good_can_be_restarted_alone() {
    let (mut lifecycle, now) = lifecycle(2);
    let invalid =
        TaskEvent::Failed { reason: "invalid".to_owned(), abandoned: false, recovery: Recovery::None };
    lifecycle.on_event(1, invalid, now);
    lifecycle.restart_task(1);
    assert_eq!(lifecycle.take_actions(), [Action::Start(vec![1])]);
}

#[test]
fn a_connector_that_is_stopped_while_a_task_restarts_stays_stopped() {
    let (mut lifecycle, now) = lifecycle(1);
    lifecycle.restart_task(0);
    lifecycle.stop();
    lifecycle.take_actions();
    lifecycle.on_event(0, stopped(), now);
    assert_eq!(lifecycle.take_actions(), [Action::StopProcess]);
    assert_eq!(lifecycle.state(), ConnectorState::Stopped);
}

#[derive(Clone, Debug)]
enum Step {
    Pause,
    Resume,
    Restart,
    RestartTask(usize),
    Stop,
    Stopped(usize),
    Failed(usize),
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Pause),
        Just(Step::Resume),
        Just(Step::Restart),
        (0..3_usize).prop_map(Step::RestartTask),
        Just(Step::Stop),
        (0..3_usize).prop_map(Step::Stopped),
        (0..3_usize).prop_map(Step::Failed),
        Just(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

/// The threads of three tasks: which are running, and which of those are stopping.
#[derive(Default)]
struct Threads {
    running: [bool; 3],
    stopping: [bool; 3],
}

impl Threads {
    fn execute(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(tasks) => {
                    for task in tasks {
                        assert!(!self.running[task], "task {task} runs already");
                        (self.running[task], self.stopping[task]) = (true, false);
                    }
                }
                Action::Send(task, TaskCommand::Stop { .. }) => self.stopping[task] = self.running[task],
                Action::Send(..) => {}
                Action::StopProcess => assert_eq!(self.running, [false; 3], "a task runs in the process"),
            }
        }
    }
}

proptest! {
    #[test]
    fn a_task_runs_once_at_most_and_in_the_end_as_the_user_asked(steps in steps()) {
        let (mut lifecycle, mut now) = lifecycle(3);
        let mut threads = Threads { running: [true; 3], ..Threads::default() };
        let mut is_stopped = false;
        for step in steps {
            match &step {
                Step::Pause if !is_stopped => lifecycle.pause(),
                Step::Resume => lifecycle.resume(),
                Step::Restart => lifecycle.restart(),
                Step::RestartTask(task) if !is_stopped => lifecycle.restart_task(*task),
                Step::Stop => lifecycle.stop(),
                Step::Stopped(task) if threads.running[*task] && threads.stopping[*task] => {
                    threads.running[*task] = false;
                    lifecycle.on_event(*task, stopped(), now);
                }
                Step::Failed(task) if threads.running[*task] => {
                    threads.running[*task] = false;
                    lifecycle.on_event(*task, failed(), now);
                }
                Step::Wait => {
                    now += SECOND;
                    lifecycle.restart_due_tasks(now);
                }
                _ => {}
            }
            threads.execute(lifecycle.take_actions());
            is_stopped = match step {
                Step::Stop => true,
                Step::Resume | Step::Restart => false,
                _ => is_stopped,
            };
        }
        // Stopping tasks end, and every delay elapses.
        for _ in 0..4 {
            for task in (0..3).filter(|task| threads.running[*task] && threads.stopping[*task]).collect::<Vec<_>>() {
                threads.running[task] = false;
                lifecycle.on_event(task, stopped(), now);
                threads.execute(lifecycle.take_actions());
            }
            now += 60 * SECOND;
            lifecycle.restart_due_tasks(now);
            threads.execute(lifecycle.take_actions());
        }
        for (task, is_running) in threads.running.iter().enumerate() {
            let slot = &lifecycle.slots[task];
            prop_assert_eq!(*is_running, !is_stopped && !slot.failed, "task {}: {}", task, slot.state());
            prop_assert_eq!(*is_running, slot.is_running);
        }
    }
}

#[test]
fn a_task_that_brokers_do_not_accept_yet_spends_no_restart() {
    let (mut lifecycle, mut now) = lifecycle(1);
    for _ in 0..20 {
        let reason = "a member still has this group.instance.id".to_owned();
        lifecycle.on_event(0, TaskEvent::Failed { reason, abandoned: false, recovery: Recovery::Wait }, now);
        let slot = &lifecycle.slots[0];
        assert_eq!((slot.state(), slot.restarts.count), (ConnectorState::Stalled, 0));
        now += 10 * SECOND;
        lifecycle.restart_due_tasks(now);
        assert_eq!(lifecycle.take_actions(), [Action::Start(vec![0])]);
    }
}
