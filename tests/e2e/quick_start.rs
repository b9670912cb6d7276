//! The commands and files of docs/quick-start.md, in the order of the page and in an empty folder.

use std::{env, fs, process::Command};

use tidegate_tests::{Finished, Home, Running, artifacts, free_address, root, wait_for};

use crate::markdown::{Block, blocks};

/// The broker's address on the page.
const BROKER: &str = "127.0.0.1:19092";

/// A command of the page in this folder, with the built host on PATH, another address of the broker, and without the REST API, whose port
/// other tests may use.
fn shell(home: &Home, broker: &str, command: &str) -> Command {
    let folder = artifacts().host().parent().expect("an executable is in a folder").display().to_string();
    let path = env::var("PATH").unwrap_or_default();
    let command = command.replace(BROKER, broker).replace("tidegate run", "exec tidegate run --api off");
    let mut shell = Command::new("bash");
    shell.args(["-euc", &command.replace("tidegate broker", "exec tidegate broker")]);
    shell.current_dir(home.path("")).env("PATH", format!("{folder}:{path}"));
    shell
}

/// Whether a line of the page stands for a line of output: `..` for any text, and spaces for any number of them.
fn is_like(shown: &str, line: &str) -> bool {
    let normal = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (shown, line) = (normal(shown), normal(line));
    let mut rest = line.as_str();
    let mut parts = shown.split("..");
    let Some(first) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    rest = first;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = if part.is_empty() { "" } else { after };
    }
    rest.is_empty()
}

/// Whether a command has printed every line that the page shows.
fn shows(finished: &Finished, block: &Block) -> bool {
    let printed = format!("{}\n{}", finished.stdout, finished.stderr);
    block.text.lines().all(|shown| printed.lines().any(|line| is_like(shown, line)))
}

#[test]
fn the_quick_start_does_what_it_says() {
    let page = fs::read_to_string(root().join("docs/quick-start.md")).expect("the page");
    let home = Home::new(&[]);
    let broker = free_address();
    let (mut background, mut blocks) = (Vec::new(), blocks(&page).into_iter().peekable());
    while let Some(block) = blocks.next() {
        let place = format!("docs/quick-start.md:{}", block.line);
        if block.language == "toml" {
            let name = block.text.lines().next().and_then(|line| line.strip_prefix("# "));
            home.write(name.expect("the name of the file"), &block.text);
            continue;
        }
        assert_eq!(block.language, "sh", "{place}: output follows its command");
        let mut command = shell(&home, &broker, &block.text);
        if block.text.starts_with("tidegate broker") || block.text.starts_with("tidegate run") {
            background.push(Running::start(&mut command));
            continue;
        }
        // What a command shows may take a moment: the host follows files, and finds topics, after a while.
        let Some(shown) = blocks.next_if(|next| next.language == "text") else {
            let finished =
                wait_for(|| Some(Running::start(&mut command).finish()).filter(|run| run.code == Some(0)));
            finished.unwrap_or_else(|reason| panic!("{place}: {reason}"));
            continue;
        };
        let mut last = None;
        let found = wait_for(|| {
            let finished = Running::start(&mut command).finish();
            let is_shown = shows(&finished, &shown);
            last = Some(finished);
            is_shown.then_some(())
        });
        found.unwrap_or_else(|reason| panic!("{place}: {reason}: {last:?}"));
    }
    assert_eq!(background.len(), 2, "the page starts a broker and a host");
    background.pop().expect("the host").terminate().expect_code(0);
}

#[test]
fn lines_of_the_page_stand_for_lines_of_output() {
    assert!(is_like("a  b", "a b"));
    assert!(is_like("orders-.. offset ..: not JSON; ..", "orders-3 offset 7: not JSON; fix it"));
    assert!(is_like("time ..", "time 2026-01-01"));
    assert!(!is_like("a b", "a b c"));
    assert!(!is_like("orders-.. offset", "items-3 offset"));
}
