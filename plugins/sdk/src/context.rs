//! The task that runs the plugin, and functions of the host.

use tidegate_abi::{
    abi_stable::std_types::RSlice,
    raw::{HostHandle, OpenContext, Pair},
};

/// The task that a plugin instance belongs to. Cheap to clone; store a clone to record metrics.
#[derive(Clone)]
pub struct Context {
    host: HostHandle,
    connector: String,
    instance: String,
    task: u32,
    tasks: u32,
}

impl Context {
    pub(crate) fn new(open: &OpenContext<'_>) -> Self {
        Self {
            host: open.host,
            connector: open.connector.as_str().to_owned(),
            instance: open.instance.as_str().to_owned(),
            task: open.task,
            tasks: open.tasks,
        }
    }

    /// The only task of a connector in a unit test.
    #[cfg(feature = "testing")]
    pub(crate) fn for_test(host: HostHandle, connector: &str) -> Self {
        Self { host, connector: connector.to_owned(), instance: "tested".to_owned(), task: 0, tasks: 1 }
    }

    /// The connector's name.
    #[must_use]
    pub fn connector(&self) -> &str {
        &self.connector
    }

    /// The name of this plugin instance in the connector file.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The number of this task, starting at 0.
    #[must_use]
    pub fn task(&self) -> u32 {
        self.task
    }

    /// The number of tasks of the connector.
    #[must_use]
    pub fn tasks(&self) -> u32 {
        self.tasks
    }

    /// Adds to a counter. The host adds labels for connector and task.
    pub fn count(&self, name: &str, labels: &[(&str, &str)], delta: u64) {
        let call = self.host.vtable.counter_add();
        with_pairs(labels, |labels| call(self.host.ctx, name.into(), labels, delta));
    }

    /// Sets a gauge.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let call = self.host.vtable.gauge_set();
        with_pairs(labels, |labels| call(self.host.ctx, name.into(), labels, value));
    }

    /// Records one observation of a histogram; durations are in seconds.
    pub fn observe(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let call = self.host.vtable.histogram_record();
        with_pairs(labels, |labels| call(self.host.ctx, name.into(), labels, value));
    }

    /// Whether the current call should end soon. Check it in long loops and waits.
    #[must_use]
    pub fn should_stop(&self) -> bool {
        (self.host.vtable.should_stop())(self.host.ctx)
    }

    /// Reports that the current call has made progress, such as one statement of many that has succeeded.
    ///
    /// `limits.call_timeout` then counts from now instead of from the start of the call. Do not report attempts that
    /// failed: a call that only repeats them has to be ended. A request to stop that the host makes when it shuts down is
    /// not affected. Hosts that do not know this function ignore it.
    pub fn progress(&self) {
        if let Some(progress) = self.host.vtable.progress() {
            progress(self.host.ctx);
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}[{}]/{}", self.connector, self.task, self.instance)
    }
}

/// Converts labels for the boundary. Up to eight labels need no heap allocation.
fn with_pairs(labels: &[(&str, &str)], call: impl FnOnce(RSlice<'_, Pair<'_>>)) {
    let mut few = [Pair { name: "".into(), value: "".into() }; 8];
    let Some(pairs) = few.get_mut(..labels.len()) else {
        let many: Vec<Pair<'_>> = labels.iter().map(pair).collect();
        return call(RSlice::from_slice(&many));
    };
    pairs.iter_mut().zip(labels).for_each(|(slot, label)| *slot = pair(label));
    call(RSlice::from_slice(pairs));
}

fn pair<'a>(label: &(&'a str, &'a str)) -> Pair<'a> {
    Pair { name: label.0.into(), value: label.1.into() }
}
