//! Changes that are asked for: a restart, a file that is to be written or deleted, another state.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    DeployError, Deployment,
    examine::{Candidate, Outcome},
    files,
    versions::{ConnectorFile, Version},
};
use crate::{
    config::{Diagnostics, find_connectors},
    supervisor::{Deploy, DesiredState, RejectedFile, Replacement, RolledBack},
};

/// Whether a connector is restarted; if not, because its file is invalid, it goes on as it was.
pub(super) type Restarted = Result<(), DeployError>;

impl Deployment {
    /// Reads the connector's file and libraries again. Returns what the supervisor is to do, which may also concern other
    /// connectors, and whether the connector is restarted.
    ///
    /// # Errors
    /// When there is no such connector.
    pub(super) fn restart(&mut self, name: &str) -> Result<(Vec<Deploy>, Restarted), DeployError> {
        self.require(name)?;
        self.require_visible(name)?;
        self.discover_plugins();
        if let Some(version) = self.versions.get_mut(name) {
            version.failed_libraries.clear();
        }
        self.restarting = Some(name.to_owned());
        let deploys = self.update([name.to_owned()].into());
        self.restarting = None;
        let deploys = deploys?;
        let Some(version) = self.versions.get_mut(name) else { return Ok((deploys, Ok(()))) };
        if let Some(refused) = &version.refused {
            return Ok((deploys, Err(DeployError::Invalid(refused.errors.clone()))));
        }
        if version.state == DesiredState::Stopped {
            version.state = DesiredState::Running;
        }
        self.keep(name);
        Ok((self.with_restart(name, deploys), Ok(())))
    }

    /// Makes sure that the connector is restarted, whatever else is done.
    fn with_restart(&self, name: &str, deploys: Vec<Deploy>) -> Vec<Deploy> {
        let mut how = Replacement::RESTART;
        let mut others: Vec<Deploy> = Vec::new();
        for deploy in deploys {
            match deploy {
                Deploy::Replace(connector, replacement) if connector.name() == name => how = replacement,
                other => others.push(other),
            }
        }
        let is_added = |deploy: &Deploy| matches!(deploy, Deploy::Add(added, _) if added.name() == name);
        let running = self.versions.get(name).and_then(Version::connector);
        if let Some(running) = running.filter(|_| !others.iter().any(is_added)) {
            others.push(Deploy::Restart(Box::new(running.clone()), how));
        }
        others
    }

    /// Checks a text that is to become the file of a connector.
    ///
    /// # Errors
    /// When plugins cannot be checked.
    pub(super) fn validate(&self, name: &str, text: String) -> Result<Diagnostics, DeployError> {
        let file = self.path_of(name)?;
        let candidate = Candidate { name: name.to_owned(), file, text };
        let examined = self.examiner().candidates(vec![candidate])?;
        Ok(match examined.into_values().flatten().next().map(|examined| examined.outcome) {
            Some(Outcome::Refused(refused)) => refused.errors,
            Some(Outcome::Valid(file)) => file.warnings,
            _ => Diagnostics::default(),
        })
    }

    /// Writes the file of a connector, if its text is valid.
    ///
    /// # Errors
    /// When it is invalid or cannot be written. Then nothing has changed.
    pub(super) fn put(
        &mut self,
        name: &str,
        text: &str,
        initial: Option<DesiredState>,
    ) -> Result<Vec<Deploy>, DeployError> {
        let found = self.validate(name, text.to_owned())?;
        if found.has_errors() {
            return Err(DeployError::Invalid(found));
        }
        let file = self.path_of(name)?;
        let before = std::fs::read_to_string(&file).ok();
        files::write(&file, text)?;
        if let Some(state) = initial {
            self.version(name, file.clone()).state = state;
        }
        let deploys = self.update([name.to_owned()].into())?;
        let Some(refused) = self.versions.get(name).and_then(|version| version.refused.clone()) else {
            return Ok(deploys);
        };
        // Only beside the other connectors is it invalid, such as for want of memory.
        match before {
            Some(before) => files::write(&file, &before)?,
            None => files::delete(&file)?,
        }
        self.update([name.to_owned()].into())?;
        Err(DeployError::Invalid(refused.errors))
    }

