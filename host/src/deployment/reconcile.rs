//! Compares connector files with the running connectors, and decides which connectors to start, replace and remove.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    DeployError, Sources,
    examine::{Examined, ExaminedConnectors, Examiner, Outcome, ValidFile},
    folders::Folders,
    kept::KeptConnectors,
    snapshot::{self, Files},
    versions::{Refused, RunningVersion, Version},
};
use crate::{
    config::{ConnectorDefinition, Diagnostic, FoundConnectors, HostConfig, Severity, find_connectors},
    plugins::{Prober, Registry},
    supervisor::{Deploy, DesiredState, HostMemory},
    telemetry::{self, Protection},
};

/// The connectors of a host: how they run, and how their files say that they are to run.
pub struct Deployment {
    pub(super) sources: Sources,
    pub(super) registry: Registry,
    pub(super) prober: Prober,
    pub(super) memory: HostMemory,
    /// `None` for a run that leaves nothing behind.
    pub(super) kept: Option<KeptConnectors>,
    pub(super) versions: BTreeMap<String, Version>,
    /// The plugin libraries as they were found last.
    pub(super) libraries: Files,
    /// The connector that the user restarts, which may get other libraries although its file says `reload = "never"`.
    pub(super) restarting: Option<String>,
    /// The files before they were read for the first time.
    pub(super) at_start: Files,
    pub(super) folders: Folders,
    /// Keeps the secrets of the host's file as it is now from being shown.
    protected: Protection,
}

impl Deployment {
    /// A deployment without connectors.
    #[must_use]
    pub fn new(sources: Sources, registry: Registry, prober: Prober, kept: Option<KeptConnectors>) -> Self {
        let memory = HostMemory::new(sources.config.memory.clone());
        let libraries = snapshot::libraries(registry.folders());
        let protected = telemetry::protect(&sources.config.secrets);
        let (restarting, folders) = (None, Folders::default());
        let (versions, at_start) = (BTreeMap::new(), Files::new());
        Self {
            sources,
            registry,
            prober,
            memory,
            kept,
            versions,
            libraries,
            restarting,
            at_start,
            folders,
            protected,
        }
    }

    /// The plugins that were found last.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The host's configuration as it was read last.
    pub(crate) fn config(&self) -> &HostConfig {
        &self.sources.config
    }

    /// The definition that a connector runs with.
    pub(crate) fn definition(&self, name: &str) -> Option<ConnectorDefinition> {
        Some(self.versions.get(name)?.connector()?.definition.clone())
    }

    /// The name of the connector's sink, if that stores offsets together with its data.
    pub(crate) fn sink_that_stores_offsets(&self, name: &str) -> Option<String> {
        self.versions.get(name)?.connector()?.sink_that_stores_offsets().map(str::to_owned)
    }

    /// The memory of the host's connectors.
    #[must_use]
    pub fn memory(&self) -> &HostMemory {
        &self.memory
    }

    /// The files as they were when [`Deployment::start`] began to read them.
    pub(super) fn at_start(&self) -> Files {
        self.at_start.clone()
    }

    /// The files that connectors depend on, as they are now.
    pub(super) fn snapshot(&self) -> Files {
        let found = find_connectors(&self.sources.config.connectors);
        let paths = found.files.values().flatten().chain(self.named_files());
        let mut files = snapshot::identify(paths.map(PathBuf::as_path));
        files.extend(snapshot::libraries(self.registry.folders()));
        files
    }

    /// The host's file, and the files that placeholders name.
    fn named_files(&self) -> impl Iterator<Item = &PathBuf> {
        let placeholders = self.versions.values().flat_map(|version| &version.placeholder_files);
        placeholders.chain(&self.sources.host_file).chain(&self.sources.config.placeholder_files)
    }

