//! The sink's metrics, whose names begin with that of the database.

use tidegate_plugin::Context;

/// Counts what a sink does.
#[derive(Clone)]
pub(crate) struct Metrics {
    context: Context,
    prefix: &'static str,
}

impl Metrics {
    /// Metrics whose names begin with `prefix` and `_`.
    pub(crate) fn new(context: &Context, prefix: &'static str) -> Self {
        Self { context: context.clone(), prefix }
    }

    /// Adds to a counter. `name` is its name without the prefix.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)], more: u64) {
        self.context.count(&format!("{}_{name}", self.prefix), labels, more);
    }
}
