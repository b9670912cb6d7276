//! What earlier versions have stored is read: the state folder, the journal of the file sink, and the metadata of commits.
//!
//! `tests/data/upgrade` has a folder for each version, which that version wrote. See the README there.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};
use serde_json::{Value as Json, json};
use tidegate_tests::{Broker, Home, Previous, Running, root};

use crate::order::event;

const PLUGINS: [&str; 2] = ["console-sink", "file-sink"];
/// The connectors, each of which has read two events when the version is recorded.
const CONNECTORS: [(&str, &str); 3] = [
    ("committed", "plugin = \"console\""),
    ("stored", "plugin = \"file\"\nconfig = { path = \"@out/events.jsonl\", fsync = false }"),
    ("paused", "plugin = \"console\""),
];
/// What is kept of a home: the connectors as they ran last, and the file sink's files.
const KEPT: [&str; 5] = [
    "state/connectors/committed.json",
    "state/connectors/stored.json",
    "state/connectors/paused.json",
    "out/events.jsonl",
    "out/.tidegate/journal.json",
];
const COMMITS: &str = "commits.json";
/// The state of a partition in the metadata of commits follows this, in base64.
const METADATA: &str = "tidegate-1:";
/// The first byte of a state that begins with the ids of topic and cluster: 16 bytes, and a length with as many bytes.
const WITH_IDS: u8 = 129;

fn data() -> PathBuf {
    root().join("tests/data/upgrade")
}

fn scene() -> (Broker, Home) {
    let home = Home::new(&PLUGINS);
    for (name, sink) in CONNECTORS {
        home.connector(
            name,
            &format!("[source]\ntopics = [\"events\"]\n[sink]\n{sink}\n[batch]\nmax_wait = \"100ms\"\n"),
        );
    }
    (Broker::with_events([event(1, 100), event(2, 200)]), home)
}

fn group(connector: &str) -> String {
    format!("connect-{connector}")
}

/// The state that the metadata of a commit holds.
fn state(metadata: &str) -> Vec<u8> {
    let text = metadata.strip_prefix(METADATA).expect("metadata of a commit");
    BASE64_STANDARD_NO_PAD.decode(text).expect("base64")
}

/// The length of the ids at the beginning of a state, which versions before topic ids do not have.
fn ids_length(state: &[u8]) -> usize {
    if state.first() == Some(&WITH_IDS) { 18 + usize::from(state[17]) } else { 0 }
}

/// The state that a version has recorded, with the ids of this broker's topic in place of those of its broker.
fn with_ids_of(broker: &Broker, recorded: &[u8]) -> Vec<u8> {
    let rest = &recorded[ids_length(recorded)..];
    if rest.len() == recorded.len() {
        return rest.to_owned();
    }
    let home = Home::new(&PLUGINS);
    home.connector("ids", "[source]\ntopics = [\"events\"]\n[sink]\nplugin = \"console\"\n");
    home.run_once(broker).expect_code(0);
    let own = state(&broker.committed_metadata(&group("ids"), "events", 0));
    [&own[..ids_length(&own)], rest].concat()
}

/// Puts what a version has stored into a home and onto a broker. `@` stands for the path of the home.
fn restore(folder: &Path, broker: &Broker, home: &Home) {
    let commits = fs::read_to_string(folder.join(COMMITS)).expect("commits");
    let commits: Json = serde_json::from_str(&commits).expect("JSON");
    let recorded = state(commits["stored"].as_str().expect("the metadata of a commit"));
    let restored = with_ids_of(broker, &recorded);
    let here = home.path("").display().to_string();
    for file in KEPT {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let text = text.replace('@', here.trim_end_matches('/'));
        let path = home.path(file);
        let parent = path.parent().expect("a file is in a folder");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).expect("a new folder");
        home.write(
            file,
            text.replace(&BASE64_STANDARD.encode(&recorded), &BASE64_STANDARD.encode(&restored)),
        );
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of this user");
    }
    let metadata = format!("{METADATA}{}", BASE64_STANDARD_NO_PAD.encode(&restored));
    for (connector, _) in CONNECTORS {
        assert_eq!(state(commits[connector].as_str().expect("metadata")), recorded, "{connector}");
        broker.set_committed_with(&group(connector), &["events"], 2, &metadata);
    }
}

/// The offsets of the lines of the file sink.
fn offsets(home: &Home) -> Vec<i64> {
    let text = fs::read_to_string(home.path("out/events.jsonl")).unwrap_or_default();
    let offset = |line: &str| serde_json::from_str::<Json>(line).ok()?["offset"].as_i64();
    text.lines().filter_map(offset).collect()
}

#[test]
fn what_earlier_versions_have_stored_is_read() {
    let versions =
        fs::read_dir(data()).expect("recorded versions").filter_map(|entry| Some(entry.ok()?.path()));
    let versions: Vec<PathBuf> = versions.filter(|path| path.is_dir()).collect();
    assert!(!versions.is_empty(), "{} has a version", data().display());
    for version in versions {
        let (broker, home) = scene();
        restore(&version, &broker, &home);
        // The source sends both events again, which only the stored order of the events tells.
        broker.send("events", [event(1, 100), event(2, 200), event(3, 300)]);
        let mut running = home.start(&broker);
        home.wait_for_status(&mut running, "paused", |status| status["state"] == "PAUSED");
        for connector in ["committed", "stored"] {
            home.wait_for_status(&mut running, connector, |status| status["counts"]["committed"] == 3);
        }
        let finished = running.terminate().expect_code(0);
        let version = version.display();
        let again = "the source sends events of events-0 again, from offset 2 on";
        assert_eq!(finished.count_log(again), 2, "{version}: {}", finished.stderr);
        assert_eq!(finished.count_log("cannot be read"), 0, "{version}: {}", finished.stderr);
        assert_eq!(offsets(&home), [0, 1, 2, 3, 4], "{version}");
    }
}

/// Writes the folder of the version that the environment names, into `tests/data/upgrade/new`.
#[test]
#[ignore = "writes tests/data/upgrade/new, with a host of another version, which .ci/upgrade builds"]
fn record_what_a_version_stores() {
    let (previous, (broker, home)) = (Previous::find(), scene());
    previous.add_plugins(&home, &PLUGINS);
    let mut running = previous.start_on(&home, broker.servers(), &[]);
    for (connector, _) in CONNECTORS {
        home.wait_for_status(&mut running, connector, |status| status["counts"]["committed"] == 2);
    }
    Running::start(previous.command(&home).args(["pause", "paused"])).finish().expect_code(0);
    home.wait_for_status(&mut running, "paused", |status| status["state"] == "PAUSED");
    running.terminate().expect_code(0);
    let folder = data().join("new");
    for file in KEPT {
        let text = fs::read_to_string(home.path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let text = text.replace(home.path("").to_str().expect("a path of text").trim_end_matches('/'), "@");
        fs::create_dir_all(folder.join(file).parent().expect("a file is in a folder")).expect("a new folder");
        fs::write(folder.join(file), text).expect("a new file");
    }
    let metadata = CONNECTORS.map(|(name, _)| (name, broker.committed_metadata(&group(name), "events", 0)));
    let commits: serde_json::Map<String, Json> =
        metadata.into_iter().map(|(name, metadata)| (name.to_owned(), json!(metadata))).collect();
    let commits = serde_json::to_string_pretty(&commits).expect("JSON");
    fs::write(folder.join(COMMITS), commits + "\n").expect("a new file");
}
