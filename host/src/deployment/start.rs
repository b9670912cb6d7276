//! Reads all connectors when the host starts, or to say what would change.

use std::collections::BTreeMap;

use super::{
    DeployError, Deployment,
    examine::{Candidate, Examined, Outcome},
    kept::{Kept, KeptConnectors},
    reconcile::log,
    versions::{RunningVersion, Version},
};
use crate::{
    config::Diagnostics,
    supervisor::{Connector, Deploy, DesiredState, Replacement},
};

/// What a change of files does to one connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is started.
    Start,
    /// It is stopped and removed.
    Stop,
    /// It is replaced.
    Replace(Replacement),
}

/// What would be done with a connector, as `tidegate validate --diff` prints it.
#[derive(Clone, Debug)]
pub struct PlannedChange {
    /// The connector's name.
    pub name: String,
    /// What is done; `None` if nothing is.
    pub change: Option<Change>,
    /// Why its file is not used.
    pub errors: Option<Diagnostics>,
}

impl Deployment {
    /// Reads all connectors, and returns those that are to run. Errors and warnings are logged. A connector whose file is invalid
    /// goes on as it ran last.
    ///
    /// # Errors
    /// When plugins cannot be checked.
    pub fn start(&mut self) -> Result<Vec<(Connector, DesiredState)>, DeployError> {
        // Taken before anything is read, so that a file that changes meanwhile is read again.
        self.at_start = self.snapshot();
        let found = self.find();
        found.diagnostics.iter().for_each(log);
        let mut kept = self.kept.as_ref().map(KeptConnectors::load).unwrap_or_default();
        kept.retain(|name, kept| {
            let may_exist = found.files.contains_key(name) || self.folders.hides(&kept.file).is_some();
            if let Some(all) = self.kept.as_ref().filter(|_| !may_exist) {
                all.forget(name);
            }
            may_exist
        });
        for (name, kept) in &kept {
            self.versions.insert(name.clone(), Version::new(kept.file.clone(), kept.state));
        }
        let names = found.files.keys().cloned().collect();
        let examined = self.examiner().files(&names, &found.files)?;
        let is_refused = |examined: &Option<Examined>| {
            examined.as_ref().is_some_and(|examined| examined.errors().is_some())
        };
        let refused = examined.iter().filter(|(_, examined)| is_refused(examined));
        let hidden = kept.keys().filter(|name| !found.files.contains_key(*name));
        let refused: Vec<String> = refused.map(|(name, _)| name).chain(hidden).cloned().collect();
        let mut deploys = self.apply(examined);
        deploys.extend(self.go_on_as_kept(&refused, &kept)?);
        let connectors = deploys.into_iter().filter_map(|deploy| match deploy {
            Deploy::Add(connector, state) => Some((*connector, state)),
            _ => None,
        });
        Ok(connectors.collect())
    }

    /// Runs connectors whose files are invalid as they ran last.
    fn go_on_as_kept(
        &mut self,
        refused: &[String],
        kept: &BTreeMap<String, Kept>,
    ) -> Result<Vec<Deploy>, DeployError> {
        let candidates = refused.iter().filter_map(|name| {
            let Kept { file, text, .. } = kept.get(name)?.clone();
            Some(Candidate { name: name.clone(), file, text })
        });
        let examined = self.examiner().candidates(candidates.collect())?;
        let mut deploys = Vec::new();
        for (name, examined) in examined {
            let Some(Examined { outcome: Outcome::Valid(file), .. }) = examined else { continue };
            let errors = self.versions.get_mut(&name).and_then(|version| version.refused.take());
            let why = if errors.is_some() { "is invalid" } else { "cannot be read" };
            deploys.extend(self.deploy(&name, *file));
            self.versions.entry(name.clone()).and_modify(|version| version.refused = errors);
            tracing::warn!(connector = name, "its file {why}: it goes on as it ran before");
        }
        Ok(deploys)
    }

    /// What would be done now, compared with the connectors that are kept in the state folder.
    ///
    /// # Errors
    /// When plugins cannot be checked.
    pub fn plan(&mut self, kept: &KeptConnectors) -> Result<Vec<PlannedChange>, DeployError> {
        let running = kept.load();
        let candidates = running.iter().map(|(name, Kept { file, text, .. })| Candidate {
            name: name.clone(),
            file: file.clone(),
            text: text.clone(),
        });
        for (name, examined) in self.examiner().candidates(candidates.collect())? {
            let Some(Examined { file, outcome: Outcome::Valid(valid), .. }) = examined else { continue };
            let mut version = Version::new(file, DesiredState::Running);
            version.running = Some(RunningVersion { text: valid.text, connector: valid.connector });
            self.versions.insert(name, version);
        }
        let found = self.find();
        let running = self.versions.keys().filter(|name| !self.is_hidden(name));
        let names = found.files.keys().chain(running).cloned().collect();
        let examined = self.examiner().files(&names, &found.files)?;
        let plan = examined.into_iter().map(|(name, examined)| {
            let errors = examined.as_ref().and_then(Examined::errors).cloned();
            let change = self.change(&name, examined.map_or(Outcome::Off, |examined| examined.outcome));
            PlannedChange { name, change, errors }
        });
        Ok(plan.collect())
    }

    /// A connector without a file is as one that is off.
    fn change(&self, name: &str, outcome: Outcome) -> Option<Change> {
        let running = self.versions.get(name).and_then(Version::connector);
        match (running, outcome) {
            (_, Outcome::Refused(_)) | (None, Outcome::Off) => None,
            (Some(_), Outcome::Off) => Some(Change::Stop),
            (None, Outcome::Valid(_)) => Some(Change::Start),
            (Some(running), Outcome::Valid(mut file)) => {
                running.replacement(&mut file.connector, true).map(Change::Replace)
            }
        }
    }
}
