//! What is known of each connector: how it runs, and why its file as it is now is not used.

use std::{collections::BTreeSet, path::PathBuf};

use super::{kept::Kept, reconcile::log};
use crate::{
    config::Diagnostics,
    supervisor::{Connector, DesiredState},
};

/// A connector of the host and its file.
#[derive(Clone, Debug)]
pub struct ConnectorFile {
    /// The connector's name.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// The text of the file that the connector runs with; `None` if it does not run, because its file is invalid.
    pub text: Option<String>,
    /// Why the file as it is now is not used.
    pub errors: Option<Diagnostics>,
    /// The state that was asked for.
    pub state: DesiredState,
}

/// A connector as it runs.
pub(super) struct RunningVersion {
    pub(super) text: String,
    pub(super) connector: Connector,
}

/// Why a file is not used.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) errors: Diagnostics,
    /// The errors may disappear when another connector changes.
    pub(super) depends_on_others: bool,
}

/// What is known of one connector.
pub(super) struct Version {
    pub(super) file: PathBuf,
    pub(super) state: DesiredState,
    pub(super) running: Option<RunningVersion>,
    pub(super) refused: Option<Refused>,
    /// The files that its placeholders name.
    pub(super) placeholder_files: Vec<PathBuf>,
    /// Copies of libraries that have failed. They are not used again unless the user restarts the connector.
    pub(super) failed_libraries: BTreeSet<PathBuf>,
}

impl Version {
    pub(super) fn new(file: PathBuf, state: DesiredState) -> Self {
        Self {
            file,
            state,
            running: None,
            refused: None,
            placeholder_files: Vec::new(),
            failed_libraries: BTreeSet::new(),
        }
    }

    pub(super) fn connector(&self) -> Option<&Connector> {
        self.running.as_ref().map(|running| &running.connector)
    }

    /// Keeps the connector as it is. Errors are logged once.
    pub(super) fn refuse(&mut self, name: &str, refused: Refused) {
        if self.refused.as_ref().is_none_or(|known| known.errors != refused.errors) {
            refused.errors.iter().for_each(log);
            if self.running.is_some() {
                tracing::warn!(connector = name, "the connector goes on as it was before this change");
            }
        }
        self.refused = Some(refused);
    }

    /// What is kept of it in the state folder.
    pub(super) fn kept(&self) -> Option<Kept> {
        let running = self.running.as_ref()?;
        Some(Kept { file: self.file.clone(), text: running.text.clone(), state: self.state })
    }

    pub(super) fn describe(&self, name: &str) -> ConnectorFile {
        ConnectorFile {
            name: name.to_owned(),
            file: self.file.clone(),
            text: self.running.as_ref().map(|running| running.text.clone()),
            errors: self.refused.as_ref().map(|refused| refused.errors.clone()),
            state: self.state,
        }
    }
}
