//! Plugins from outside the workspace, and everything that the README shows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use tidegate_tests::{Broker, Home, Outside, root};

/// The manifest of a plugin as somebody would write it.
fn manifest(name: &str) -> (&'static str, String) {
    let text = format!(
        "[workspace]\n[package]\nname = \"{name}\"\nversion = \"0.1.0\"\ndescription = \"A plugin of somebody's own\"\n\
         edition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\ntidegate-plugin = {{ path = \"@root/plugins/sdk\" }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\nschemars = \"1\"\n"
    );
    ("Cargo.toml", text)
}

const SOURCE: &str = r#"
use tidegate_plugin::prelude::*;

/// Keeps rows that are large enough.
#[derive(Deserialize, JsonSchema)]
struct Config {
    /// The least that counts.
    minimum: f64,
}

struct Large(Config);

impl Transform for Large {
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self> {
        Ok(Self(config))
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let amount = record.value().get("amount").and_then(|amount| amount.as_f64());
        if amount.is_some_and(|amount| amount >= self.0.minimum) { out.emit(record) } else { Ok(()) }
    }
}

export_plugin!(transform: Large);
"#;

#[test]
fn a_plugin_of_somebody_s_own_runs_in_a_new_connector_file() {
    let project = Outside::new("large-only", [manifest("large-only"), ("src/lib.rs", SOURCE.to_owned())]);
    let broker = Broker::with_events([r#"{"amount":1}"#, r#"{"amount":100.5}"#, r#"{"amount":"many"}"#]);
    let home = Home::new(&["misbehaving"]);
    home.add_library(&project.library("large-only"));
    let recording = home.recorder("a", "", "[[transforms]]\nplugin = \"large-only\"\nconfig.minimum = 50\n");
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), [1]);
    home.recorder("b", "", "[[transforms]]\nplugin = \"large-only\"\n");
    let finished = home.run(&["validate"]).expect_code(1);
    assert!(finished.stdout.contains("transforms[0].config.minimum: is missing"), "{}", finished.stdout);
}

/// The fenced blocks of a Markdown file in this language: line of the fence, text.
fn blocks(markdown: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, bool, String)> = None;
    for (number, line) in (1..).zip(markdown.lines()) {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => open = Some((number, info.trim() == language, String::new())),
            (None, None) => {}
            (Some(_), Some(_)) => blocks.extend(open.take().filter(|(_, wanted, _)| *wanted)),
            (Some((_, _, text)), None) => text.extend([line, "\n"]),
        }
    }
    blocks.into_iter().map(|(number, _, text)| (number, text)).collect()
}

/// Every Markdown file that shows how to use Tidegate.
fn documents() -> BTreeMap<PathBuf, String> {
    let mut files = vec![root().join("README.md")];
    let folders = ["docs", "plugins/sdk"].map(|folder| root().join(folder));
    for entry in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten() {
        let path = entry.expect("a folder that can be read").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    files.into_iter().filter_map(|file| fs::read_to_string(&file).ok().map(|text| (file, text))).collect()
}

/// The path in a block's first line, such as `# connectors.d/orders.toml` or `// src/lib.rs`.
fn named<'b>(block: &'b str, comment: &str) -> Option<&'b str> {
    block.lines().next()?.strip_prefix(comment)?.split_whitespace().next()
}

const SHIPPED: [&str; 5] = ["basics", "console-sink", "discard-sink", "file-sink", "price-change"];

#[test]
fn connector_files_in_the_documents_are_valid() {
    for (file, text) in documents() {
        for (line, block) in blocks(&text, "toml") {
            let name = named(&block, "# ").filter(|path| path.starts_with("connectors.d/"));
            let Some(name) = name.and_then(|path| Path::new(path).file_stem()?.to_str()) else { continue };
            // A plugin that the document itself shows how to write is not there.
            let home = Home::new(&SHIPPED);
            own_plugins(&text).iter().for_each(|library| home.add_library(library));
            home.connector(name, &block);
            let mut command = home.command();
            command.envs(placeholders(&block).map(|name| (name, "1"))).arg("validate");
            let finished = tidegate_tests::Running::start(&mut command).finish();
            assert_eq!(finished.code, Some(0), "{}:{line}: {}", file.display(), finished.stdout);
        }
    }
}

/// The variables that a file asks for.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("${env:").skip(1).filter_map(|rest| rest.split(['}', ':']).next())
}

/// The plugins whose source a document shows, built as projects of their own.
fn own_plugins(text: &str) -> Vec<PathBuf> {
    let sources = blocks(text, "rust").into_iter().map(|(_, block)| block);
    let sources = sources.filter(|block| named(block, "// ").is_some_and(|path| path.ends_with("src/lib.rs")));
    sources
        .map(|source| {
            let path = named(&source, "// ").unwrap_or_default();
            let name = Path::new(path).components().rev().nth(2).and_then(|name| name.as_os_str().to_str());
            let name = name.unwrap_or("my-plugin").to_owned();
            let manifest = blocks(text, "toml").into_iter().map(|(_, block)| block);
            let shown = manifest.filter(|block| block.contains(&format!("name = \"{name}\""))).last();
            let manifest = shown.map_or_else(|| manifest_of(&name), |shown| complete(&shown));
            Outside::new(&format!("readme-{name}"), [("Cargo.toml", manifest), ("src/lib.rs", source)]).library(&name)
        })
        .collect()
}

fn manifest_of(name: &str) -> String {
    manifest(name).1
}

/// A manifest that a document shows, as a workspace of its own and with the SDK of this checkout.
fn complete(shown: &str) -> String {
    let line = |line: &str| match line.starts_with("tidegate-plugin") {
        true => "tidegate-plugin = { path = \"@root/plugins/sdk\" }\n".to_owned(),
        false => format!("{line}\n"),
    };
    format!("[workspace]\n{}", shown.lines().map(line).collect::<String>())
}

#[test]
fn plugins_in_the_documents_compile() {
    for (_, text) in documents() {
        let _built = own_plugins(&text);
    }
}

#[test]
fn shipped_examples_are_valid() {
    let home = Home::new(&SHIPPED);
    let folder = root().join("connectors.d");
    let mut variables = BTreeMap::new();
    for entry in fs::read_dir(&folder).expect("examples") {
        let text = fs::read_to_string(entry.expect("an example").path()).expect("a file of text");
        variables.extend(placeholders(&text).map(|name| (name.to_owned(), "1")));
    }
    let mut command = home.command();
    command.envs(variables).arg("validate").arg(folder);
    let finished = tidegate_tests::Running::start(&mut command).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
}
