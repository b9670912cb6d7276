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
        ConnectorDefinition, Diagnostics, read_connector, read_connector_file, same_name_error,
        shared_group_error,
    },
    plugins::{Prober, Registry},
    supervisor::{Catalog, Connector, check_offline},
    telemetry,
};

/// The text of a connector file, or of one that is to be written.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) text: String,
}

/// What a connector file is.
pub(super) enum Examined {
    /// There is none.
    Gone,
    /// The connector is off.
    Off { file: PathBuf, placeholder_files: Vec<PathBuf> },
    /// It cannot be used.
    Refused { file: PathBuf, refused: Refused, placeholder_files: Vec<PathBuf> },
    /// It can be used.
    Valid(Box<ValidFile>),
}

/// A connector file that can be used.
pub(super) struct ValidFile {
    pub(super) file: PathBuf,
    pub(super) text: String,
    pub(super) connector: Connector,
    pub(super) warnings: Diagnostics,
    pub(super) placeholder_files: Vec<PathBuf>,
}

impl Examined {
    fn refused(file: &Path, errors: Diagnostics, placeholder_files: Vec<PathBuf>) -> Self {
        let refused = Refused { errors, depends_on_others: false };
        Self::Refused { file: file.to_owned(), refused, placeholder_files }
    }

    /// The errors of a file that cannot be used.
    pub(super) fn errors(&self) -> Option<&Diagnostics> {
        match self {
            Self::Refused { refused, .. } => Some(&refused.errors),
            _ => None,
        }
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
    ) -> Result<BTreeMap<String, Examined>, DeployError> {
        let mut examined = BTreeMap::new();
        for name in names {
            let result = match found.get(name).map(Vec::as_slice) {
                None | Some([]) => Examined::Gone,
                Some([file]) => match read_connector_file(file) {
                    Ok(text) => self.read(Candidate { name: name.clone(), file: file.clone(), text }),
                    Err(errors) => Examined::refused(file, errors, Vec::new()),
                },
                Some([first, ..]) => {
                    let errors = same_name_error(name, found.get(name).map_or(&[], Vec::as_slice));
                    Examined::refused(first, errors, Vec::new())
                }
            };
            examined.insert(name.clone(), result);
        }
        self.check(&mut examined)?;
        Ok(examined)
    }

    /// Examines texts of connector files.
    ///
    /// # Errors
    /// When plugins cannot be checked.
    pub(super) fn candidates(
        &self,
        candidates: Vec<Candidate>,
    ) -> Result<BTreeMap<String, Examined>, DeployError> {
        let mut examined: BTreeMap<String, Examined> =
            candidates.into_iter().map(|candidate| (candidate.name.clone(), self.read(candidate))).collect();
        self.check(&mut examined)?;
        Ok(examined)
    }

    fn check(&self, examined: &mut BTreeMap<String, Examined>) -> Result<(), DeployError> {
        self.check_offline(examined)?;
        self.check_groups(examined);
        Ok(())
    }

    fn read(&self, candidate: Candidate) -> Examined {
        let Candidate { name, file, text } = candidate;
        let Sources { config, environment, overrides, .. } = self.sources;
        let read = read_connector(&name, &file, &text, config, &Catalog(self.registry), environment);
        let placeholder_files = read.placeholder_files;
        let Some(definition) = read.definition else {
            return match read.unchecked {
                Some(_) => Examined::Off { file, placeholder_files },
                None => Examined::refused(&file, read.diagnostics, placeholder_files),
            };
        };
        if !definition.enabled {
            return Examined::Off { file, placeholder_files };
        }
        telemetry::protect(&definition.secrets);
        let connector = Connector::new(*definition, self.registry, *overrides);
        let Ok(mut connector) = connector else {
            // Reading has found every plugin in the same registry.
            return Examined::refused(&file, read.diagnostics, placeholder_files);
        };
        self.avoid_failed_libraries(&name, &mut connector);
        let warnings = read.diagnostics;
        Examined::Valid(Box::new(ValidFile { file, text, connector, warnings, placeholder_files }))
    }

    /// Uses the libraries that run instead of those that have failed.
    fn avoid_failed_libraries(&self, name: &str, connector: &mut Connector) {
        let Some(version) = self.versions.get(name) else { return };
        let has_failed = |library: &Path| version.failed_libraries.contains(library);
        if let Some(running) = version.connector().filter(|_| connector.libraries().any(has_failed)) {
            connector.keep_libraries_of(running);
        }
    }

    /// Checks what only librdkafka and the plugins know.
    fn check_offline(&self, examined: &mut BTreeMap<String, Examined>) -> Result<(), DeployError> {
        let valid: Vec<Connector> = valid(examined).map(|file| file.connector.clone()).collect();
        if valid.is_empty() {
            return Ok(());
        }
        let errors = check_offline(&valid, self.prober)?;
        for (connector, errors) in valid.iter().zip(errors) {
            let is_invalid = errors.iter().any(|error| error.is_invalid);
            let found = errors.into_iter().map(|error| error.diagnostic);
            let Some(Examined::Valid(file)) = examined.get_mut(connector.name()) else { continue };
            // What is missing on this machine, such as a file that an option names, may be there when the task starts.
            file.warnings.extend(found);
            if is_invalid {
                let refused =
                    Examined::refused(&file.file, file.warnings.clone(), file.placeholder_files.clone());
                examined.insert(connector.name().to_owned(), refused);
            }
        }
        Ok(())
    }

    /// Refuses connectors with the group of another one. One that runs with its group already goes on.
    fn check_groups(&self, examined: &mut BTreeMap<String, Examined>) {
        // A connector whose file is refused goes on as it was.
        let goes_on = |name: &str| {
            examined.get(name).is_none_or(|examined| matches!(examined, Examined::Refused { .. }))
        };
        let running = self.versions.iter().filter(|(name, _)| goes_on(name));
        let running = running.filter_map(|(_, version)| Some(&version.connector()?.definition));
        let candidates = valid(examined).map(|file| &file.connector.definition);
        let all: Vec<&ConnectorDefinition> = running.chain(candidates).collect();
        let mut errors = Vec::new();
        for file in valid(examined) {
            let definition = &file.connector.definition;
            if self.runs_with_its_group(definition) {
                continue;
            }
            let others: Vec<_> = all.iter().copied().filter(|other| other.name != definition.name).collect();
            errors.extend(
                shared_group_error(definition, &others).map(|error| (definition.name.clone(), error)),
            );
        }
        for (name, error) in errors {
            let Some(Examined::Valid(file)) = examined.get(&name) else { continue };
            let refused = Refused { errors: std::iter::once(error).collect(), depends_on_others: true };
            let (file, placeholder_files) = (file.file.clone(), file.placeholder_files.clone());
            examined.insert(name, Examined::Refused { file, refused, placeholder_files });
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

fn valid(examined: &BTreeMap<String, Examined>) -> impl Iterator<Item = &ValidFile> {
    examined.values().filter_map(|examined| match examined {
        Examined::Valid(file) => Some(&**file),
        _ => None,
    })
}
