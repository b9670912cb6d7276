//! What connectors are read from.

use std::path::PathBuf;

use crate::{
    config::{Environment, HostConfig, HostFlags},
    supervisor::Overrides,
};

/// What connectors are read from, and what was given on the command line.
#[derive(Clone)]
pub struct Sources {
    /// The host's file, if there is one.
    pub host_file: Option<PathBuf>,
    /// Options of the command line.
    pub flags: HostFlags,
    /// The environment of the process.
    pub environment: Environment,
    /// The host's configuration, made of these.
    pub config: HostConfig,
    /// Options that apply to every connector.
    pub overrides: Overrides,
}

impl Sources {
    /// Sources without options that apply to every connector.
    #[must_use]
    pub fn new(
        host_file: Option<PathBuf>,
        flags: HostFlags,
        environment: Environment,
        config: HostConfig,
    ) -> Self {
        Self { host_file, flags, environment, config, overrides: Overrides::default() }
    }
}