    /// Deletes the file of a connector.
    ///
    /// # Errors
    /// When there is no such connector, or its file cannot be deleted.
    pub(super) fn delete(&mut self, name: &str) -> Result<Vec<Deploy>, DeployError> {
        self.require(name)?;
        self.require_visible(name)?;
        files::delete(&self.path_of(name)?)?;
        self.update([name.to_owned()].into())
    }

    /// The state that these connectors are to be in from now on, also after a restart of the host.
    pub(super) fn set_state(&mut self, names: &[String], state: DesiredState) {
        for name in names {
            self.versions.entry(name.clone()).and_modify(|version| version.state = state);
            self.keep(name);
        }
    }

    /// A replaced library has failed, and the supervisor runs the connector with the library before: the one that failed is not
    /// used again. Returns what the supervisor is to do, because the file may have changed together with the library.
    ///
    /// # Errors
    /// When plugins cannot be checked.
    pub(super) fn on_rolled_back(&mut self, rolled_back: RolledBack) -> Result<Vec<Deploy>, DeployError> {
        let RolledBack { now, failed } = rolled_back;
        let name = now.name().to_owned();
        let Some(version) = self.versions.get_mut(&name) else { return Ok(Vec::new()) };
        let working: BTreeSet<&Path> = now.libraries().collect();
        let failed = failed.libraries().filter(|library| !working.contains(library));
        version.failed_libraries.extend(failed.map(Path::to_owned));
        if let Some(running) = &mut version.running {
            running.connector = *now;
        }
        self.update([name].into())
    }

    /// Whether there is a connector with this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.versions.contains_key(name)
    }

    /// # Errors
    /// When there is no connector with this name.
    pub(super) fn require(&self, name: &str) -> Result<(), DeployError> {
        if self.has(name) {
            return Ok(());
        }
        let known: Vec<&str> = self.versions.keys().map(String::as_str).collect();
        Err(DeployError::Unknown { name: name.to_owned(), known: known.join(", ") })
    }

    /// All connectors and their files, by name.
    pub(super) fn connectors(&self) -> Vec<ConnectorFile> {
        self.versions.iter().map(|(name, version)| version.describe(name)).collect()
    }

    /// The files that are not used, for the status.
    pub(super) fn rejected(&self) -> Vec<RejectedFile> {
        let rejected = self.versions.iter().filter_map(|(name, version)| {
            let errors = version.refused.as_ref()?.errors.to_string();
            Some(RejectedFile { connector: name.clone(), file: version.file.clone(), errors })
        });
        rejected.collect()
    }

    /// # Errors
    /// When the folder of the connector's file cannot be read for now.
    fn require_visible(&mut self, name: &str) -> Result<(), DeployError> {
        self.find();
        let file = self.versions.get(name).map(|version| version.file.as_path());
        match file.and_then(|file| self.folders.hides(file)) {
            Some((folder, reason)) => {
                Err(DeployError::Unavailable { folder: folder.to_owned(), reason: reason.to_owned() })
            }
            None => Ok(()),
        }
    }

    /// The file of a connector, or where it is to be.
    ///
    /// # Errors
    /// When several files have its name, or there is no folder for a new one.
    fn path_of(&self, name: &str) -> Result<PathBuf, DeployError> {
        let found = find_connectors(&self.sources.config.connectors);
        if let Some(files) = found.files.get(name).filter(|files| files.len() > 1) {
            let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            return Err(DeployError::Ambiguous { name: name.to_owned(), files: files.join(", ") });
        }
        if let Some(version) = self.versions.get(name) {
            return Ok(version.file.clone());
        }
        let folder = self.sources.config.connectors.iter().find(|path| path.is_dir());
        Ok(folder.ok_or(DeployError::NoFolder)?.join(format!("{name}.toml")))
    }
}