    /// The folders in which files may appear or change.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let of_file = |path: &PathBuf| path.parent().map(Path::to_owned);
        let connectors = self.sources.config.connectors.iter();
        let connectors =
            connectors.filter_map(|path| if path.is_dir() { Some(path.clone()) } else { of_file(path) });
        let folders =
            connectors.chain(self.named_files().filter_map(of_file)).chain(self.registry.folders().to_vec());
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
    pub(super) fn update(&mut self, mut names: BTreeSet<String>) -> Result<Vec<Deploy>, DeployError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let depends =
            |version: &Version| version.refused.as_ref().is_some_and(|refused| refused.depends_on_others);
        names.extend(self.versions.iter().filter(|(_, v)| depends(v)).map(|(name, _)| name.clone()));
        let found = self.find();
        names.retain(|name| found.files.contains_key(name) || !self.is_hidden(name));
        let examined = self.examiner().files(&names, &found.files)?;
        Ok(self.apply(examined))
    }

    /// Finds the connector files.
    pub(super) fn find(&mut self) -> FoundConnectors {
        let paths = &self.sources.config.connectors;
        let found = find_connectors(paths);
        self.folders.look(paths, &found);
        found
    }

    /// Whether the connector's file is in a folder that cannot be read for now.
    pub(super) fn is_hidden(&self, name: &str) -> bool {
        self.versions.get(name).is_some_and(|version| self.folders.hides(&version.file).is_some())
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

    pub(super) fn examiner(&self) -> Examiner<'_> {
        let Self { sources, registry, prober, versions, .. } = self;
        Examiner { sources, registry, prober, versions }
    }

    /// Takes over what was examined. Returns what the supervisor is to do: it stops connectors first, because one that is added may
    /// have the group of one that is removed, and need its memory.
    pub(super) fn apply(&mut self, examined: ExaminedConnectors) -> Vec<Deploy> {
        let stops = |examined: &Option<Examined>| {
            examined.as_ref().is_none_or(|examined| matches!(examined.outcome, Outcome::Off))
        };
        let (stopping, others): (Vec<_>, Vec<_>) =
            examined.into_iter().partition(|(_, examined)| stops(examined));
        let mut deploys = Vec::new();
        for (name, examined) in stopping.into_iter().chain(others) {
            let Some(Examined { file, placeholder_files, outcome }) = examined else {
                deploys.extend(self.stop(&name));
                self.versions.remove(&name);
                continue;
            };
            let version = self.version(&name, file);
            version.placeholder_files = placeholder_files;
            match outcome {
                Outcome::Off => {
                    version.refused = None;
                    deploys.extend(self.stop(&name));
                }
                Outcome::Refused(refused) => version.refuse(&name, refused),
                Outcome::Valid(file) => deploys.extend(self.deploy(&name, *file)),
            }
        }
        deploys
    }

    fn stop(&mut self, name: &str) -> Option<Deploy> {
        self.kept.as_ref().into_iter().for_each(|kept| kept.forget(name));
        self.versions.get_mut(name)?.running.take()?;
        self.memory.remove(name);
        Some(Deploy::Remove(name.to_owned()))
    }

    pub(super) fn version(&mut self, name: &str, file: PathBuf) -> &mut Version {
        let new = || Version::new(file.clone(), DesiredState::default());
        let version = self.versions.entry(name.to_owned()).or_insert_with(new);
        version.file = file;
        version
    }

    /// Adds or replaces a connector that has a version. Returns what the supervisor is to do.
    pub(super) fn deploy(&mut self, name: &str, file: ValidFile) -> Option<Deploy> {
        let ValidFile { text, mut connector, warnings } = file;
        let keeps_libraries = self.restarting.as_deref() != Some(name);
        let version = self.versions.get_mut(name)?;
        let running = version.connector();
        let replacement = running.map(|running| running.replacement(&mut connector, keeps_libraries));
        let is_changed = !matches!(replacement, Some(None));
        // Consumers that go on keep their queues.
        let going_on =
            running.filter(|_| matches!(replacement, Some(how) if how.is_none_or(|how| !how.restarts)));
        if let Some(running) = going_on {
            connector.keep_queue_of(running);
        } else if let Err(error) = self.memory.admit(std::slice::from_mut(&mut connector)) {
            let errors = std::iter::once(*error).collect();
            version.refuse(name, Refused { errors, depends_on_others: true });
            return None;
        }
        if is_changed {
            warnings.iter().for_each(log);
        }
        version.refused = None;
        version.running = Some(RunningVersion { text, connector: connector.clone() });
        let (state, connector) = (version.state, Box::new(connector));
        self.keep(name);
        let Some(replacement) = replacement else { return Some(Deploy::Add(connector, state)) };
        let how = replacement?;
        tracing::info!(connector = name, change = how.name(), "the connector has changed");
        Some(Deploy::Replace(connector, how))
    }

    pub(super) fn keep(&self, name: &str) {
        let kept = self.versions.get(name).and_then(Version::kept);
        if let (Some(all), Some(kept)) = (&self.kept, kept) {
            all.store(name, &kept);
        }
    }

    fn reload_host_file(&mut self) {
        let Sources { host_file, flags, environment, config, .. } = &mut self.sources;
        match HostConfig::load(host_file.as_deref(), flags, environment) {
            Ok(mut new) => {
                for key in config.keep_fixed(&mut new) {
                    tracing::warn!("{key} has changed in the host's file: restart the host to apply it");
                }
                self.protected = telemetry::protect(&new.secrets);
                if new.log.level != config.log.level {
                    telemetry::set_level(telemetry::ROOT_LOGGER, telemetry::level_filter(new.log.level));
                }
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
    pub(super) fn discover_plugins(&mut self) {
        let state_dir = &self.sources.config.state_dir;
        let folders = self.registry.folders().to_vec();
        let libraries = snapshot::libraries(&folders);
        if libraries == self.libraries {
            return;
        }
        match Registry::discover(&folders, state_dir, &self.prober) {
            Ok(mut found) => {
                for problem in &found.problems {
                    tracing::warn!("plugin library skipped, what was loaded of it before is used: {problem}");
                }
                found.keep_usable(&self.registry);
                for library in found.keep_loaded(&self.registry) {
                    tracing::warn!(
                        "{} was replaced, but its plugins do not allow two copies of it in one process: until the host is restarted, \
                         only connectors with isolation = \"process\" use the new one",
                        library.display()
                    );
                }
                self.registry = found.registry;
                self.libraries = libraries;
            }
            Err(error) => tracing::warn!("looking for plugins: {error}; those found before are used"),
        }
    }
}

fn is_library(path: &Path, folders: &[PathBuf]) -> bool {
    path.extension().is_some_and(|extension| extension == std::env::consts::DLL_EXTENSION)
        && path.parent().is_some_and(|parent| folders.iter().any(|folder| folder == parent))
}

/// Logs an error or a warning about a connector file.
pub(super) fn log(diagnostic: &Diagnostic) {
    match diagnostic.severity {
        Severity::Error => tracing::error!({ telemetry::EVERY_LINE } = true, "{diagnostic}"),
        Severity::Warning => tracing::warn!({ telemetry::EVERY_LINE } = true, "{diagnostic}"),
    }
}
