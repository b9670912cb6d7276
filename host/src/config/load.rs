//! Finds connector files, reads each by itself, and gathers what is usable and all findings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::connect::GIVEN;
use super::connector::{ConnectorDefinition, LoadContext, Origin};
use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::document::{SourceLocation, Table, TomlValue, read_text};
use super::environment::Environment;
use super::host_file::HostConfig;
use super::interpolate::interpolate;
use super::plugin_config::PluginCatalog;
use super::report::Report;

/// The result of loading all connector files.
#[derive(Clone, Debug, Default)]
pub struct LoadedConnectors {
    /// The usable connectors, enabled or not, by name.
    pub valid: Vec<ConnectorDefinition>,
    /// The files that cannot be used, sorted.
    pub rejected: Vec<PathBuf>,
    /// Files of connectors that are off and use a plugin that is not installed, with the plugin's name. They cannot be checked,
    /// and need not be: nothing runs them.
    pub unchecked: Vec<(PathBuf, String)>,
    /// Every error and warning of every file.
    pub diagnostics: Diagnostics,
}

/// Reads connector files, and those in folders, over the `[defaults]` of `host`. In folders, hidden files, editors'
/// backups and everything that does not end in `.toml` are left out (with a warning if only the case differs); folders in
/// folders are not searched. A folder without any connector file is an error.
///
/// Nothing stops at the first error: a file that cannot be used is in `rejected`, and why in `diagnostics`.
pub fn load_connectors(
    paths: &[PathBuf],
    host: &HostConfig,
    catalog: &dyn PluginCatalog,
    environment: &Environment,
) -> LoadedConnectors {
    let context = LoadContext { host, catalog, environment };
    let mut loaded = LoadedConnectors::default();
    let mut findings = vec![];
    for (name, files) in find_files(paths, &mut findings) {
        match files.as_slice() {
            [file] => load_one(&name, file, &context, &mut loaded, &mut findings),
            files => {
                findings.extend(same_name_errors(&name, files));
                loaded.rejected.extend(files.iter().cloned());
            }
        }
    }
    check_shared_groups(&mut loaded, &mut findings);
    loaded.rejected.sort();
    loaded.diagnostics.extend(findings);
    loaded
}

fn load_one(
    name: &str,
    file: &Path,
    context: &LoadContext<'_>,
    loaded: &mut LoadedConnectors,
    findings: &mut Vec<Diagnostic>,
) {
    let text = match read_connector_file(name, file) {
        Ok(text) => text,
        Err(errors) => {
            findings.extend(errors);
            return loaded.rejected.push(file.to_owned());
        }
    };
    let LoadContext { host, catalog, environment } = *context;
    let read = read_connector(name, file, &text, host, catalog, environment);
    findings.extend(read.diagnostics);
    match (read.definition, read.unchecked) {
        (Some(definition), _) => loaded.valid.push(*definition),
        (None, Some(plugin)) => loaded.unchecked.push((file.to_owned(), plugin)),
        (None, None) => loaded.rejected.push(file.to_owned()),
    }
}

/// One connector file, or the text of one, as [`read_connector`] has read it.
#[derive(Clone, Debug)]
pub struct ReadConnector {
    /// The connector; `None` if its file cannot be used.
    pub definition: Option<Box<ConnectorDefinition>>,
    /// The connector is off and uses this plugin, which is not installed, so it was not checked.
    pub unchecked: Option<String>,
    /// Every error and warning.
    pub diagnostics: Diagnostics,
    /// The files that its placeholders name.
    pub placeholder_files: Vec<PathBuf>,
}

