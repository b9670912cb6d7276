//! Which files are read, and that a bad one never stops the others.

use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::whole_file::EVERYTHING;
use super::*;

fn names(loaded: &LoadedConnectors) -> Vec<&str> {
    loaded.valid.iter().map(|connector| connector.name.as_str()).collect()
}

#[test]
fn one_bad_file_never_stops_the_others() {
    let folder = Folder::new().connector("good", MINIMAL).connector("bad", "[[[").connector("z", MINIMAL);
    let folder = folder.file("connectors.d/binary.toml", [b'a', 0xff, 0xfe]);
    let loaded = folder.load();
    assert_eq!(names(&loaded), ["good", "z"]);
    assert_eq!(
        loaded.rejected,
        [folder.path("connectors.d/bad.toml"), folder.path("connectors.d/binary.toml")]
    );
    let lines = folder.lines(&loaded.diagnostics);
    assert!(lines[0].starts_with("connectors.d/bad.toml:1:"), "{lines:?}");
    assert_eq!(
        lines.last().unwrap(),
        "connectors.d/binary.toml: is not valid UTF-8 (first at byte 1): save it as UTF-8"
    );
}

#[test]
fn what_is_no_connector_file_is_left_out() {
    let mut folder = Folder::new().connector("a", MINIMAL);
    for name in
        [".a.toml", "a.toml~", ".a.toml.swp", "#a.toml#", "README.md", "~a.toml", "#b.toml", "a.toml.bak"]
    {
        folder = folder.file(&format!("connectors.d/{name}"), "broken [[[");
    }
    fs::create_dir(folder.path("connectors.d/folder.toml")).unwrap();
    assert_eq!(folder.only().name, "a");
}

#[test]
fn files_that_look_like_connectors_are_never_ignored_silently() {
    let folder = Folder::new().connector("a", MINIMAL).file("connectors.d/B.TOML", MINIMAL);
    symlink("../gone/c.toml", folder.path("connectors.d/c.toml")).unwrap();
    symlink("a.toml", folder.path("connectors.d/linked.toml")).unwrap();
    let loaded = folder.load();
    assert_eq!(names(&loaded), ["a"]);
    assert_eq!(loaded.rejected, [folder.path("connectors.d/c.toml")]);
    assert_eq!(
        folder.lines(&loaded.diagnostics),
        [
            "connectors.d/B.TOML: warning: is not read: rename it so that it ends in .toml, in lower case",
            "connectors.d/c.toml: is a link to ../gone/c.toml, which does not exist: correct the link, or remove it",
        ]
    );
}

#[test]
fn a_folder_without_connector_files_is_an_error_unless_another_has_some() {
    let folder = Folder::new().file("connectors.d/notes.txt", "x");
    let message = "the folder has no connector files: add a file such as orders.toml, or name another folder";
    assert_eq!(folder.findings(), [format!("connectors.d: {message}")]);
    fs::create_dir(folder.path("more")).unwrap();
    let folder = folder.file("more/a.toml", MINIMAL);
    let (host, _) = folder.read_host();
    let paths = ["connectors.d", "more"].map(|name| folder.path(name));
    let loaded = load_connectors(&paths, &host, &Plugins, &Environment::default());
    assert_eq!(names(&loaded), ["a"]);
    assert_eq!(folder.lines(&loaded.diagnostics), [format!("connectors.d: warning: {message}")]);
}

#[test]
fn two_files_of_one_name_are_both_rejected() {
    let folder = Folder::new().connector("a", MINIMAL).connector("b", MINIMAL);
    fs::create_dir(folder.path("more")).unwrap();
    let folder = folder.file("more/a.toml", MINIMAL);
    let (host, _) = folder.read_host();
    let paths = ["connectors.d", "more"].map(|name| folder.path(name));
    let loaded = load_connectors(&paths, &host, &Plugins, &Environment::default());
    assert_eq!(names(&loaded), ["b"]);
    assert_eq!(
        folder.lines(&loaded.diagnostics),
        ["more/a.toml: there is another connector \"a\", in connectors.d/a.toml; neither is used: \
          rename one of the files"]
    );
    assert_eq!(loaded.rejected.len(), 2);
}

#[test]
fn a_file_that_is_named_twice_is_read_once() {
    let folder = Folder::new().connector("a", MINIMAL);
    let (host, _) = folder.read_host();
    let paths = [folder.path("connectors.d"), folder.path("connectors.d/a.toml")];
    let loaded = load_connectors(&paths, &host, &Plugins, &Environment::default());
    assert_eq!((names(&loaded), loaded.diagnostics.len()), (vec!["a"], 0));
}

