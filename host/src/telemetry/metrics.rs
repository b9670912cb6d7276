//! Measurements of tasks and plugins: recorded here, or in a child process collected for the parent.

use super::{
    collect::collect,
    recorder::{self, Measure, PluginLabels},
};

/// Adds to a counter of a task, `tidegate_<name>`; in a child process, for its parent to record.
pub fn task_count(connector: &str, task: u32, name: &str, labels: &[(&str, &str)], delta: u64) {
    let who = PluginLabels { connector, task, plugin: "" };
    plugin_metric(who, name, labels.iter().copied(), Measure::Count(delta));
}

/// Adds an observation to a histogram of a task, `tidegate_<name>`; in a child process, for its parent to record.
pub fn task_observe(connector: &str, task: u32, name: &str, value: f64) {
    let who = PluginLabels { connector, task, plugin: "" };
    plugin_metric(who, name, std::iter::empty(), Measure::Observe(value));
}

/// Records a measurement of a plugin, as `tidegate_plugin_<name>`; in a child process, for its parent to record.
pub fn plugin_metric<'a>(
    who: PluginLabels<'_>,
    name: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    measure: Measure,
) {
    let labels: Vec<(&str, &str)> = labels.collect();
    if !collect(who, name, &labels, measure) {
        recorder::record(who, name, labels.into_iter(), measure);
    }
}
