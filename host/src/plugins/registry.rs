//! The plugins that were found, by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tidegate_abi::raw;

use super::{
    error::PluginError,
    library,
    load::{self, Copies},
    manifest::{LibraryManifest, PluginKind, PluginManifest},
    probe::Prober,
    store::{Store, Stored},
};

/// All plugins that connectors can use.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    plugins: BTreeMap<String, Plugin>,
    /// Plugins of libraries that were replaced, of which this process may have only the copy that it has loaded.
    loaded: BTreeMap<String, Plugin>,
    folders: Vec<PathBuf>,
}

/// A plugin that was found. Its serialised form has the path of the copy and the manifest, so that a child process can
/// use it without discovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    stored: Stored,
    library: LibraryVersion,
    /// Its description.
    pub manifest: PluginManifest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LibraryVersion {
    version: String,
    build: String,
}

/// The plugins found, and the errors of other libraries.
#[derive(Debug, Default)]
pub struct Discovered {
    /// The usable plugins.
    pub registry: Registry,
    /// Why other libraries cannot be used. They do not affect the usable ones.
    pub problems: Vec<PluginError>,
    /// The files of libraries that cannot be used.
    unusable: Vec<PathBuf>,
}

impl Registry {
    /// Finds the libraries in `folders` and describes the plugins in them. Where two export the same name, the earlier
    /// folder wins.
    ///
    /// # Errors
    /// When the store under `state_dir` cannot be used. A library that cannot be used is a problem in the result.
    pub fn discover(
        folders: &[PathBuf],
        state_dir: &Path,
        prober: &Prober,
    ) -> Result<Discovered, PluginError> {
        Ok(Self::find(folders, Store::open(state_dir)?, prober))
    }

    /// As [`Registry::discover`], but writes nothing. The plugins are only to be described and checked, not opened: their
    /// libraries are used where they are, unless the store has a copy.
    ///
    /// # Errors
    /// When the path of the store cannot be determined.
    pub fn inspect(
        folders: &[PathBuf],
        state_dir: &Path,
        prober: &Prober,
    ) -> Result<Discovered, PluginError> {
        Ok(Self::find(folders, Store::read_only(state_dir)?, prober))
    }

    fn find(folders: &[PathBuf], mut store: Store, prober: &Prober) -> Discovered {
        let mut found = Discovered::default();
        found.registry.folders = folders.to_vec();
        for folder in folders {
            let libraries = match library::find(folder) {
                Ok(libraries) => libraries,
                Err(problem) => {
                    found.problems.push(problem);
                    continue;
                }
            };
            for origin in libraries {
                match describe(&mut store, &origin, prober) {
                    Ok((stored, manifest)) => found.add(&stored, manifest),
                    Err(problem) => {
                        found.problems.push(problem);
                        found.unusable.push(origin);
                    }
                }
            }
        }
        store.save_index();
        found
    }

    /// The plugin called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Plugin> {
        self.plugins.get(name)
    }

    /// The plugin of this name that connectors in the host's process use: from the copy of its library that is loaded, if there may
    /// be no other one.
    #[must_use]
    pub fn in_this_process<'r>(&'r self, plugin: &'r Plugin) -> &'r Plugin {
        self.loaded.get(&plugin.manifest.name).unwrap_or(plugin)
    }

    /// All plugins, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.values()
    }

    /// The folders that were searched.
    #[must_use]
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The plugin called `name`, which must be of kind `wanted`.
    ///
    /// # Errors
    /// When there is no such plugin, or it is of the other kind.
    pub fn expect(&self, name: &str, wanted: PluginKind) -> Result<&Plugin, PluginError> {
        let Some(plugin) = self.get(name) else {
            return Err(self.unknown(name));
        };
        let actual = plugin.manifest.kind;
        if actual != wanted {
            let (actual, wanted) = (actual.name(), wanted.name());
            return Err(PluginError::WrongKind { name: name.to_owned(), actual, wanted });
        }
        Ok(plugin)
    }
}

impl Registry {
    /// The error for a name that no plugin has: which plugins there are, and where they were looked for.
    #[must_use]
    pub fn unknown(&self, name: &str) -> PluginError {
        let known: Vec<&str> = self.plugins.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let folders: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        PluginError::Unknown { name: name.to_owned(), known, folders: folders.join(", ") }
    }
}

