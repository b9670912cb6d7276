//! Plugins that were built against the interface as it was frozen, or against one that is a little or much different.

use std::{fs, path::PathBuf};

use tidegate_tests::{Broker, Finished, Home, Outside, root};

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

/// Replaces one text in one file; a text that is not there (any more) fails the test.
fn replace(file: &'static str, old: &'static str, new: &'static str) -> impl Fn(&str, String) -> String {
    move |path, text| {
        if path != file {
            return text;
        }
        assert!(text.contains(old), "{file} has no {old:?}");
        text.replace(old, new)
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

fn assert_works(library: PathBuf) {
    let events = [event(r#"{"id":1}"#), "5".to_owned(), event(r#"{"name":"x"}"#), event(r#"{"id":2}"#)];
    let broker = Broker::with_events(events);
    let home = Home::new(&[]);
    home.add_library(&library);
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

fn refused(library: PathBuf) -> Finished {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["misbehaving"]);
    home.add_library(&library);
    let recording = home.recorder("a", "", "");
    let finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), [0]);
    finished
}

#[test]
fn plugins_of_the_first_interface_are_loaded_and_run() {
    assert_works(build("frozen", "1.0.0", |_, text| text));
}

#[test]
fn plugins_of_a_newer_interface_are_loaded_and_run() {
    assert_works(build(
        "frozen-newer",
        "1.1.0",
        replace(
            "abi/src/raw/host.rs",
            "    pub should_stop: extern \"C\" fn(ctx: *const ()) -> bool,\n",
            "    pub should_stop: extern \"C\" fn(ctx: *const ()) -> bool,\n    /// New.\n    \
             pub brand_new: extern \"C\" fn(ctx: *const ()) -> bool,\n",
        ),
    ));
}

#[test]
fn plugins_of_another_interface_are_refused_with_the_reason() {
    let library = build("frozen-other", "1.0.1", |path, text| {
        let text =
            replace("abi/src/raw/error.rs", "pub retry_after_ms: u64", "pub retry_after_ms: u32")(path, text);
        replace("sdk/src/error.rs", "delay.as_millis() as u64", "delay.as_millis() as u32")(path, text)
    });
    let finished = refused(library);
    let line = finished.expect_log("was built against another plugin interface");
    assert!(
        line.contains("libfrozen_other")
            && line.contains(" WARN ")
            && line.contains("rebuild it with tidegate-plugin 1.x"),
        "{line}"
    );
}
