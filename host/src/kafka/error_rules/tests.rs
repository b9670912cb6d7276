//! The rules, and their table in the documentation.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::*;

const BEGIN: &str = "<!-- errors of kafka, generated -->\n";
const END: &str = "<!-- end of errors -->\n";

/// To write the table: `UPDATE_DOCS=1 cargo test --workspace --lib the_document_has_the_table_of_errors`.
#[test]
fn the_document_has_the_table_of_errors() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let document = fs::read_to_string(&path).unwrap();
    let start = document.find(BEGIN).expect("the place of the table") + BEGIN.len();
    let end = start + document[start..].find(END).expect("the end of the table");
    let wanted = format!("{}\n{}\n{}", &document[..start], table(), &document[end..]);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(
        document == wanted,
        "the table of errors in docs/operations.md differs from the rules: run UPDATE_DOCS=1 cargo test --workspace --lib \
         the_document_has_the_table_of_errors"
    );
}

#[test]
fn no_rule_is_hidden_by_an_earlier_one() {
    for expected in RULES {
        for code in expected.codes {
            for operation in expected.operations {
                let found = rule(*code, *operation).unwrap();
                assert!(std::ptr::eq(found, expected), "{code:?} while {}", name(*operation));
            }
        }
    }
}

#[test]
fn remedies_name_what_they_are_about() {
    let rule = rule(Code::GroupAuthorizationFailed, Operation::Read).unwrap();
    let subject = Subject { user: "User:reader", topic: "", group: "consumer group g" };
    assert_eq!(rule.remedy(&subject), "grant User:reader READ on consumer group g");
    assert_eq!(rule.remedy(&Subject::default()), "grant the user READ on the consumer group");
}

/// The table of all rules in Markdown.
fn table() -> String {
    let mut text =
        "| Error | While | Class | What the host does | What to do |\n|---|---|---|---|---|\n".to_owned();
    for rule in RULES {
        let codes: Vec<String> = rule.codes.iter().map(|code| format!("`{code:?}`")).collect();
        let operations: Vec<&str> = rule.operations.iter().map(|operation| name(*operation)).collect();
        let operations = if operations.len() == ALL.len() { "any".to_owned() } else { operations.join(", ") };
        let (codes, (class, action)) = (codes.join(", "), of_class(rule.class));
        let remedy = rule.remedy(&Subject { user: "the user", topic: "the topic", group: "the group" });
        let remedy = remedy[..1].to_uppercase() + &remedy[1..];
        writeln!(text, "| {codes} | {operations} | {class} | {action} | {remedy} |").unwrap();
    }
    for (operations, class) in [
        ("reading", class(Code::Unknown, Operation::Read)),
        ("writing, creating", class(Code::Unknown, Operation::Write)),
    ] {
        let (class, action) = of_class(class);
        writeln!(text, "| any other | {operations} | {class} | {action} | Check the brokers' logs |")
            .unwrap();
    }
    text
}

/// The name of a class, and what the host does.
fn of_class(class: ErrorClass) -> (&'static str, &'static str) {
    match class {
        ErrorClass::Transient => ("transient", "Logs it; the client retries"),
        ErrorClass::Unreachable => ("unreachable", "Waits; the task is `STALLED`"),
        ErrorClass::MissingTopic => ("missing topic", "Waits for the topic; the task is `STALLED`"),
        ErrorClass::LostPosition => {
            ("lost position", "Applies `source.on_lost_position`; with `fail`, as `restart`")
        }
        ErrorClass::Wait => (
            "wait",
            "Restarts the task every few seconds until the brokers accept it; these restarts do not count",
        ),
        ErrorClass::Restart => ("restart", "Fails the task, and restarts it according to `[restart]`"),
        ErrorClass::Permanent => ("permanent", "Fails the task at once, without a restart"),
    }
}

fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "reading",
        Operation::Write => "writing",
        Operation::Create => "creating",
    }
}
