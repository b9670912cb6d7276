//! Plugin libraries that cannot be used, and libraries that are overwritten while they are in use.

use std::{env::consts::DLL_EXTENSION, fs};

use tidegate_tests::{Broker, Home, Running, artifacts};

#[test]
fn unusable_libraries_are_reported_and_skipped() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&["misbehaving", "no-entry", "crashes-on-load", "panics-in-schema"]);
    home.write(&format!("plugins/libtext.{DLL_EXTENSION}"), "this is no library");
    home.write(&format!("plugins/libempty.{DLL_EXTENSION}"), "");
    home.write("plugins/notes.txt", "not looked at");
    fs::create_dir(home.path("more")).expect("a folder");
    // Another build of the same plugins: the library with an additional byte at the end.
    let mut bytes = fs::read(artifacts().library("misbehaving")).expect("a library");
    bytes.push(0);
    home.write(&format!("more/libother.{DLL_EXTENSION}"), bytes);
    let recording = home.recorder("a", "", "");
    let mut command = home.command();
    command.args(["--plugins", "more", "--bootstrap-servers", broker.servers(), "run", "--once"]);
    let finished = Running::start(&mut command).finish().expect_code(0);
    assert_eq!(recording.offsets(), [0]);
    for (library, reason) in [
        ("libtext", "is not a dynamic library"),
        ("libempty", "is not a dynamic library"),
        ("libno_entry", "exports no plugin; end the crate with `export_plugin!(...)`"),
        ("libcrashes_on_load", "cannot be loaded: it crashed with signal 6 while loading"),
        (
            "libpanics_in_schema",
            "plugin \"indescribable\" does not describe its configuration: panicked at tests/fixtures/panics_in_schema.rs:",
        ),
        ("libother", "plugin \"recorder\" is in both"),
    ] {
        let line = finished.stderr.lines().find(|line| line.contains(library) && line.contains(reason));
        assert!(
            line.is_some_and(|line| line.contains(" WARN ")),
            "{library}: {reason} in\n{}",
            finished.stderr
        );
    }
    assert!(!finished.stderr.contains("notes.txt"));
}

#[test]
fn a_library_can_be_overwritten_while_it_is_in_use() {
    let broker = Broker::with_events(["{}"]);
    let home = Home::new(&[]);
    let library = home.path(&format!("plugins/libmisbehaving.{DLL_EXTENSION}"));
    fs::copy(artifacts().library("misbehaving"), &library).expect("a copy");
    let recording = home.recorder("a", "", "[[transforms]]\nplugin = \"no-op\"\n");
    let mut running = home.start(&broker);
    running.wait_until("the first record", |_| (recording.offsets() == [0]).then_some(()));
    // Truncates the file in place: the next page fault would kill a process that has mapped it.
    fs::write(&library, "gone").expect("a file that can be written");
    broker.send("events", ["{}"]);
    running.wait_until("the second record", |_| (recording.offsets() == [0, 1]).then_some(()));
    let _output = home.run(&["restart", "a"]).expect_code(0);
    running.wait_until("the second opening", |_| {
        (recording.names().iter().filter(|name| *name == "open").count() == 2).then_some(())
    });
    broker.send("events", ["{}"]);
    running.wait_until("the third record", |_| (recording.offsets() == [0, 1, 2]).then_some(()));
    let _finished = running.terminate().expect_code(0);
}

#[test]
fn plugins_lists_and_describes_plugins() {
    let home = Home::new(&["price-change", "console-sink"]);
    let list = home.run(&["plugins"]).expect_code(0).stdout;
    assert!(list.lines().any(|line| line.starts_with("price-change  transform")), "{list}");
    assert!(list.lines().any(|line| line.starts_with("console       sink")), "{list}");
    let one = home.run(&["plugins", "price-change"]).expect_code(0).stdout;
    assert!(one.contains("min_change_percent") && one.contains("Column to watch."), "{one}");
    let console = home.run(&["plugins", "console"]).expect_code(0).stdout;
    assert!(console.contains("\"compact\": One readable line;"), "{console}");
    let schema = home.run(&["plugins", "console", "--schema"]).expect_code(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("a JSON Schema");
    assert_eq!(schema["additionalProperties"], false);
    let finished = home.run(&["plugins", "prices"]).expect_code(1);
    finished.expect_log("no plugin \"prices\"; there are: console, price-change; searched in: plugins");
    home.connector("a", "source.topics = [\"a\"]\nsink.plugin = \"snowflake\"\n");
    let finished = home.run(&["validate"]).expect_code(1);
    let expected = "unknown plugin \"snowflake\": sink plugins found: console; searched in: plugins\n";
    assert!(finished.stdout.contains(expected), "{}", finished.stdout);
}
