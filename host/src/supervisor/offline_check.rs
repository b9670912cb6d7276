//! Checks connectors without connecting to anything: their properties with librdkafka, and their options with the plugins. For
//! `validate`, and before connectors are started.

use super::connector::Connector;
use crate::{
    config::{Diagnostic, PluginUse},
    plugins::{PluginCheck, PluginError, Prober},
};

/// An error that librdkafka or a plugin has found.
#[derive(Clone, Debug)]
pub struct OfflineError {
    /// The error, at the line of the property or option.
    pub diagnostic: Diagnostic,
    /// Whether the value itself is invalid. Otherwise something on this machine is missing, such as a file that it names: a
    /// task that cannot be started for this reason is restarted.
    pub is_invalid: bool,
}

/// Returns the errors of each connector, in order.
///
/// # Errors
/// When no child process can be started.
pub fn check_offline(
    connectors: &[Connector],
    prober: &Prober,
) -> Result<Vec<Vec<OfflineError>>, PluginError> {
    let mut errors: Vec<Vec<OfflineError>> = connectors.iter().map(Connector::check_properties).collect();
    let uses: Vec<(usize, &PluginUse, PluginCheck)> = connectors
        .iter()
        .enumerate()
        .flat_map(|(index, connector)| {
            connector.plugin_checks().map(move |(used, check)| (index, used, check))
        })
        .collect();
    // All of them in one process, which takes a few milliseconds per library to start.
    let checks: Vec<PluginCheck> = uses.iter().map(|(_, _, check)| check.clone()).collect();
    for ((index, used, _), found) in uses.iter().zip(prober.check(&checks)?) {
        errors[*index].extend(found.iter().map(|error| OfflineError {
            diagnostic: used.option_error(&error.option, &error.message),
            is_invalid: error.is_invalid,
        }));
    }
    Ok(errors)
}
