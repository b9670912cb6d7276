//! Notices changes of files: the system reports them for folders, and all files are looked at every second as well, because
//! network file systems and some links report nothing.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, sleep_until},
};

/// How often all files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Says when to look at files.
pub(super) struct Watch {
    timer: Interval,
    events: mpsc::Receiver<()>,
    /// `None` if the system cannot report changes.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    look_again: Option<Instant>,
}

impl Watch {
    pub(super) fn new() -> Self {
        let (send, events) = mpsc::channel(1);
        let on_event = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !is_change(event.kind)) {
                return;
            }
            // If one is waiting already, that is enough.
            let _known = send.try_send(()).is_err();
        };
        let watcher = notify::recommended_watcher(on_event)
            .inspect_err(
                |error| tracing::debug!(%error, "changes of files are not reported, only looked for"),
            )
            .ok();
        let mut timer = tokio::time::interval(INTERVAL);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { timer, events, watcher, watched: BTreeSet::new(), look_again: None }
    }

    /// Watches these folders from now on.
    pub(super) fn set_folders(&mut self, folders: BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.watched.difference(&folders) {
            // It may have been deleted.
            let _gone = watcher.unwatch(gone).is_err();
        }
        let mut watched = BTreeSet::new();
        for folder in folders {
            if self.watched.contains(&folder) || watch(watcher, &folder) {
                watched.insert(folder);
            }
        }
        self.watched = watched;
    }

    /// Looks again at this time, or when the next change is reported.
    pub(super) fn look_again_at(&mut self, at: Option<std::time::Instant>) {
        self.look_again = at.map(Into::into);
    }

    /// Waits until files are to be looked at.
    pub(super) async fn due(&mut self) {
        let look_again = self.look_again;
        let due = async {
            match look_again {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.timer.tick() => {}
            Some(()) = self.events.recv() => {}
            () = due => {}
        }
    }
}

/// Whether it may be a change. That files are opened and read is reported, too, and the host does so whenever it looks at them:
/// each look would lead to the next one.
const fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => matches!(access, AccessKind::Close(AccessMode::Write)),
        _ => true,
    }
}

/// A folder that cannot be watched, because it does not exist, is tried again later.
fn watch(watcher: &mut RecommendedWatcher, folder: &Path) -> bool {
    watcher
        .watch(folder, RecursiveMode::NonRecursive)
        .inspect_err(|error| tracing::debug!(%error, "{} is only looked at", folder.display()))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    #[tokio::test]
    async fn changes_are_reported_and_looks_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "a").unwrap();
        let mut watch = Watch::new();
        watch.set_folders(BTreeSet::from([folder.path().to_owned()]));
        assert!(!watch.watched.is_empty(), "the system reports changes");
        for _ in 0..100 {
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
            assert_eq!(fs::read_to_string(&file).unwrap(), "a");
        }
        // Long enough for a report of them, if there was one.
        thread::sleep(Duration::from_millis(300));
        assert!(watch.events.try_recv().is_err(), "reading is reported as a change");
        fs::write(&file, "b").unwrap();
        watch.events.recv().await.unwrap();
    }
}
