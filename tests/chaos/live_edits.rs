//! Edits of a host's connector files and plugin library while it runs, or while it is down.

use std::{fs, path::Path};

use crate::{
    plan::Fault,
    scene::{FAULTY, Scene},
    tables,
};

/// Makes an edit.
pub(crate) fn start(scene: &Scene, host: usize, fault: Fault) {
    match fault {
        Fault::ReplaceLibrary => replace_libraries(scene, host, b"1"),
        Fault::DeleteFiles => FAULTY.iter().for_each(|connector| {
            let file = scene.connector_file(connector, host);
            fs::remove_file(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }),
        _ => FAULTY.iter().for_each(|connector| {
            let text = scene.connector_text(connector, host);
            write(&scene.connector_file(connector, host), &edited(&text, fault));
        }),
    }
}

/// Takes an edit back.
pub(crate) fn end(scene: &Scene, host: usize, fault: Fault) {
    if fault == Fault::ReplaceLibrary {
        return replace_libraries(scene, host, b"2");
    }
    for connector in FAULTY {
        write(&scene.connector_file(connector, host), &scene.connector_text(connector, host));
    }
}

/// Replaces the libraries of all sinks. That of the ledger allows no second copy in a process.
fn replace_libraries(scene: &Scene, host: usize, mark: &[u8]) {
    let of_tables = scene.tables.is_some().then_some(tables::LIBRARY);
    [Some("ledger"), of_tables].into_iter().flatten().for_each(|library| {
        scene.host(host).replace_library(library, mark);
    });
}

fn edited(text: &str, fault: Fault) -> String {
    match fault {
        // Another path of the same file.
        Fault::ChangeSink => text.replace("\npath = \"/", "\npath = \"//"),
        Fault::ChangeBatch => format!("{text}\n[batch]\nmax_records = 77\n"),
        Fault::BreakFiles => text.replace("[source]", "[source"),
        other => panic!("{other:?} is no edit"),
    }
}

/// Writes a file as editors do, in two steps.
fn write(path: &Path, text: &str) {
    let written = fs::write(path, &text[..text.len() / 2]).and_then(|()| fs::write(path, text));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
