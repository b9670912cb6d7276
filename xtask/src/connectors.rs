//! Which packages of the workspace have the plugins that connectors use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

/// The packages with the plugins that the enabled connector files in `folder` use. Plugins from elsewhere are not built
/// here, and a file that is not TOML is reported by the host.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn packages(root: &Path, folder: &Path) -> Result<BTreeSet<String>, String> {
    let packages = packages_by_plugin(root)?;
    let mut needed = BTreeSet::new();
    for file in entries(folder)? {
        if file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let Ok(connector) = read(&file)?.parse::<Table>() else { continue };
        if connector.get("enabled").and_then(Value::as_bool) == Some(false) {
            continue;
        }
        needed.extend(plugins(&connector).filter_map(|plugin| packages.get(plugin).cloned()));
    }
    Ok(needed)
}

/// The names of the plugins that a connector uses.
fn plugins(connector: &Table) -> impl Iterator<Item = &str> {
    let transforms = connector.get("transforms").and_then(Value::as_array).into_iter().flatten();
    let stages = transforms.chain(connector.get("sink"));
    stages.filter_map(|stage| stage.get("plugin")?.as_str())
}

/// The package of every plugin in the workspace, from the manifests' `package.metadata.tidegate.plugins`.
fn packages_by_plugin(root: &Path) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for folder in entries(&root.join("plugins"))? {
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() {
            continue;
        }
        let manifest: Table =
            read(&manifest)?.parse().map_err(|error| format!("{}: {error}", manifest.display()))?;
        let Some(package) = manifest.get("package") else { continue };
        let Some(name) = package.get("name").and_then(Value::as_str) else { continue };
        let plugins = package.get("metadata").and_then(|metadata| metadata.get("tidegate")?.get("plugins"));
        let plugins = plugins.and_then(Value::as_array).into_iter().flatten();
        found.extend(plugins.filter_map(Value::as_str).map(|plugin| (plugin.to_owned(), name.to_owned())));
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("reading {}: {error}", folder.display());
    fs::read_dir(folder).map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("reading {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    #[test]
    fn only_plugins_of_enabled_connectors_are_built() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        file(
            "a.toml",
            "transforms = [{ plugin = \"mask\" }, { plugin = \"somebody-s-own\" }]\nsink.plugin = \"console\"",
        );
        file("off.toml", "enabled = false\nsink.plugin = \"snowflake\"");
        file("wrong.toml", "[sink");
        file("notes.txt", "sink.plugin = \"discard\"");
        let packages = packages(root(), folder.path()).unwrap();
        assert_eq!(packages.iter().collect::<Vec<_>>(), ["basics", "console-sink"]);
    }

    #[test]
    fn the_demo_needs_no_snowflake() {
        let packages = packages(root(), &root().join("connectors.d")).unwrap();
        assert_eq!(
            packages.iter().collect::<Vec<_>>(),
            ["basics", "console-sink", "file-sink", "price-change", "sqlite-sink"]
        );
    }
}
