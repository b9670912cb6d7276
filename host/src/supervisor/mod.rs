//! The life of connectors and their tasks: start, pause, restart policy, stop.
//!
//! One [`Supervisor`] runs all connectors of a host on a tokio runtime; tasks have threads of their own, or processes
//! (`isolation/`), and talk to it through events. Others, such as the control socket, talk to it through a [`SupervisorHandle`].

mod catalog;
mod connector;
mod isolation;
mod metrics;
mod restart;
mod run;
mod status;

pub use catalog::Catalog;
pub use connector::{Connector, Overrides};
pub use isolation::{ISOLATED_COMMAND, child_main};
pub use run::{Command, Ending, Reply, Supervisor, SupervisorHandle};
pub use status::{ConnectorState, ConnectorStatus, HostStatus, TaskStatus};