/// Reads the connector `name` from `text`, which is or will be the content of `file`, over the `[defaults]` of `host`.
pub fn read_connector(
    name: &str,
    file: &Path,
    text: &str,
    host: &HostConfig,
    catalog: &dyn PluginCatalog,
    environment: &Environment,
) -> ReadConnector {
    let context = LoadContext { host, catalog, environment };
    let report = Report::default();
    report.with_secrets(|secrets| secrets.extend(&host.secrets));
    check_name(name, file, &report);
    let (mut definition, mut unchecked) = (None, None);
    if let Some(mut table) = Table::parse(text, file, &report) {
        merge_defaults(&mut table, &host.defaults);
        unchecked = if is_off(&table) { missing_plugin(&table, catalog) } else { None };
        if unchecked.is_none() {
            definition = read_template(name, file, &table, &context, &report).map(Box::new);
        }
    }
    let placeholder_files = report.placeholder_files();
    let diagnostics = report.finish().0.into_iter().collect();
    ReadConnector { definition, unchecked, diagnostics, placeholder_files }
}

/// The connector files that paths stand for.
#[derive(Clone, Debug, Default)]
pub struct FoundConnectors {
    /// The files of each connector by its name; several files of one name are an error.
    pub files: BTreeMap<String, Vec<PathBuf>>,
    /// Folders that cannot be read or have no connector files, and links to nothing.
    pub diagnostics: Diagnostics,
}

/// Finds connector files without reading them, as [`load_connectors`] does.
#[must_use]
pub fn find_connectors(paths: &[PathBuf]) -> FoundConnectors {
    let mut findings = vec![];
    let files = find_files(paths, &mut findings);
    FoundConnectors { files, diagnostics: findings.into_iter().collect() }
}

/// Reads the text of the file of the connector `name`.
///
/// # Errors
/// When it is not a regular file, is too large or is not text.
pub fn read_connector_file(name: &str, file: &Path) -> Result<String, Diagnostics> {
    let report = Report::default();
    let whole = SourceLocation::whole(file);
    let error = |message: String, help: Option<&str>| {
        check_name(name, file, &report);
        report.error(&whole, "", message, help.map(str::to_owned));
        report.finish().0.into_iter().collect()
    };
    if !file.exists() {
        let (message, help) = missing(file);
        return Err(error(message, Some(help)));
    }
    if !file.is_file() {
        // Reading a pipe would block.
        return Err(error("is not a regular file".to_owned(), None));
    }
    read_text(file).map_err(|cause| error(cause.to_string(), None))
}

/// The errors that several files have the same name.
#[must_use]
pub fn same_name_errors(name: &str, files: &[PathBuf]) -> Diagnostics {
    let Some((first, others)) = files.split_first() else { return Diagnostics::default() };
    let report = Report::default();
    for file in others {
        let message = format!("there is another connector {name:?}, in {}; neither is used", first.display());
        report.error(&SourceLocation::whole(file), "", message, Some("rename one of the files".to_owned()));
    }
    report.finish().0.into_iter().collect()
}

/// Errors of those of `connectors` that have the group of another one of `all`, with their names: each would deliver only a part of
/// the records.
#[must_use]
pub fn shared_group_errors(
    connectors: &[&ConnectorDefinition],
    all: &[&ConnectorDefinition],
) -> Vec<(String, Diagnostic)> {
    let key = |connector: &ConnectorDefinition| {
        (connector.source.bootstrap_servers.clone(), connector.source.group_id.clone())
    };
    let mut groups: BTreeMap<_, Vec<&ConnectorDefinition>> = BTreeMap::new();
    for connector in all {
        groups.entry(key(connector)).or_default().push(connector);
    }
    let error = |connector: &&ConnectorDefinition| {
        let others = groups.get(&key(connector))?.iter().filter(|other| other.name != connector.name);
        let others: Vec<String> = others.map(|other| format!("{:?}", other.name)).collect();
        (!others.is_empty()).then(|| (connector.name.clone(), shared_group_error(connector, &others)))
    };
    connectors.iter().filter(|connector| !connector.source.shared_group).filter_map(error).collect()
}

fn shared_group_error(connector: &ConnectorDefinition, others: &[String]) -> Diagnostic {
    let message = format!(
        "{:?} is also the group of connector {}: each would deliver only a part of the records",
        connector.source.group_id,
        others.join(" and ")
    );
    let help = "give each connector a group_id of its own, or set shared_group = true in all of them to split the records";
    Diagnostic {
        file: connector.file.clone(),
        line: 0,
        column: 0,
        key_path: "source.group_id".to_owned(),
        message,
        help: Some(help.to_owned()),
        severity: Severity::Error,
    }
}

