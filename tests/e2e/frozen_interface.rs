//! Plugins that were built against the frozen copy of the interface, or against a slightly or incompatibly changed one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tidegate_tests::{Broker, ExternalProject, Home, root};

/// Builds the plugin with the frozen sources, changed by `edit`, which gets path and text. Version of the interface and
/// name of the plugin differ, so that cargo keeps the builds apart in the shared target folder.
fn build(name: &str, version: &str, edit: impl Fn(&str, String) -> String) -> PathBuf {
    let named = |path: &str, text: String| match path {
        "abi/Cargo.toml" => text.replace("version = \"1.0.0\"", &format!("version = \"{version}\"")),
        "plugin/Cargo.toml" => text.replace("name = \"frozen\"", &format!("name = \"{name}\"")),
        _ => edit(path, text),
    };
    ExternalProject::copy(name, &root().join("tests/fixtures/frozen-v1"), named).library(name)
}

/// File, old text, new text.
type Edit = (&'static str, &'static str, &'static str);

/// Applies edits. Fails if a text is missing.
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
    finished.expect_log("record skipped: offset 1 is not a change event");
    finished.expect_log("record skipped: a row without an id");
    finished.expect_log("marked table=t operation=INSERT");
    assert_eq!(fs::read_to_string(home.path("lines.next")).expect("an offset"), "4");
}

/// Whether the plugin checks its options in `validate`, and fails for good when it is opened with invalid ones.
fn assert_checks(library: &Path, in_validate: bool) {
    let home = Home::new(&[]);
    home.add_library(library);
    home.connector("a", &CONNECTOR.replace("mark = \"kept\"", "mark = \"\""));
    let error = "connectors.d/a.toml:8:1: transforms[0].config.mark: is empty";
    let finished = home.run(&["validate"]).expect_code(if in_validate { 1 } else { 0 });
    assert_eq!(finished.stdout.lines().any(|line| line == error), in_validate, "{}", finished.stdout);
    if !in_validate {
        let finished = home.run_until_failed(&Broker::with_events(["{}"]), &[]);
        finished.expect_log("task failed permanently: opening transform \"frozen-transform\": frozen-transform: mark: is empty");
    }
}

#[test]
fn plugins_of_the_first_interface_are_loaded_and_run() {
    let library = build("frozen", "1.0.0", edited(&[]));
    assert_works(&library);
    assert_checks(&library, true);
}

#[test]
fn plugins_of_a_newer_interface_are_loaded_and_run() {
    // The fields that the interface has got since it was frozen, and one that no host has yet.
    const NEWER: [Edit; 9] = [
        (
            "abi/src/raw/host.rs",
            "    pub should_stop: extern \"C\" fn(ctx: *const ()) -> bool,\n",
            "    pub should_stop: extern \"C\" fn(ctx: *const ()) -> bool,\n    \
             /// New.\n    #[sabi(missing_field(option))]\n    pub progress: extern \"C\" fn(ctx: *const ()),\n    \
             /// New.\n    pub brand_new: extern \"C\" fn(ctx: *const ()) -> bool,\n",
        ),
        (
            "abi/src/raw/plugin.rs",
            "    pub check_config: extern \"C\" fn(config: &Node) -> RVec<ConfigError>,\n",
            "    pub check_config: extern \"C\" fn(config: &Node) -> RVec<ConfigError>,\n    \
             /// New.\n    #[sabi(missing_field(option))]\n    pub durable_on_flush: bool,\n    \
             /// New.\n    #[sabi(missing_field(option))]\n    pub flush_defaults: FlushDefaults,\n    \
             /// New.\n    #[sabi(missing_field(option))]\n    pub stores_offsets: bool,\n    \
             /// New.\n    #[sabi(missing_field(option))]\n    pub one_copy_per_process: bool,\n",
        ),
        (
            "abi/src/raw/plugin.rs",
            "/// Arguments for opening a plugin.",
            "/// New.\n#[repr(C)]\n#[derive(StableAbi, Clone, Copy, Default)]\npub struct FlushDefaults {\n    \
             /// New.\n    pub max_records: u64,\n    /// New.\n    pub max_bytes: u64,\n    \
             /// New.\n    pub max_wait_ms: u64,\n    /// Zero.\n    pub reserved: [u64; 5],\n}\n\n\
             /// Arguments for opening a plugin.",
        ),
        (
            "abi/src/raw/mod.rs",
            "    BatchDefaults, OpenContext,",
            "    BatchDefaults, FlushDefaults, OpenContext,",
        ),
        (
            "abi/src/raw/sink.rs",
            "    pub rows: extern \"C\" fn(ctx: *mut (), rows: &TableRows<'_>),\n",
            "    pub rows: extern \"C\" fn(ctx: *mut (), rows: &TableRows<'_>),\n    /// New.\n    \
             #[sabi(missing_field(option))]\n    pub reject_at:\n        \
             extern \"C\" fn(ctx: *mut (), partition: &PartitionView<'_>, offset: i64, reason: RStr<'_>),\n",
        ),
        (
            "abi/src/raw/sink.rs",
            "        partitions: RSlice<'_, PartitionView<'_>>,\n    ) -> RResult<(), AbiError>,\n}\n",
            "        partitions: RSlice<'_, PartitionView<'_>>,\n    ) -> RResult<(), AbiError>,\n    /// New.\n    \
             #[sabi(missing_field(option))]\n    pub flush_reporting: unsafe extern \"C\" fn(\n        \
             instance: *mut (),\n        report: &ReportHandle,\n    ) -> RResult<(), AbiError>,\n}\n",
        ),
        (
            "abi/src/object.rs",
            "fn transform_vtable<T",
            "unsafe extern \"C\" fn sink_flush_reporting(_: *mut (), _: &ReportHandle) -> RResult<(), AbiError> {\n    \
             RResult::ROk(())\n}\n\nfn transform_vtable<T",
        ),
        (
            "sdk/src/export.rs",
            "        check_config: check_nothing,\n",
            "        check_config: check_nothing,\n        durable_on_flush: false,\n        \
             flush_defaults: tidegate_abi::raw::FlushDefaults::default(),\n        stores_offsets: false,\n        \
             one_copy_per_process: false,\n",
        ),
        (
            "abi/src/object.rs",
            "        reset_offsets: sink_reset_offsets::<T>,\n",
            "        reset_offsets: sink_reset_offsets::<T>,\n        flush_reporting: sink_flush_reporting,\n",
        ),
    ];
    assert_works(&build("frozen-newer", "1.1.0", edited(&NEWER)));
}

