//! Examines connector files: reads them and checks them with librdkafka and their plugins, without changing anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    DeployError, Sources,
    versions::{Refused, Version},
};
use crate::{
    config::{
        ConnectorDefinition, Diagnostics, read_connector, read_connector_file, same_name_errors,
        shared_group_errors,
    },
    plugins::{Prober, Registry},
    supervisor::{Catalog, Connector, check_offline},
};

/// The text of a connector file, or of one that is to be written.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) text: String,
}

/// A connector file, and whether it can be used.
pub(super) struct Examined {
    pub(super) file: PathBuf,
    /// The files that its placeholders name.
    pub(super) placeholder_files: Vec<PathBuf>,
    pub(super) outcome: Outcome,
}

/// Whether a connector file can be used.
pub(super) enum Outcome {
    /// The connector is off.
    Off,
    Refused(Refused),
    Valid(Box<ValidFile>),
}

/// A connector file that can be used.
pub(super) struct ValidFile {
    pub(super) text: String,
    pub(super) connector: Connector,
    pub(super) warnings: Diagnostics,
}

/// What was found of each connector, by its name; `None` if it has no file.
pub(super) type ExaminedConnectors = BTreeMap<String, Option<Examined>>;

impl Examined {
    fn unreadable(file: &Path, errors: Diagnostics) -> Self {
        Self { file: file.to_owned(), placeholder_files: Vec::new(), outcome: Outcome::refused(errors) }
    }

    /// The errors of a file that cannot be used.
    pub(super) fn errors(&self) -> Option<&Diagnostics> {
        match &self.outcome {
            Outcome::Refused(refused) => Some(&refused.errors),
            _ => None,
        }
    }
}

impl Outcome {
    fn refused(errors: Diagnostics) -> Self {
        Self::Refused(Refused { errors, depends_on_others: false })
    }
}

/// Examines files of connectors.
pub(super) struct Examiner<'d> {
    pub(super) sources: &'d Sources,
    pub(super) registry: &'d Registry,
    pub(super) prober: &'d Prober,
    pub(super) versions: &'d BTreeMap<String, Version>,
}