/// Whether a connector may have this name, which is that of its file without `.toml`.
#[must_use]
pub fn is_connector_name(name: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    // A file whose name starts with a dot is hidden, so it would not be found again.
    !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed)
}

fn check_name(name: &str, file: &Path, report: &Report) {
    if !is_connector_name(name) {
        let message = format!("{name:?} is not a connector's name");
        let help = "name the file with ASCII letters, digits, \"_\", \"-\" and, except at the start, \".\"";
        report.error(&SourceLocation::whole(file), "", message, Some(help.to_owned()));
    }
}

fn is_off(table: &Table) -> bool {
    table.entries.get("enabled").is_some_and(|node| matches!(node.value, TomlValue::Boolean(false)))
}

/// The first plugin of a connector that is not installed.
fn missing_plugin(table: &Table, catalog: &dyn PluginCatalog) -> Option<String> {
    let transforms = match table.entries.get("transforms").map(|node| &node.value) {
        Some(TomlValue::List(transforms)) => transforms.as_slice(),
        _ => &[],
    };
    let transforms = transforms.iter().filter_map(|node| match &node.value {
        TomlValue::Table(transform) => Some(transform),
        _ => None,
    });
    let mut plugins = transforms.chain(table.table("sink")).filter_map(|stage| stage.text("plugin"));
    plugins.find(|plugin| catalog.find(plugin).is_none()).map(str::to_owned)
}

/// Reads a connector from its parsed file, merged over the defaults, once its placeholders are resolved.
fn read_template(
    name: &str,
    file: &Path,
    template: &Table,
    context: &LoadContext<'_>,
    report: &Report,
) -> Option<ConnectorDefinition> {
    let mut table = template.clone();
    // Only the REST API reads it; its placeholders need not exist here.
    table.entries.remove(GIVEN);
    interpolate(&mut table, context.environment, report);
    let (host, environment) = (context.host.clone(), context.environment.clone());
    let origin = Origin { template: template.clone(), host, environment };
    ConnectorDefinition::read(file, name, &table, context, report, origin)
}

impl ConnectorDefinition {
    /// The same connector, as its file was last read, with its placeholders and those of the host's file resolved
    /// again: secrets may have been rotated. The files themselves are not read again: they may be half edited.
    ///
    /// # Errors
    /// All findings, if a placeholder can no longer be resolved or its new value is rejected.
    pub fn refresh(&self, catalog: &dyn PluginCatalog) -> Result<Self, Diagnostics> {
        let Origin { template, host, environment } = &*self.origin;
        let host = host.refresh(environment)?;
        let context = LoadContext { host: &host, catalog, environment };
        let report = Report::default();
        report.with_secrets(|secrets| secrets.extend(&host.secrets));
        let read = read_template(&self.name, &self.file, template, &context, &report);
        read.ok_or_else(|| report.finish().0.into_iter().collect())
    }
}

/// Merges `[defaults]` below a connector's file. A default sink's configuration is for that sink only, and a list
/// of topics and a pattern replace each other.
fn merge_defaults(table: &mut Table, defaults: &Table) {
    let mut defaults = defaults.clone();
    let own_sink = table.table("sink").and_then(|sink| sink.text("plugin"));
    let default_sink = defaults.table("sink").and_then(|sink| sink.text("plugin"));
    if matches!((own_sink, default_sink), (Some(own), Some(default)) if own != default) {
        defaults.entries.remove("sink");
    }
    let names_topics =
        |source: &Table| ["topics", "topics_regex"].iter().any(|key| source.entries.contains_key(*key));
    if table.table("source").is_some_and(names_topics)
        && let Some(TomlValue::Table(source)) = defaults.entries.get_mut("source").map(|node| &mut node.value)
    {
        source.entries.retain(|key, _| key != "topics" && key != "topics_regex");
    }
    table.fill_from(&defaults);
}

