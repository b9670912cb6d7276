//! The plugin interface: which code compiles and which must not.

use std::collections::BTreeSet;

use tidegate_tests::{Broker, ExternalProject, Finding, Home, root};

#[test]
fn every_kind_of_value_crosses_the_plugin_boundary() {
    let project = ExternalProject::copy("no-json", &root().join("tests/fixtures/no-json"), |_, text| text);
    let dependencies = project.dependencies("no-json");
    assert!(dependencies.iter().any(|name| name == "tidegate-abi"), "{dependencies:?}");
    let json: Vec<_> =
        dependencies.iter().filter(|name| name.contains("json") && *name != "no-json").collect();
    assert!(json.is_empty(), "{json:?}");

    let broker =
        Broker::with_events([r#"{"id":1,"address":{"street":"Kai 1","city":"Cuxhaven"}}"#, r#"{"id":2}"#]);
    let home = Home::new(&["misbehaving"]);
    home.add_library(&project.library("no-json"));
    let recording = home.recorder("a", "", "[[transforms]]\nplugin = \"no-json\"\n");
    let _finished = home.run_once(&broker).expect_code(0);
    let values: Vec<String> =
        recording.written().into_iter().map(|record| record.value.to_string()).collect();
    assert_eq!(values, [r#"{"address":{"city":"CUXHAVEN","street":"Kai 1"},"id":1}"#, r#"{"id":2}"#]);
}

/// The errors that a file expects, given by comments `//~ CODE` at the end of the line or `//~^ CODE` in the next line.
/// `lifetime` stands for all errors of the borrow checker, whose codes differ between compiler versions.
fn expected(file: &str, text: &str) -> Vec<Finding> {
    let mark = |(line, text): (u64, &str)| {
        let (_, mark) = text.split_once("//~")?;
        let (line, code) = mark.strip_prefix('^').map_or((line, mark), |code| (line - 1, code));
        Some(Finding { file: file.to_owned(), line, code: code.trim().to_owned() })
    };
    (1..).zip(text.lines()).filter_map(mark).collect()
}

fn without_detail(finding: Finding) -> Finding {
    const BORROW_CHECKER: [&str; 6] = ["", "E0521", "E0597", "E0621", "E0700", "E0716"];
    let is_lifetime = BORROW_CHECKER.contains(&finding.code.as_str());
    Finding { code: if is_lifetime { "lifetime".to_owned() } else { finding.code }, ..finding }
}

#[test]
fn code_that_violates_lifetimes_does_not_compile() {
    let folder = root().join("tests/fixtures/compile-fail");
    let project = ExternalProject::copy("compile-fail", &folder, |_, text| text);
    let failure = project.build(&["--examples"]).expect_err("plugins that must not compile");
    let found: BTreeSet<Finding> = failure.findings.into_iter().map(without_detail).collect();
    let mut wanted = BTreeSet::new();
    for entry in std::fs::read_dir(folder.join("examples")).expect("examples") {
        let path = entry.expect("an example").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name of text");
        let marks = expected(&format!("examples/{name}"), &std::fs::read_to_string(&path).expect("text"));
        assert!(!marks.is_empty(), "{name} expects nothing");
        wanted.extend(marks);
    }
    assert_eq!(found, wanted, "\n{}", failure.rendered);
}