impl Examiner<'_> {
    /// Examines the files of the connectors `names`, which are among `found`.
    ///
    /// # Errors
    /// When plugins cannot be checked.
    pub(super) fn files(
        &self,
        names: &BTreeSet<String>,
        found: &BTreeMap<String, Vec<PathBuf>>,
    ) -> Result<ExaminedConnectors, DeployError> {
        let examine =
            |name: &String| (name.clone(), self.file_of(name, found.get(name).map_or(&[], Vec::as_slice)));
        self.check(names.iter().map(examine).collect())
    }

    fn file_of(&self, name: &str, files: &[PathBuf]) -> Option<Examined> {
        Some(match files {
            [] => return None,
            [file] => match read_connector_file(name, file) {
                Ok(text) => self.read(Candidate { name: name.to_owned(), file: file.clone(), text }),
                Err(errors) => Examined::unreadable(file, errors),
            },
            [first, ..] => Examined::unreadable(first, same_name_errors(name, files)),
        })
    }

    /// Examines texts of connector files.
    ///
    /// # Errors
    /// When plugins cannot be checked.
    pub(super) fn candidates(&self, candidates: Vec<Candidate>) -> Result<ExaminedConnectors, DeployError> {
        let examine = |candidate: Candidate| (candidate.name.clone(), Some(self.read(candidate)));
        self.check(candidates.into_iter().map(examine).collect())
    }

    fn check(&self, mut examined: ExaminedConnectors) -> Result<ExaminedConnectors, DeployError> {
        self.check_offline(&mut examined)?;
        self.check_groups(&mut examined);
        Ok(examined)
    }

    fn read(&self, candidate: Candidate) -> Examined {
        let Candidate { name, file, text } = candidate;
        let Sources { config, environment, .. } = self.sources;
        let read = read_connector(&name, &file, &text, config, &Catalog(self.registry), environment);
        let outcome = match read.definition {
            None if read.unchecked.is_some() => Outcome::Off,
            None => Outcome::refused(read.diagnostics),
            Some(definition) if !definition.enabled => Outcome::Off,
            Some(definition) => self.connector(*definition, text, read.diagnostics),
        };
        Examined { file, placeholder_files: read.placeholder_files, outcome }
    }

    fn connector(&self, definition: ConnectorDefinition, text: String, warnings: Diagnostics) -> Outcome {
        match Connector::new(definition, self.registry, self.sources.overrides) {
            Ok(mut connector) => {
                self.avoid_failed_libraries(&mut connector);
                Outcome::Valid(Box::new(ValidFile { text, connector, warnings }))
            }
            // Reading has found every plugin in the same registry.
            Err(_) => Outcome::refused(warnings),
        }
    }

    /// Uses the libraries that run instead of those that have failed.
    fn avoid_failed_libraries(&self, connector: &mut Connector) {
        let Some(version) = self.versions.get(connector.name()) else { return };
        if let Some(running) = version.connector() {
            connector.keep_libraries_of(running, |library| version.failed_libraries.contains(library));
        }
    }

    /// Checks what only librdkafka and the plugins know.
    fn check_offline(&self, examined: &mut ExaminedConnectors) -> Result<(), DeployError> {
        let connectors: Vec<Connector> = valid(examined).map(|file| file.connector.clone()).collect();
        if connectors.is_empty() {
            return Ok(());
        }
        let all_errors = check_offline(&connectors, self.prober)?;
        // In the same order.
        let outcomes = examined.values_mut().flatten().map(|examined| &mut examined.outcome);
        let outcomes = outcomes.filter(|outcome| matches!(outcome, Outcome::Valid(_)));
        for (outcome, errors) in outcomes.zip(all_errors) {
            let Outcome::Valid(file) = outcome else { continue };
            let is_invalid = errors.iter().any(|error| error.is_invalid);
            // What is missing on this machine, such as a file that an option names, may be there when the task starts.
            file.warnings.extend(errors.into_iter().map(|error| error.diagnostic));
            if is_invalid {
                *outcome = Outcome::refused(std::mem::take(&mut file.warnings));
            }
        }
        Ok(())
    }

    /// Refuses connectors with the group of another one. One that runs with its group already goes on.
    fn check_groups(&self, examined: &mut ExaminedConnectors) {
        // A connector whose file is refused goes on as it was.
        let goes_on = |name: &str| {
            let known = examined.get(name);
            known.is_none_or(|known| known.as_ref().is_some_and(|examined| examined.errors().is_some()))
        };
        let running = self.versions.iter().filter(|(name, _)| goes_on(name));
        let running = running.filter_map(|(_, version)| Some(&version.connector()?.definition));
        let candidates = || valid(examined).map(|file| &file.connector.definition);
        let all: Vec<&ConnectorDefinition> = running.chain(candidates()).collect();
        let new: Vec<_> = candidates().filter(|definition| !self.runs_with_its_group(definition)).collect();
        for (name, error) in shared_group_errors(&new, &all) {
            let refused = Refused { errors: std::iter::once(error).collect(), depends_on_others: true };
            if let Some(Some(examined)) = examined.get_mut(&name) {
                examined.outcome = Outcome::Refused(refused);
            }
        }
    }

    fn runs_with_its_group(&self, definition: &ConnectorDefinition) -> bool {
        let running = self.versions.get(&definition.name).and_then(Version::connector);
        running.is_some_and(|running| {
            let source = &running.definition.source;
            source.group_id == definition.source.group_id
                && source.bootstrap_servers == definition.source.bootstrap_servers
        })
    }
}

fn valid(examined: &ExaminedConnectors) -> impl Iterator<Item = &ValidFile> {
    examined.values().flatten().filter_map(|examined| match &examined.outcome {
        Outcome::Valid(file) => Some(&**file),
        _ => None,
    })
}