#[test]
fn plugins_of_an_older_interface_are_loaded_and_run() {
    // Without the optional trailing fields of vtables, modules and tables.
    const OLDER: [Edit; 20] = [
        (
            "abi/src/raw/plugin.rs",
            "    /// Checks a configuration, a struct, without opening anything. Returns all errors. Missing in older plugins.\n    \
             #[sabi(missing_field(option))]\n    pub check_config: extern \"C\" fn(config: &Node) -> RVec<ConfigError>,\n",
            "",
        ),
        ("sdk/src/export.rs", "        check_config: check_transform::<T>,\n", ""),
        ("sdk/src/export.rs", "        check_config: check_sink::<T>,\n", ""),
        ("sdk/src/export.rs", "        check_config: check_nothing,\n", ""),
        (
            "abi/src/raw/plugin.rs",
            "    /// Whether the plugin reads decoded keys and values. Missing in older plugins, which do. If no stage of a task \
             reads\n    /// values, nothing is decoded.\n    #[sabi(missing_field(option))]\n    pub reads_values: bool,\n",
            "",
        ),
        (
            "abi/src/raw/plugin.rs",
            "    /// Whether a sink writes partitions independently: writes of one partition may fail while others succeed. \
             Missing in\n    /// older plugins, which do not.\n    #[sabi(missing_field(option))]\n    \
             pub isolates_partitions: bool,\n",
            "",
        ),
        ("sdk/src/export.rs", "        reads_values,\n", ""),
        ("sdk/src/export.rs", "        reads_values: true,\n", ""),
        ("sdk/src/export.rs", "        isolates_partitions: T::ISOLATES_PARTITIONS,\n", ""),
        ("sdk/src/export.rs", "        isolates_partitions: false,\n", ""),
        ("sdk/src/export.rs", "    let reads_values = T::READS_VALUES;\n", ""),
        (
            "sdk/src/export.rs",
            "let (description, reads_values) = (T::DESCRIPTION, T::READS_VALUES);",
            "let description = T::DESCRIPTION;",
        ),
        (
            "abi/src/raw/sink.rs",
            "    /// Deletes the stored offsets of these claimed partitions, because their logs no longer exist. Missing in older \
             plugins.\n    #[sabi(missing_field(option))]\n    pub reset_offsets: unsafe extern \"C\" fn(\n        \
             instance: *mut (),\n        partitions: RSlice<'_, PartitionView<'_>>,\n    ) -> RResult<(), AbiError>,\n",
            "",
        ),
        ("abi/src/object.rs", "        reset_offsets: sink_reset_offsets::<T>,\n", ""),
        (
            "abi/src/raw/batch.rs",
            "    /// State of the host as of `next_offset`. A sink that stores offsets stores it with them, unchanged, and \
             returns it\n    /// from its next claim. Absent if there is no state.\n    pub state: Bytes,\n",
            "",
        ),
        (
            "abi/src/batch.rs",
            "                let has_state = view.position_size as usize >= size_of::<PositionView>();\n                \
             let state = if has_state { (*position).state.get() } else { None };\n",
            "                let state: Option<&[u8]> = None;\n",
        ),
        (
            "abi/src/raw/change.rs",
            "    /// Generation of the source's log that `position` belongs to. Positions are compared only within one \
             generation; a\n    /// later generation is newer. Only the host sets it; a value that a transform returns is \
             ignored.\n    pub log_generation: u64,\n",
            "",
        ),
        ("abi/src/raw/change.rs", "std::mem::offset_of!(Self, log_generation)", "size_of::<Self>()"),
        (
            "abi/src/change.rs",
            "        let end = std::mem::offset_of!(ChangeView, log_generation) + size_of::<u64>();\n        \
             if self.view.size as usize >= end { self.view.log_generation } else { 0 }\n",
            "        0\n",
        ),
        ("abi/src/change.rs", "            log_generation: self.log_generation,\n", ""),
    ];
    let library = build("frozen-older", "1.0.2", edited(&OLDER));
    assert_works(&library);
    assert_checks(&library, false);
}

#[test]
fn plugins_of_an_incompatible_interface_are_rejected_with_the_reason() {
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
