//! What the host tells the service manager that has started it, as sd_notify(3) describes: that it is ready, that it stops, and
//! that it is alive. Without a service manager, nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::deployment::Deployer;

/// The host runs its connectors.
pub(super) fn ready(connectors: usize) {
    let status = format!("running {connectors} connectors");
    notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// The host delivers what is in flight.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("delivering records in flight")]);
}

/// Reports at half of the watchdog's interval that the supervisor answers. Never returns.
pub(super) async fn keep_alive(deployer: &Deployer) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut timer = tokio::time::interval((interval / 2).max(Duration::from_millis(10)));
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        if deployer.is_alive().await {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be notified: {error}");
    }
}
