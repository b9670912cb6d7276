//! The life cycle of connectors and their tasks: start, pause, restart, stop.
//!
//! One [`Supervisor`] runs all connectors of a host on a tokio runtime. Tasks run on their own threads, or in a child
//! process (`isolation/`), and send events to the supervisor. The deployment controls it through a [`SupervisorHandle`].

mod catalog;
mod connector;
mod deploy;
mod host_memory;
mod isolation;
mod metrics;
mod offline_check;
mod restart;
mod run;
mod status;

pub use catalog::Catalog;
pub use connector::{Connector, Overrides};
pub use deploy::{Deploy, Replacement};
pub use host_memory::HostMemory;
pub use isolation::{ISOLATED_COMMAND, child_main};
pub use offline_check::{OfflineError, check_offline};
pub use run::{Command, EndsWhen, Rejected, RolledBack, RunOutcome, Stopping, Supervisor, SupervisorHandle};
pub use status::{ConnectorState, ConnectorStatus, DesiredState, HostStatus, RejectedFile, TaskStatus};