/// The connector files by name. A file that is found twice counts once.
fn find_files(paths: &[PathBuf], findings: &mut Vec<Diagnostic>) -> BTreeMap<String, Vec<PathBuf>> {
    let report = Report::default();
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    // The running host looks every second, so a file must not be compared with all others.
    let mut seen = BTreeSet::new();
    let found: Vec<(&PathBuf, Vec<PathBuf>)> =
        paths.iter().map(|path| (path, expand(path, &report))).collect();
    report_empty_folders(&found, &report);
    for file in found.into_iter().flat_map(|(_, files)| files) {
        let identity = fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
        if !seen.insert(identity) {
            continue;
        }
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        files.entry(stem).or_default().push(file);
    }
    findings.extend(report.finish().0);
    files
}

/// A folder without connector files is probably the wrong one. If none has any, there is nothing to run.
fn report_empty_folders(found: &[(&PathBuf, Vec<PathBuf>)], report: &Report) {
    let any = found.iter().any(|(_, files)| !files.is_empty());
    for (folder, _) in found.iter().filter(|(path, files)| files.is_empty() && path.is_dir()) {
        let location = SourceLocation::whole(folder);
        let message = "the folder has no connector files";
        let help = Some("add a file such as orders.toml, or name another folder".to_owned());
        match any {
            true => report.warning(&location, "", message, help),
            false => report.error(&location, "", message, help),
        }
    }
}

/// The connector files that a path stands for.
fn expand(path: &Path, report: &Report) -> Vec<PathBuf> {
    let whole = SourceLocation::whole(path);
    if path.is_dir() {
        return list(path, report).unwrap_or_else(|error| {
            report.error(&whole, "", format!("cannot read the folder: {error}"), None);
            vec![]
        });
    }
    if !path.exists() {
        let (message, help) = missing(path);
        report.error(&whole, "", message, Some(help.to_owned()));
        return vec![];
    }
    if !is_toml(path) {
        report.error(&whole, "", "a connector file's name ends in .toml", None);
        return vec![];
    }
    vec![path.to_owned()]
}

fn list(folder: &Path, report: &Report) -> std::io::Result<Vec<PathBuf>> {
    let mut files = vec![];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_hidden(&path) || path.is_dir() {
            continue;
        }
        if is_toml(&path) {
            files.push(path);
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
            let help = "rename it so that it ends in .toml, in lower case";
            report.warning(&SourceLocation::whole(&path), "", "is not read", Some(help.to_owned()));
        }
    }
    files.sort();
    Ok(files)
}

/// Whether the file is hidden or an editor's temporary file (`#x.toml#`, `x.toml~` and `.x.toml.swp` do not end in `.toml`;
/// `~x.toml` and `#x.toml` do).
fn is_hidden(path: &Path) -> bool {
    path.file_name().unwrap_or_default().to_string_lossy().starts_with(['.', '#', '~'])
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

/// Why there is nothing at a path, and what to do.
fn missing(path: &Path) -> (String, &'static str) {
    match fs::read_link(path) {
        Ok(target) => (
            format!("is a link to {}, which does not exist", target.display()),
            "correct the link, or remove it",
        ),
        Err(_) => (
            "there is no such file or folder".to_owned(),
            "create it, or name the folder of the connector files",
        ),
    }
}

/// Rejects connectors that have the group of another one.
fn check_shared_groups(loaded: &mut LoadedConnectors, findings: &mut Vec<Diagnostic>) {
    let enabled: Vec<_> = loaded.valid.iter().filter(|connector| connector.enabled).collect();
    let errors = shared_group_errors(&enabled, &enabled);
    let rejected: Vec<PathBuf> = errors.iter().map(|(_, error)| error.file.clone()).collect();
    findings.extend(errors.into_iter().map(|(_, error)| error));
    loaded.valid.retain(|connector| !rejected.contains(&connector.file));
    loaded.rejected.extend(rejected);
}
