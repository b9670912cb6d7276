//! Loading a library: libloading maps it, abi_stable checks its layout, and it is never unloaded.
#![expect(unsafe_code, reason = "calling into a dynamic library is unsafe; this is where it starts")]

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use tidegate_abi::{
    abi_stable::{
        StableAbi,
        abi_stability::check_layout_compatibility,
        library::{AbiHeaderRef, LibHeader, LibraryError, ROOT_MODULE_LOADER_NAME_WITH_NUL},
    },
    raw::PluginModuleRef,
};

use super::{context, error::PluginError};

/// Libraries that are mapped, by path. They are never unloaded: vtables, threads and thread-locals point into them.
static LOADED: LazyLock<Mutex<HashMap<PathBuf, Loaded>>> = LazyLock::new(Mutex::default);

/// A library that is mapped.
struct Loaded {
    module: PluginModuleRef,
    /// The file in the plugin folder that it is a copy of.
    origin: PathBuf,
}

/// Whether a process may have several copies of a library, which was replaced while it was in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copies {
    One,
    Any,
}

/// Loads the library at `path`, or finds it loaded. `origin` is its path in errors.
pub(super) fn load(path: &Path, origin: &Path, copies: Copies) -> Result<PluginModuleRef, PluginError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = loaded.get(path) {
        return Ok(known.module);
    }
    if copies == Copies::One && loaded.values().any(|other| other.origin == origin) {
        return Err(PluginError::OtherCopy { path: origin.to_owned() });
    }
    let module = check(map(path, origin)?, origin)?;
    (module.init())(context::library_handle());
    loaded.insert(path.to_owned(), Loaded { module, origin: origin.to_owned() });
    Ok(module)
}

/// Whether the library at `path` is loaded.
pub(super) fn is_loaded(path: &Path) -> bool {
    LOADED.lock().unwrap_or_else(PoisonError::into_inner).contains_key(path)
}

fn map(path: &Path, origin: &Path) -> Result<AbiHeaderRef, PluginError> {
    // SAFETY: constructors of the library run here. The store has probed them in a child process before.
    // RTLD_NOW makes a missing symbol an error here rather than a crash later.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| PluginError::Load { path: origin.to_owned(), reason: error.to_string() })?;
    // SAFETY: a symbol of this name is an abi_stable header, which begins with a magic number that `upgrade` checks.
    let header = unsafe { library.get::<AbiHeaderRef>(ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes()) }
        .map(|symbol| *symbol)
        .map_err(|_| PluginError::NoEntry { path: origin.to_owned() });
    #[expect(clippy::mem_forget, reason = "a library is never unloaded: see LOADED")]
    std::mem::forget(library);
    header
}

/// Checks that the library's interface and the host's are the same, or that one is a prefix of the other.
fn check(header: AbiHeaderRef, origin: &Path) -> Result<PluginModuleRef, PluginError> {
    let differs = |reason| PluginError::Interface { path: origin.to_owned(), reason };
    let mismatch = |error: LibraryError| differs(summary(&error.to_string(), None));
    let header: &'static LibHeader = header.upgrade().map_err(mismatch)?;
    let newer_or_same = match header.init_root_module::<PluginModuleRef>() {
        Ok(module) => return Ok(module),
        Err(error) => error,
    };
    // abi_stable accepts a plugin that is newer than the host, but not an older one. The same check with the roles
    // reversed shows that an older plugin's interface is a prefix of the host's.
    let Some(theirs) = header.layout() else { return Err(mismatch(newer_or_same)) };
    let older = check_layout_compatibility(theirs, <PluginModuleRef as StableAbi>::LAYOUT).into_result();
    if let Err(error) = older {
        return Err(differs(summary(&newer_or_same.to_string(), Some(&error.to_string()))));
    }
    // SAFETY: just checked; accessors of prefix types test at run time whether a later field is there.
    unsafe { header.init_root_module_with_unchecked_layout() }.map_err(mismatch)
}

/// The first relevant difference from abi_stable's report, which can have fifty kilobytes: `AbiError: incompatible type
/// size, expected 64, found 56`. A difference in a type of the interface comes before one in a type of abi_stable. Of
/// the checks in both directions, the one with fewer errors is used: the other one also lists what the newer side has
/// added.
fn summary(report: &str, other_way_round: Option<&str>) -> String {
    tracing::debug!(report, other_way_round, "plugin interface mismatch");
    let mut differences = differences(report, false);
    if let Some(report) = other_way_round {
        let others = self::differences(report, true);
        if !others.is_empty() && others.len() < differences.len() {
            differences = others;
        }
    }
    let ours = differences.iter().find(|difference| difference.is_ours);
    let telling = ours.or(differences.first()).map(|difference| difference.text.clone());
    telling.unwrap_or_else(|| report.lines().next().unwrap_or("layouts differ").trim().to_owned())
}

struct Difference {
    text: String,
    is_ours: bool,
}

/// Every error of a report, with the type whose layout was printed before it. In a `reversed` one, what is expected
/// is what was found.
fn differences(report: &str, reversed: bool) -> Vec<Difference> {
    let mut differences = Vec::new();
    let (mut kind, mut is_ours) = ("", false);
    let mut lines = report.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line == "--- Type Layout ---" {
            kind = lines.next().and_then(|line| line.strip_prefix("type:")).unwrap_or_default();
            is_ours = lines.nth(1).is_some_and(|line| line.starts_with("package:'tidegate-abi'"));
        }
        let Some(error) = line.strip_prefix("Error:") else { continue };
        let values: Vec<&str> = lines.by_ref().take(4).collect();
        let text = match values[..] {
            ["Expected:", expected, "Found:", found] => {
                let (expected, found) = if reversed { (found, expected) } else { (expected, found) };
                format!("{kind}: {error}, expected {expected}, found {found}")
            }
            _ => format!("{kind}: {error}"),
        };
        differences.push(Difference { text, is_ours });
    }
    differences
}
