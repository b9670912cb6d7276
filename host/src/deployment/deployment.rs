//! Reads what has changed, checks it, and decides what the supervisor is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    DeployError,
    examine::{Candidate, Examined, Examiner, ValidFile},
    files,
    kept::{Kept, KeptConnectors},
    snapshot::{self, Files},
    versions::{ConnectorFile, Refused, RunningVersion, Version},
};
use crate::{
    config::{Diagnostic, Diagnostics, Environment, HostConfig, HostFlags, Severity, find_connectors},
    plugins::{Prober, Registry},
    supervisor::{Connector, Deploy, DesiredState, HostMemory, Overrides, RejectedFile, Replacement},
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

/// The connectors of a host: how they run, and how their files say that they are to run.
pub struct Deployment {
    sources: Sources,
    registry: Registry,
    prober: Prober,
    memory: HostMemory,
    /// `None` for a run that leaves nothing behind.
    kept: Option<KeptConnectors>,
    versions: BTreeMap<String, Version>,
    /// The plugin libraries as they were found last.
    libraries: Files,
}

impl Deployment {
    /// A deployment without connectors.
    #[must_use]
    pub fn new(sources: Sources, registry: Registry, prober: Prober, kept: Option<KeptConnectors>) -> Self {
        let memory = HostMemory::new(sources.config.memory.clone());
        let libraries = libraries_of(&registry);
        Self { sources, registry, prober, memory, kept, versions: BTreeMap::new(), libraries }
    }

    /// The memory of the host's connectors.
    #[must_use]
    pub fn memory(&self) -> &HostMemory {
        &self.memory
    }

    /// Reads all connectors, and returns those that are to run. Errors and warnings are logged. A connector whose file is invalid
    /// goes on as it ran last.
    ///
    /// # Errors
    /// When plugins cannot be checked.
    pub fn start(&mut self) -> Result<Vec<(Connector, DesiredState)>, DeployError> {
        let found = find_connectors(&self.sources.config.connectors);
        found.diagnostics.iter().for_each(log);
        let mut kept = self.kept.as_ref().map(KeptConnectors::load).unwrap_or_default();
        for (name, _) in kept.extract_if(.., |name, _| !found.files.contains_key(name)) {
            self.kept.as_ref().into_iter().for_each(|all| all.forget(&name));
        }
        for (name, kept) in &kept {
            self.versions.insert(name.clone(), Version::new(kept.file.clone(), kept.state));
        }
        let names = found.files.keys().cloned().collect();
        let examined = self.examiner().files(&names, &found.files)?;
        let refused = examined.iter().filter(|(_, examined)| examined.errors().is_some());
        let refused: Vec<String> = refused.map(|(name, _)| name.clone()).collect();
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
            let Examined::Valid(file) = examined else { continue };
            let errors = self.versions.get_mut(&name).and_then(|version| version.refused.take());
            deploys.extend(self.deploy(&name, *file));
            self.versions.entry(name.clone()).and_modify(|version| version.refused = errors);
            tracing::warn!(connector = name, "its file is invalid: it goes on as it ran before");
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
            if let Examined::Valid(file) = examined {
                let mut version = Version::new(file.file, DesiredState::Running);
                version.running =
                    Some(RunningVersion { text: file.text, connector: file.connector, before: None });
                self.versions.insert(name, version);
            }
        }
        let found = find_connectors(&self.sources.config.connectors);
        let names = found.files.keys().chain(self.versions.keys()).cloned().collect();
        let examined = self.examiner().files(&names, &found.files)?;
        let plan = examined.into_iter().map(|(name, examined)| {
            let errors = examined.errors().cloned();
            let change = self.change(&name, examined);
            PlannedChange { name, change, errors }
        });
        Ok(plan.collect())
    }

    fn change(&self, name: &str, examined: Examined) -> Option<Change> {
        let running = self.versions.get(name).and_then(Version::connector);
        match (running, examined) {
            (_, Examined::Refused { .. }) | (None, Examined::Gone | Examined::Off { .. }) => None,
            (Some(_), Examined::Gone | Examined::Off { .. }) => Some(Change::Stop),
            (None, Examined::Valid(_)) => Some(Change::Start),
            (Some(running), Examined::Valid(mut file)) => {
                running.replacement(&mut file.connector).map(Change::Replace)
            }
        }
    }

    /// The files that connectors depend on, as they are now.
    pub(super) fn snapshot(&self) -> Files {
        let found = find_connectors(&self.sources.config.connectors);
        let libraries = snapshot::libraries(self.registry.folders());
        let placeholders = self.versions.values().flat_map(|version| &version.placeholder_files);
        let host = self.sources.host_file.iter().chain(&self.sources.config.placeholder_files);
        let paths = found.files.values().flatten().chain(&libraries).chain(placeholders).chain(host);
        snapshot::identify(paths.map(PathBuf::as_path))
    }

    /// The folders in which files may appear or change.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let of_file = |path: &PathBuf| path.parent().map(Path::to_owned);
        let connectors = self.sources.config.connectors.iter();
        let connectors =
            connectors.filter_map(|path| if path.is_dir() { Some(path.clone()) } else { of_file(path) });
        let placeholders = self.versions.values().flat_map(|version| &version.placeholder_files);
        let files = placeholders.chain(&self.sources.host_file).chain(&self.sources.config.placeholder_files);
        let folders = connectors.chain(files.filter_map(of_file)).chain(self.registry.folders().to_vec());
        folders.map(|folder| if folder.as_os_str().is_empty() { ".".into() } else { folder }).collect()
    }

    /// These files were added, changed or deleted. Returns what the supervisor is to do.
    ///
    /// # Errors
    /// When plugins cannot be checked.
    pub(super) fn on_changed(&mut self, changed: &BTreeSet<PathBuf>) -> Result<Vec<Deploy>, DeployError> {
        let has_changed = |path: &PathBuf| changed.contains(path);
        let config = &self.sources.config;
        let concerns_host = self.sources.host_file.iter().chain(&config.placeholder_files).any(has_changed);
        let concerns_plugins = changed.iter().any(|path| is_library(path, self.registry.folders()));
        let mut names: BTreeSet<String> = changed.iter().filter_map(|path| self.name_of(path)).collect();
        if concerns_host {
            self.reload_host_file();
        }
        if concerns_plugins {
            self.discover_plugins();
        }
        if concerns_host || concerns_plugins {
            names.extend(self.all_names());
        }
        let by_placeholder =
            self.versions.iter().filter(|(_, version)| version.placeholder_files.iter().any(has_changed));
        names.extend(by_placeholder.map(|(name, _)| name.clone()));
        self.update(names)
    }

    /// Examines connectors and those that were refused because of others, and returns what the supervisor is to do.
    fn update(&mut self, mut names: BTreeSet<String>) -> Result<Vec<Deploy>, DeployError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let depends =
            |version: &Version| version.refused.as_ref().is_some_and(|refused| refused.depends_on_others);
        names.extend(self.versions.iter().filter(|(_, v)| depends(v)).map(|(name, _)| name.clone()));
        let found = find_connectors(&self.sources.config.connectors);
        let examined = self.examiner().files(&names, &found.files)?;
        Ok(self.apply(examined))
    }

    /// Connectors that run or have a file.
    fn all_names(&self) -> BTreeSet<String> {
        let found = find_connectors(&self.sources.config.connectors);
        found.files.into_keys().chain(self.versions.keys().cloned()).collect()
    }

    /// The name of the connector whose file this is or was.
    fn name_of(&self, path: &Path) -> Option<String> {
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        let is_ours = self.sources.config.connectors.iter().any(|known| {
            path == known || (path.parent() == Some(known) && self.sources.host_file.as_deref() != Some(path))
        });
        (is_toml && is_ours).then(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
    }

    fn examiner(&self) -> Examiner<'_> {
        let Self { sources, registry, prober, versions, .. } = self;
        Examiner { sources, registry, prober, versions }
    }

    /// Takes over what was examined. Returns what the supervisor is to do: it stops connectors first, because one that is added may
    /// have the group of one that is removed.
    fn apply(&mut self, examined: BTreeMap<String, Examined>) -> Vec<Deploy> {
        let (mut stops, mut others) = (Vec::new(), Vec::new());
        for (name, examined) in examined {
            match examined {
                Examined::Gone => {
                    stops.extend(self.stop(&name));
                    self.versions.remove(&name);
                }
                Examined::Off { file, placeholder_files } => {
                    stops.extend(self.stop(&name));
                    let version = self.version(&name, file);
                    (version.refused, version.placeholder_files) = (None, placeholder_files);
                }
                Examined::Refused { file, refused, placeholder_files } => {
                    self.refuse(&name, file, refused, placeholder_files);
                }
                Examined::Valid(file) => others.extend(self.deploy(&name, *file)),
            }
        }
        stops.extend(others);
        stops
    }

    fn stop(&mut self, name: &str) -> Option<Deploy> {
        self.kept.as_ref().into_iter().for_each(|kept| kept.forget(name));
        self.versions.get_mut(name)?.running.take()?;
        self.memory.remove(name);
        Some(Deploy::Remove(name.to_owned()))
    }

    fn version(&mut self, name: &str, file: PathBuf) -> &mut Version {
        let new = || Version::new(file.clone(), DesiredState::default());
        let version = self.versions.entry(name.to_owned()).or_insert_with(new);
        version.file = file;
        version
    }

    /// Keeps a connector as it is. Errors are logged once.
    fn refuse(&mut self, name: &str, file: PathBuf, refused: Refused, placeholder_files: Vec<PathBuf>) {
        let version = self.version(name, file);
        if version.refused.as_ref().is_none_or(|known| known.errors != refused.errors) {
            refused.errors.iter().for_each(log);
            if version.running.is_some() {
                tracing::warn!(connector = name, "the connector goes on as it was before this change");
            }
        }
        (version.refused, version.placeholder_files) = (Some(refused), placeholder_files);
    }

    /// Adds or replaces a connector. Returns what the supervisor is to do.
    fn deploy(&mut self, name: &str, file: ValidFile) -> Option<Deploy> {
        let ValidFile { file, text, mut connector, warnings, placeholder_files } = file;
        let running = self.versions.get(name).and_then(Version::connector);
        let replacement = running.map(|running| running.replacement(&mut connector));
        if !matches!(replacement, Some(None)) {
            if let Err(error) = self.memory.admit(std::slice::from_mut(&mut connector)) {
                let refused = Refused { errors: std::iter::once(*error).collect(), depends_on_others: true };
                self.refuse(name, file, refused, placeholder_files);
                return None;
            }
            warnings.iter().for_each(log);
        }
        let version = self.version(name, file);
        (version.refused, version.placeholder_files) = (None, placeholder_files);
        let before = version.running.take().map(|running| Box::new(running.connector));
        let is_on_trial =
            matches!(replacement, Some(Some(Replacement::ReopenOnTrial | Replacement::RestartOnTrial)));
        version.running = Some(RunningVersion {
            text,
            connector: connector.clone(),
            before: before.filter(|_| is_on_trial),
        });
        let (state, connector) = (version.state, Box::new(connector));
        self.keep(name);
        match replacement {
            None => Some(Deploy::Add(connector, state)),
            Some(replacement) => {
                let how = replacement?;
                tracing::info!(connector = name, change = how.name(), "the connector has changed");
                Some(Deploy::Replace(connector, how))
            }
        }
    }

    fn keep(&self, name: &str) {
        let kept = self.versions.get(name).and_then(Version::kept);
        if let (Some(all), Some(kept)) = (&self.kept, kept) {
            all.store(name, &kept);
        }
    }

    /// Reads the connector's file and libraries again, and returns the connector to restart.
    ///
    /// # Errors
    /// When there is no such connector, or its file is invalid: then it goes on as it was.
    pub(super) fn restart(&mut self, name: &str) -> Result<Vec<Deploy>, DeployError> {
        self.require(name)?;
        self.discover_plugins();
        if let Some(version) = self.versions.get_mut(name) {
            version.failed_libraries.clear();
            if version.state == DesiredState::Stopped {
                version.state = DesiredState::Running;
            }
        }
        let deploys = self.update([name.to_owned()].into())?;
        if let Some(refused) = self.versions.get(name).and_then(|version| version.refused.as_ref()) {
            return Err(DeployError::Invalid(refused.errors.clone()));
        }
        self.keep(name);
        Ok(self.with_restart(name, deploys))
    }

    /// Makes sure that the connector is restarted, whatever else is done.
    fn with_restart(&self, name: &str, deploys: Vec<Deploy>) -> Vec<Deploy> {
        let mut how = Replacement::Restart;
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
        Ok(match examined.into_values().next() {
            Some(Examined::Refused { refused, .. }) => refused.errors,
            Some(Examined::Valid(file)) => file.warnings,
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
        files::write(&file, text)?;
        if let Some(state) = initial {
            self.version(name, file).state = state;
        }
        self.update([name.to_owned()].into())
    }

    /// Deletes the file of a connector.
    ///
    /// # Errors
    /// When there is no such connector, or its file cannot be deleted.
    pub(super) fn delete(&mut self, name: &str) -> Result<Vec<Deploy>, DeployError> {
        self.require(name)?;
        files::delete(&self.path_of(name)?)?;
        self.update([name.to_owned()].into())
    }

    /// The state that connectors are to be in from now on, also after a restart of the host.
    pub(super) fn set_state(&mut self, name: Option<&str>, state: DesiredState) {
        let names = self.versions.keys().filter(|known| name.is_none_or(|name| name == *known));
        for name in names.cloned().collect::<Vec<_>>() {
            self.versions.entry(name.clone()).and_modify(|version| version.state = state);
            self.keep(&name);
        }
    }

    /// A replaced library has failed for this connector: it is not used again.
    pub(super) fn on_rolled_back(&mut self, name: &str) {
        let Some(version) = self.versions.get_mut(name) else { return };
        let Some(running) = &mut version.running else { return };
        let Some(before) = running.before.take() else { return };
        let kept: BTreeSet<PathBuf> = before.libraries().map(Path::to_owned).collect();
        let failed = running.connector.libraries().filter(|library| !kept.contains(*library));
        version.failed_libraries.extend(failed.map(Path::to_owned));
        running.connector = *before;
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

    /// The file of a connector, or where it is to be.
    fn path_of(&self, name: &str) -> Result<PathBuf, DeployError> {
        if let Some(version) = self.versions.get(name) {
            return Ok(version.file.clone());
        }
        let folder = self.sources.config.connectors.iter().find(|path| path.is_dir());
        Ok(folder.ok_or(DeployError::NoFolder)?.join(format!("{name}.toml")))
    }

    fn reload_host_file(&mut self) {
        let Sources { host_file, flags, environment, config, .. } = &mut self.sources;
        match HostConfig::load(host_file.as_deref(), flags, environment) {
            Ok(mut new) => {
                for key in config.keep_fixed(&mut new) {
                    tracing::warn!("{key} has changed in the host's file: restart the host to apply it");
                }
                crate::telemetry::protect(&new.secrets);
                *config = new;
                tracing::info!("the host's file has changed");
            }
            Err(diagnostics) => {
                diagnostics.iter().for_each(log);
                tracing::warn!("the host goes on with its file as it was before this change");
            }
        }
    }

    /// Finds added and replaced plugin libraries.
    fn discover_plugins(&mut self) {
        let state_dir = &self.sources.config.state_dir;
        let folders = self.registry.folders().to_vec();
        let libraries = snapshot::identify(snapshot::libraries(&folders).iter().map(PathBuf::as_path));
        if libraries == self.libraries {
            return;
        }
        match Registry::discover(&folders, state_dir, &self.prober) {
            Ok(found) => {
                for problem in &found.problems {
                    tracing::warn!("plugin library skipped: {problem}");
                }
                self.registry = found.registry;
                self.libraries = libraries;
            }
            Err(error) => tracing::warn!("looking for plugins: {error}; those found before are used"),
        }
    }
}

fn libraries_of(registry: &Registry) -> Files {
    snapshot::identify(snapshot::libraries(registry.folders()).iter().map(PathBuf::as_path))
}

fn is_library(path: &Path, folders: &[PathBuf]) -> bool {
    path.extension().is_some_and(|extension| extension == std::env::consts::DLL_EXTENSION)
        && path.parent().is_some_and(|parent| folders.iter().any(|folder| folder == parent))
}

/// Logs an error or a warning about a connector file.
pub(super) fn log(diagnostic: &Diagnostic) {
    match diagnostic.severity {
        Severity::Error => tracing::error!("{diagnostic}"),
        Severity::Warning => tracing::warn!("{diagnostic}"),
    }
}