impl Discovered {
    /// Keeps the plugins that libraries had in `before` that cannot be used any more, because their files were overwritten: the
    /// store has copies of them.
    pub fn keep_usable(&mut self, before: &Registry) {
        for (name, plugin) in &before.plugins {
            if self.unusable.iter().any(|file| file == plugin.origin()) {
                self.registry.plugins.entry(name.clone()).or_insert_with(|| plugin.clone());
            }
        }
    }

    /// Keeps the plugins of `before` of whose libraries this process may have only one copy, and has loaded one. Returns the files of
    /// the libraries that were replaced since.
    pub fn keep_loaded(&mut self, before: &Registry) -> BTreeSet<PathBuf> {
        let Registry { plugins, loaded, .. } = &mut self.registry;
        let mut replaced = BTreeSet::new();
        for (name, new) in plugins {
            let last = before.plugins.get(name);
            let known = before.loaded.get(name).or(last);
            let Some(known) = known.filter(|known| known.excludes(new) && load::is_loaded(known.copy()))
            else {
                continue;
            };
            loaded.insert(name.clone(), known.clone());
            if last.is_some_and(|last| last.copy() != new.copy()) {
                replaced.insert(new.origin().to_owned());
            }
        }
        replaced
    }

    fn add(&mut self, stored: &Stored, manifest: LibraryManifest) {
        let library = LibraryVersion { version: manifest.version, build: manifest.build };
        for manifest in manifest.plugins {
            if let Some(first) = self.registry.plugins.get(&manifest.name) {
                // The same build in two folders is not a conflict.
                if first.stored.copy != stored.copy {
                    self.problems.push(PluginError::Duplicate {
                        name: manifest.name,
                        first: first.stored.origin.clone(),
                        second: stored.origin.clone(),
                    });
                }
                continue;
            }
            let plugin = Plugin { stored: stored.clone(), library: library.clone(), manifest };
            self.registry.plugins.insert(plugin.manifest.name.clone(), plugin);
        }
    }
}

impl Plugin {
    /// The library's file.
    #[must_use]
    pub fn origin(&self) -> &Path {
        &self.stored.origin
    }

    /// The copy of the library in the state folder, which is the one that is loaded. Its name depends on its content.
    #[must_use]
    pub fn copy(&self) -> &Path {
        &self.stored.copy
    }

    /// The library's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.library.version
    }

    /// The compiler that built the library.
    #[must_use]
    pub fn build(&self) -> &str {
        &self.library.build
    }

    /// Whether a process that has loaded the library of this plugin must not load that of `new`.
    fn excludes(&self, new: &Self) -> bool {
        let is_exclusive = self.manifest.one_copy_per_process || new.manifest.one_copy_per_process;
        is_exclusive && self.copy() != new.copy()
    }

    /// The plugin's entry, its library loaded.
    pub(super) fn entry(&self) -> Result<raw::PluginEntryRef, PluginError> {
        self.entry_of(if self.manifest.one_copy_per_process { Copies::One } else { Copies::Any })
    }

    /// The plugin's entry for a process that opens no plugin, and so may have any copies.
    pub(super) fn entry_to_check(&self) -> Result<raw::PluginEntryRef, PluginError> {
        self.entry_of(Copies::Any)
    }

    fn entry_of(&self, copies: Copies) -> Result<raw::PluginEntryRef, PluginError> {
        let module = load::load(&self.stored.copy, &self.stored.origin, copies)?;
        let entries = (module.plugins())();
        let entry = entries.iter().find(|entry| entry.name().as_str() == self.manifest.name);
        entry.copied().ok_or_else(|| PluginError::NoEntry { path: self.stored.origin.clone() })
    }
}

fn describe(
    store: &mut Store,
    origin: &Path,
    prober: &Prober,
) -> Result<(Stored, LibraryManifest), PluginError> {
    let stored = store.add(origin)?;
    if let Some(manifest) = store.manifest(&stored) {
        return Ok((stored, manifest));
    }
    let manifest = prober.probe(&stored.copy, origin)?;
    store.remember(&stored, &manifest)?;
    Ok((stored, manifest))
}
