//! The crates that the host and the shipped plugins are built from, for `cargo xtask sbom`: no development or build dependencies, no
//! procedural macros, and only those of the target that is built for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value as Json;
use toml::Table;

/// A crate whose code is in the host or in a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shipped {
    /// Name on crates.io, or of a package of the workspace.
    pub(crate) name: String,
    /// Version with its build metadata, such as `4.10.0+2.12.1`.
    pub(crate) version: String,
    /// SPDX expression.
    pub(crate) license: String,
    /// URL of the source repository; empty if the crate names none.
    pub(crate) repository: String,
    /// SHA-256 of the archive on crates.io; `None` for packages of the workspace.
    pub(crate) checksum: Option<String>,
    /// The folder with its sources.
    pub(crate) folder: PathBuf,
    /// Names and versions of the shipped crates that it depends on.
    pub(crate) dependencies: BTreeSet<Identity>,
}

/// Name and version.
pub(crate) type Identity = (String, String);

impl Shipped {
    pub(crate) fn identity(&self) -> Identity {
        (self.name.clone(), self.version.clone())
    }

    /// Whether it is a package of this workspace.
    pub(crate) fn is_own(&self) -> bool {
        self.checksum.is_none()
    }
}

/// The crates that `packages` of the workspace in `root` are built from, themselves included, in the order of their names.
///
/// # Errors
/// If cargo cannot be run, or a crate has no licence.
pub(crate) fn crates(root: &Path, packages: &[String]) -> Result<Vec<Shipped>, String> {
    // `cargo metadata` knows the crates, but only `cargo tree` selects the features that these packages are built with.
    let mut tree =
        vec!["tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe"];
    tree.extend(["--format", "{p}"]);
    for package in packages {
        tree.extend(["--package", package]);
    }
    let wanted = in_tree(&cargo(root, &tree)?);
    let target = host_target(&cargo(root, &["--version", "--verbose"])?)?;
    let metadata =
        cargo(root, &["metadata", "--locked", "--format-version", "1", "--filter-platform", &target])?;
    let metadata: Json =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let lock = root.join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|error| format!("reading {}: {error}", lock.display()))?;
    select(&wanted, &metadata, &checksums(&lock)?)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut cargo: Command = nested_cargo::cargo();
    let output = cargo.current_dir(root).args(arguments).output();
    let output = output.map_err(|error| format!("starting cargo: {error}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo {}: {}", arguments.first().unwrap_or(&""), reason.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The crates in the output of `cargo tree`, whose lines are like `serde v1.0.228` and `tidegate v0.1.0 (/src/host)`.
fn in_tree(tree: &str) -> BTreeSet<Identity> {
    let identity = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    };
    tree.lines().filter_map(identity).collect()
}

/// The target in the output of `cargo --version --verbose`.
fn host_target(version: &str) -> Result<String, String> {
    let target = version.lines().find_map(|line| line.strip_prefix("host: "));
    target
        .map(str::to_owned)
        .ok_or_else(|| format!("cargo does not say for which target it builds: {version}"))
}

/// The checksums in a `Cargo.lock`.
fn checksums(lock: &str) -> Result<BTreeMap<Identity, String>, String> {
    let lock: Table = lock.parse().map_err(|error| format!("Cargo.lock: {error}"))?;
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let checksum = |package: &toml::Value| {
        let text = |key: &str| Some(package.get(key)?.as_str()?.to_owned());
        Some(((text("name")?, text("version")?), text("checksum")?))
    };
    Ok(packages.filter_map(checksum).collect())
}

/// Those packages of `cargo metadata` that are wanted.
fn select(
    wanted: &BTreeSet<Identity>,
    metadata: &Json,
    checksums: &BTreeMap<Identity, String>,
) -> Result<Vec<Shipped>, String> {
    let packages = || metadata["packages"].as_array().into_iter().flatten();
    let identity = |package: &Json| (text(&package["name"]), text(&package["version"]));
    let by_id: BTreeMap<&str, Identity> =
        packages().filter_map(|package| Some((package["id"].as_str()?, identity(package)))).collect();
    let mut dependencies = dependencies(metadata, &by_id);
    let mut found = BTreeMap::new();
    for package in packages() {
        let identity = identity(package);
        if !wanted.contains(&identity) {
            continue;
        }
        let folder = Path::new(package["manifest_path"].as_str().unwrap_or_default()).parent();
        let license = text(&package["license"]);
        if license.is_empty() {
            return Err(format!("{} {} states no licence", identity.0, identity.1));
        }
        let mut needed = dependencies.remove(&identity).unwrap_or_default();
        needed.retain(|dependency| wanted.contains(dependency));
        let shipped = Shipped {
            name: identity.0.clone(),
            version: identity.1.clone(),
            // What Cargo used to accept for "or".
            license: license.replace(" / ", "/").replace('/', " OR "),
            repository: text(&package["repository"]),
            checksum: checksums.get(&identity).cloned(),
            folder: folder.unwrap_or(Path::new("")).to_owned(),
            dependencies: needed,
        };
        found.insert(identity, shipped);
    }
    match wanted.iter().find(|identity| !found.contains_key(identity)) {
        Some((name, version)) => Err(format!("cargo metadata does not list {name} {version}")),
        None => Ok(found.into_values().collect()),
    }
}

/// What each crate depends on when it runs.
fn dependencies(metadata: &Json, by_id: &BTreeMap<&str, Identity>) -> BTreeMap<Identity, BTreeSet<Identity>> {
    let nodes = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    let named = |id: &Json| by_id.get(id.as_str()?).cloned();
    let is_normal = |dependency: &&Json| {
        let mut kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
        kinds.any(|kind| kind["kind"].is_null())
    };
    let node = |node: &Json| {
        let all = node["deps"].as_array().into_iter().flatten();
        let normal = all.filter(is_normal).filter_map(|dependency| named(&dependency["pkg"]));
        Some((named(&node["id"])?, normal.collect()))
    };
    nodes.filter_map(node).collect()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    #[test]
    fn a_plugin_is_built_from_its_dependencies_at_run_time_only() {
        let found = crates(root(), &["console-sink".to_owned()]).unwrap();
        let names: BTreeSet<&str> = found.iter().map(|shipped| shipped.name.as_str()).collect();
        for name in ["console-sink", "tidegate-plugin", "abi_stable", "serde"] {
            assert!(names.contains(name), "{name} is missing in {names:?}");
        }
        // A procedural macro, a development dependency, and a dependency of the host.
        for name in ["serde_derive", "tempfile", "rdkafka"] {
            assert!(!names.contains(name), "{name} is not in the plugin");
        }
        let own = found.iter().find(|shipped| shipped.name == "console-sink").unwrap();
        assert!(own.is_own());
        assert!(own.dependencies.iter().any(|(name, _)| name == "tidegate-plugin"), "{own:?}");
        let serde = found.iter().find(|shipped| shipped.name == "serde").unwrap();
        assert_eq!(serde.checksum.as_ref().map(String::len), Some(64));
        assert_eq!(serde.license, "MIT OR Apache-2.0");
        assert!(serde.folder.join("Cargo.toml").is_file(), "{serde:?}");
    }

    #[test]
    fn a_package_that_does_not_exist_is_an_error() {
        let error = crates(root(), &["no-such-package".to_owned()]).unwrap_err();
        assert!(error.starts_with("cargo tree: ") && error.contains("no-such-package"), "{error}");
    }

    #[test]
    fn the_old_way_to_write_alternatives_is_replaced() {
        let wanted = [("a".to_owned(), "1.0.0".to_owned())].into();
        let metadata = |license: &str| serde_json::json!({"packages": [{"id": "a", "name": "a", "version": "1.0.0", "license": license, "manifest_path": "/a/Cargo.toml"}]});
        for license in ["MIT/Apache-2.0", "MIT / Apache-2.0"] {
            let found = select(&wanted, &metadata(license), &BTreeMap::new()).unwrap();
            assert_eq!(found[0].license, "MIT OR Apache-2.0");
        }
        let error = select(&wanted, &metadata(""), &BTreeMap::new()).unwrap_err();
        assert_eq!(error, "a 1.0.0 states no licence");
    }
}
