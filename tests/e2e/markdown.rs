//! Reads Markdown files as far as the tests of the documents need.

use std::collections::BTreeMap;

/// A block of code.
#[derive(Debug)]
pub(crate) struct Block {
    /// Line of its fence, from 1.
    pub(crate) line: usize,
    /// What the fence names, such as `toml`; empty if nothing.
    pub(crate) language: String,
    /// Its lines.
    pub(crate) text: String,
}

/// A link, with the line that it is in, from 1.
pub(crate) type Link = (usize, String);

/// The blocks of code, in order.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (line, content) in (1..).zip(markdown.lines()) {
        match (&mut open, content.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block { line, language: language.trim().to_owned(), text: String::new() });
            }
            (None, None) => {}
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text.extend([content, "\n"]),
        }
    }
    blocks
}

/// The lines outside of blocks of code, with their numbers, without code in backticks.
fn prose(markdown: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    (1..).zip(markdown.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The targets of all links.
pub(crate) fn links(markdown: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (number, line) in prose(markdown) {
        // Code in backticks has no links.
        let text: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for rest in text.split("](").skip(1) {
            links.extend(rest.split(')').next().map(|target| (number, target.to_owned())));
        }
    }
    links
}

/// The anchors of all headings, as GitHub and mdBook make them.
pub(crate) fn anchors(markdown: &str) -> Vec<String> {
    let mut count = BTreeMap::<String, usize>::new();
    let mut anchors = Vec::new();
    for (_, line) in prose(markdown) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let anchor: String = title.trim().to_lowercase().replace(' ', "-");
        let anchor: String =
            anchor.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_')).collect();
        let before = count.entry(anchor.clone()).or_default();
        anchors.push(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
        *before += 1;
    }
    anchors
}
