//! Plugins that were built against the interface as it was frozen, or against one that is a little or much different.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tidegate_tests::{Broker, Home, Outside, root};

/// The plugin on the frozen sources, changed by `edit`, which gets path and text. `version` is that of the interface, and
/// `name` that of the plugin: cargo tells builds in one target folder apart by these.
fn build(name: &str, version: &str, edit: impl Fn(&str, String) -> String) -> PathBuf {
    let named = |path: &str, text: String| match path {
        "abi/Cargo.toml" => text.replace("version = \"1.0.0\"", &format!("version = \"{version}\"")),
        "plugin/Cargo.toml" => text.replace("name = \"frozen\"", &format!("name = \"{name}\"")),
        _ => edit(path, text),
    };
    Outside::copy(name, &root().join("tests/fixtures/frozen-v1"), named).library(name)
}

/// One text in one file, and what it becomes.
type Edit = (&'static str, &'static str, &'static str);

/// Makes these edits; a text that is not there fails the test.
fn edited(edits: &[Edit]) -> impl Fn(&str, String) -> String {
    move |path, text| {
        edits.iter().filter(|(file, ..)| *file == path).fold(text, |text, (file, old, new)| {
            assert!(text.contains(old), "{file} has no {old:?}");
            text.replace(old, new)
        })
    }
}

fn event(after: &str) -> String {
    format!(r#"{{"op":"c","before":null,"after":{after},"table":"t","ts_ms":1,"lsn":2}}"#)
}

const CONNECTOR: &str = r#"
[source]
topics = ["events"]

[[transforms]]
plugin = "frozen-transform"
[transforms.config]
mark = "kept"
secret = "quiet"

[sink]
plugin = "frozen-sink"
[sink.config]
path = "@lines"

[errors]
tolerance = "all"
on_reject = "drop"
"#;

fn assert_works(library: &Path) {
    let events = [event(r#"{"id":1}"#), "5".to_owned(), event(r#"{"name":"x"}"#), event(r#"{"id":2}"#)];
    let broker = Broker::with_events(events);
    let home = Home::new(&[]);
    home.add_library(library);
    home.connector("a", CONNECTOR);
    let finished = home.run_once(&broker).expect_code(0);
    let lines = fs::read_to_string(home.path("lines")).expect("lines");
    let rows: Vec<&str> = lines.lines().filter_map(|line| line.split("\"after\":").nth(1)).collect();
    assert_eq!(rows, [r#"{"id":1,"mark":"kept"}}"#, r#"{"id":2,"mark":"kept"}}"#], "{}", finished.stderr);
    finished.expect_log("record skipped: offset 1 is no change event");
    finished.expect_log("record skipped: a row without an id");
    finished.expect_log("marked table=t operation=INSERT");
    assert_eq!(fs::read_to_string(home.path("lines.next")).expect("an offset"), "4");
}

#[test]
fn plugins_of_the_first_interface_are_loaded_and_run() {
    assert_works(&build("frozen", "1.0.0", edited(&[])));
}

#[test]
fn plugins_of_a_newer_interface_are_loaded_and_run() {
    // What was appended since, and something that no host has yet.
    const NEWER: [Edit; 5] = [
        (
            "abi/src/raw/plugin.rs",
            "    pub reads_values: bool,\n",
            "    pub reads_values: bool,\n    /// Appended.\n    #[sabi(missing_field(option))]\n    \
             pub partitions_apart: bool,\n",
        ),
        (
            "sdk/src/export.rs",
            "        reads_values: true,\n",
            "        reads_values: true,\n        partitions_apart: false,\n",
        ),
        (
            "abi/src/raw/sink.rs",
            "    pub drop: unsafe extern \"C\" fn(instance: *mut ()),\n",
            "    pub drop: unsafe extern \"C\" fn(instance: *mut ()),\n    /// Appended.\n    \
             #[sabi(missing_field(option))]\n    pub start_over: unsafe extern \"C\" fn(instance: *mut (), \
             partitions: RSlice<'_, PartitionView<'_>>) -> RResult<(), AbiError>,\n",
        ),
        (
            "abi/src/object.rs",
            "        close: sink_close::<T>,\n",
            "        close: sink_close::<T>,\n        start_over: sink_release::<T>,\n",
        ),
        (
            "abi/src/raw/host.rs",
            "    pub should_stop: extern \"C\" fn(ctx: *const ()) -> bool,\n",
            "    pub should_stop: extern \"C\" fn(ctx: *const ()) -> bool,\n    /// New.\n    \
             pub brand_new: extern \"C\" fn(ctx: *const ()) -> bool,\n",
        ),
    ];
    assert_works(&build("frozen-newer", "1.1.0", edited(&NEWER)));
}

#[test]
fn plugins_of_an_older_interface_are_loaded_and_run() {
    // What was appended last is not there yet.
    const OLDER: [Edit; 4] = [
        (
            "abi/src/raw/plugin.rs",
            "    /// Whether it looks at decoded keys and values; an older plugin, which does not say, does. Where no stage of \
             a task\n    /// does, nothing is decoded.\n    #[sabi(missing_field(option))]\n    pub reads_values: bool,\n",
            "",
        ),
        ("sdk/src/export.rs", "        reads_values,\n", ""),
        ("sdk/src/export.rs", "        reads_values: true,\n", ""),
        (
            "sdk/src/export.rs",
            "let (description, reads_values) = (T::DESCRIPTION, T::READS_VALUES);",
            "let description = T::DESCRIPTION;",
        ),
    ];
    assert_works(&build("frozen-older", "1.0.2", edited(&OLDER)));
}

#[test]
fn plugins_of_another_interface_are_refused_with_the_reason() {
    const OTHER: [Edit; 2] = [
        ("abi/src/raw/error.rs", "pub retry_after_ms: u64", "pub retry_after_ms: u32"),
        ("sdk/src/error.rs", "delay.as_millis() as u64", "delay.as_millis() as u32"),
    ];
    let library = build("frozen-other", "1.0.1", edited(&OTHER));
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["misbehaving"]);
    home.add_library(&library);
    let recording = home.recorder("a", "", "");
    let finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), [0]);
    let line = finished.expect_log("was built against another plugin interface");
    for part in [
        " WARN ",
        "libfrozen_other",
        "(AbiError: incompatible type size, expected 64, found 56)",
        "rebuild it",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