#[test]
fn missing_paths_and_odd_names_are_said() {
    let folder = Folder::new().connector("bad name", MINIMAL).file("a.yaml", "");
    let (host, _) = folder.read_host();
    let paths = ["connectors.d", "nowhere", "a.yaml"].map(|name| folder.path(name));
    let loaded = load_connectors(&paths, &host, &Plugins, &Environment::default());
    assert_eq!(
        folder.lines(&loaded.diagnostics),
        [
            "a.yaml: a connector file's name ends in .toml",
            "connectors.d/bad name.toml: \"bad name\" is not a connector's name: name the file with ASCII \
             letters, digits, \"_\", \"-\" and, except at the start, \".\"",
            "nowhere: there is no such file or folder: create it, or name the folder of the connector files",
        ]
    );
    assert_eq!(names(&loaded), [""; 0]);
}

#[test]
fn connectors_in_one_group_are_rejected_unless_they_share_it_on_purpose() {
    let grouped = format!("source.group_id = \"g\"\n{MINIMAL}");
    let folder = Folder::new().connector("a", &grouped).connector("b", &grouped);
    let folder = folder.connector("c", &format!("enabled = false\n{grouped}"));
    let loaded = folder.load();
    assert_eq!(names(&loaded), ["c"]);
    assert_eq!(
        folder.lines(&loaded.diagnostics),
        [("a", "b"), ("b", "a")].map(|(name, other)| format!(
            "connectors.d/{name}.toml: source.group_id: \"g\" is also the group of connector \"{other}\": \
             each would deliver only a part of the records: give each connector a group_id of its own, or set \
             shared_group = true in all of them to split the records"
        ))
    );

    let shared = format!("source.shared_group = true\n{grouped}");
    let elsewhere = format!("source.bootstrap_servers = \"other:9092\"\n{grouped}");
    let folder = Folder::new().connector("a", &shared).connector("b", &shared).connector("c", &elsewhere);
    let loaded = folder.load();
    assert_eq!(folder.lines(&loaded.diagnostics), [""; 0]);
    assert_eq!(names(&loaded), ["a", "b", "c"]);
}

#[test]
fn columns_count_characters_and_lines_may_end_in_crlf() {
    let findings = findings_in(
        "source = { topics = \"t\" } # ü\r\n\r\nsink = { plugin = \"discard\", \"ü\" = 1, oops = 2 }\r\n",
    );
    assert_eq!(
        findings,
        [
            "connectors.d/a.toml:3:30: sink.ü: unknown key \"ü\": known keys: config, plugin",
            "connectors.d/a.toml:3:39: sink.oops: unknown key \"oops\": known keys: config, plugin",
        ]
    );
}

proptest! {
    /// However a file is damaged, it is read or rejected, and every finding points into it.
    #[test]
    fn damaged_files_are_read_or_rejected(at in 0..EVERYTHING.len(), length in 0usize..40, put in "[\\[\\]{}=\"'.,a1ü\n$:-]{0,6}") {
        let mut text: String = EVERYTHING.into();
        text.replace_range(at..(at + length).min(EVERYTHING.len()), &put);
        let lines = text.lines().count();
        let loaded = Folder::new().connector("a", &text).load();
        // A file that is off and names a plugin that is not installed is not checked.
        prop_assert_eq!(loaded.valid.len() + loaded.rejected.len() + loaded.unchecked.len(), 1);
        prop_assert_eq!(loaded.rejected.len() == 1, loaded.diagnostics.has_errors());
        for finding in &loaded.diagnostics {
            prop_assert!(finding.line <= lines + 1, "{finding}");
        }
    }
}

#[test]
fn a_connector_that_is_off_may_use_a_plugin_that_is_not_installed() {
    let text = "source.topics = \"t\"\nsink.plugin = \"not-here\"\n";
    let folder = Folder::new().connector("off", &format!("enabled = false\n{text}")).connector("on", text);
    let loaded = folder.load();
    let unchecked: Vec<_> =
        loaded.unchecked.iter().map(|(file, plugin)| (file.file_name().unwrap(), plugin.as_str())).collect();
    assert_eq!(unchecked, [("off.toml".as_ref(), "not-here")]);
    assert_eq!(loaded.rejected.len(), 1);
    assert_eq!(folder.findings().len(), 1);
}
