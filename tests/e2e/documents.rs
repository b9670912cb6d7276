//! Connector files, plugins and commands in the documents are valid, and the demo works.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use openssl::{asn1::Asn1Time, hash::MessageDigest, pkey::PKey, rsa::Rsa, x509::X509};
use tidegate_tests::{ExternalProject, Home, Running, artifacts, captured_file, root, wait_for};

use crate::{external_plugin::manifest, markdown};

/// The code blocks of a Markdown file in this language, each with its line.
fn blocks(markdown: &str, language: &str) -> Vec<(usize, String)> {
    let blocks = markdown::blocks(markdown).into_iter().filter(|block| block.language == language);
    blocks.map(|block| (block.line, block.text)).collect()
}

/// All Markdown files for users.
fn documents() -> BTreeMap<PathBuf, String> {
    let mut files = vec![root().join("README.md")];
    for entry in fs::read_dir(root().join("docs")).expect("a folder of documents") {
        let path = entry.expect("a folder that can be read").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    let read = |file: PathBuf| (file.clone(), fs::read_to_string(file).expect("a file of text"));
    files.into_iter().map(read).collect()
}

/// The path in a block's first line, such as `# connectors.d/orders.toml` or `// src/lib.rs`.
fn named<'b>(block: &'b str, comment: &str) -> Option<&'b str> {
    block.lines().next()?.strip_prefix(comment)?.split_whitespace().next()
}

const SHIPPED: [&str; 9] = [
    "basics",
    "console-sink",
    "discard-sink",
    "file-sink",
    "mysql-sink",
    "postgres-sink",
    "price-change",
    "snowflake-sink",
    "sqlite-sink",
];

#[test]
fn connector_files_in_the_documents_are_valid() {
    for (file, text) in documents() {
        for (line, block) in blocks(&text, "toml") {
            let name = named(&block, "# ").filter(|path| path.starts_with("connectors.d/"));
            let Some(name) = name.and_then(|path| Path::new(path).file_stem()?.to_str()) else { continue };
            // Plugins whose source the document shows are not installed.
            let home = Home::new(&SHIPPED);
            own_plugins(&text).iter().for_each(|library| home.add_library(library));
            home.connector(name, &with_files(&home, &block));
            let mut command = home.command();
            command.envs(placeholders(&block).map(|name| (name, "1"))).arg("validate");
            let finished = Running::start(&mut command).finish();
            assert_eq!(finished.code, Some(0), "{}:{line}: {}", file.display(), finished.stdout);
        }
    }
}

/// The files of a user that the documents name are not on this machine.
fn with_files(home: &Home, block: &str) -> String {
    let key = root().join("tests/snowflake_sink/faults/keys/loader.pem");
    let certificate = openssl_certificate(home);
    block
        .replace("/etc/tidegate/rsa_key.p8", &key.display().to_string())
        .replace("/etc/ssl/certs/kafka-ca.pem", &certificate.display().to_string())
}

/// A certificate that signs itself.
fn openssl_certificate(home: &Home) -> PathBuf {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let mut builder = X509::builder().expect("a builder");
    let now = Asn1Time::days_from_now(0).expect("a time");
    let later = Asn1Time::days_from_now(1).expect("a time");
    builder.set_pubkey(&key).expect("a certificate");
    builder.set_not_before(&now).expect("a certificate");
    builder.set_not_after(&later).expect("a certificate");
    builder.sign(&key, MessageDigest::sha256()).expect("a signature");
    home.write("ca.pem", builder.build().to_pem().expect("PEM"))
}

/// The variables in the placeholders of a file.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("${env:").skip(1).filter_map(|rest| rest.split(['}', ':']).next())
}

/// Builds the plugins whose source a document shows.
fn own_plugins(text: &str) -> Vec<PathBuf> {
    let sources = blocks(text, "rust").into_iter().map(|(_, block)| block);
    let sources =
        sources.filter(|block| named(block, "// ").is_some_and(|path| path.ends_with("src/lib.rs")));
    sources
        .map(|source| {
            let path = named(&source, "// ").unwrap_or_default();
            let name = Path::new(path).components().rev().nth(2).and_then(|name| name.as_os_str().to_str());
            let name = name.unwrap_or("my-plugin").to_owned();
            let mut shown = blocks(text, "toml").into_iter().map(|(_, block)| block);
            let shown = shown.rfind(|block| block.contains(&format!("name = \"{name}\"")));
            let manifest = shown.map_or_else(|| manifest(&name), |shown| complete(&shown));
            ExternalProject::new(
                &format!("readme-{name}"),
                [("Cargo.toml", manifest), ("src/lib.rs", source)],
            )
            .library(&name)
        })
        .collect()
}

/// Completes a manifest from a document: its own workspace, and the SDK of this repository.
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
    for folder in ["connectors.d", "docs/examples"].map(|folder| root().join(folder)) {
        let mut variables = BTreeMap::new();
        for entry in fs::read_dir(&folder).expect("examples") {
            let text = fs::read_to_string(entry.expect("an example").path()).expect("a file of text");
            variables.extend(placeholders(&text).map(|name| (name.to_owned(), "1")));
        }
        let mut command = home.command();
        command.envs(variables).arg("validate").arg(folder);
        let finished = Running::start(&mut command).finish();
        assert_eq!(finished.code, Some(0), "{}", finished.stdout);
        assert!(!finished.stdout.contains("warning"), "{}", finished.stdout);
    }
}

#[test]
fn host_files_in_the_documents_are_valid() {
    for (file, text) in documents() {
        for (line, block) in blocks(&text, "toml") {
            if named(&block, "# ") != Some("tidegate.toml") {
                continue;
            }
            let home = Home::new(&["console-sink"]);
            home.write("tidegate.toml", &block);
            home.connector("a", "source.topics = [\"a\"]\nsink.plugin = \"console\"\n");
            let mut command = home.command();
            command.envs(placeholders(&block).map(|name| (name, "a-value-of-some-length"))).arg("validate");
            let finished = Running::start(&mut command).finish();
            assert_eq!(finished.code, Some(0), "{}:{line}: {}", file.display(), finished.stdout);
        }
    }
}

#[test]
fn commands_in_the_documents_exist() {
    let home = Home::new(&[]);
    let mut count = 0;
    for (file, text) in documents() {
        for (number, block) in blocks(&text, "sh") {
            for line in block.lines() {
                // Without the comment and the redirection.
                let command = line.split(" #").next().and_then(|line| line.split(" > ").next());
                let command = command.unwrap_or_default();
                let mut words = command.split_whitespace();
                if !words
                    .next()
                    .is_some_and(|program| program == "tidegate" || program.ends_with("/tidegate"))
                {
                    continue;
                }
                // `--help` checks the command without running it.
                let words: Vec<&str> = words.chain(["--help"]).collect();
                let finished = home.run(&words);
                assert_eq!(
                    finished.code,
                    Some(0),
                    "{}:{number}: {line}: {}",
                    file.display(),
                    finished.stderr
                );
                count += 1;
            }
        }
    }
    assert!(count > 0, "the documents show commands");
}

#[test]
fn the_demo_prints_the_changes_and_the_table() {
    let home = Home::new(&SHIPPED);
    let mut command = home.command();
    command.args(["run", "--embedded-kafka", "--once", "--connectors"]).arg(root().join("connectors.d"));
    command.arg("--load").arg(captured_file("shop-string/json.jsonl.gz"));
    let finished = Running::start(&mut command).finish().expect_code(0);
    let table = finished.stdout.lines().skip_while(|line| !line.starts_with("connector "));
    let table: Vec<Vec<&str>> = table.map(|line| line.split_whitespace().take(6).collect()).collect();
    assert_eq!(table[0], ["connector", "read", "delivered", "filtered", "rejected", "committed"]);
    assert_eq!(table[1], ["customers", "384", "384", "0", "0", "384"]);
    assert_eq!(table[2], ["everything-to-files", "2659", "2659", "0", "0", "2659"]);
    assert_eq!(table[3], ["price-changes", "455", "31", "424", "0", "455"]);
    assert_eq!(table[4], ["tables-to-sqlite", "2659", "2659", "0", "0", "2659"]);
    assert_eq!(finished.count_log("price changed: "), 31);
    let changes =
        finished.stdout.lines().take_while(|line| !line.starts_with("connector ")).collect::<Vec<_>>();
    assert!(changes.iter().any(|line| line.starts_with("UPDATE customers {\"customer_id\":")), "{changes:?}");
    assert!(
        changes.iter().any(|line| line.ends_with("of this batch not printed (limit = 5)")),
        "{changes:?}"
    );
    assert!(finished.stdout.lines().count() < 100, "{}", finished.stdout);
}

/// The demo itself, except for the build, which cargo has done for this test already.
#[test]
fn the_demo_is_found_by_status_and_ends_with_files_and_next_steps() {
    let host = artifacts().host();
    let status = || Running::start(Command::new(host).arg("status").current_dir(root())).finish();
    status().expect_code(1).expect_log("no host is running with the state folder state");
    let start = || {
        let mut demo = Command::new(host.with_file_name("xtask"));
        let mut running = Running::start(demo.arg("demo").env("CARGO", "true").current_dir(root()));
        running.wait_until("the status of the demo", |_| {
            let is_running = |line: &str| line.starts_with("customers ") && line.contains("RUNNING");
            status().stdout.lines().any(is_running).then_some(())
        });
        running
    };
    let mut running = start();
    running.wait_until("every change", |_| {
        let written = fs::read_to_string(root().join("target/demo/out/products.jsonl")).ok()?;
        (written.lines().count() == 455).then_some(())
    });
    running.signal("INT");
    let finished = running.finish().expect_code(0);
    finished.expect_log("455 in target/demo/out/products.jsonl");
    finished.expect_log(" in order_items");
    finished.expect_log("sqlite3 -box target/demo/shop.db");
    for command in ["plugins file", "validate", "broker"] {
        finished.expect_log(&format!("tidegate {command} "));
    }
    assert!(finished.stdout.lines().count() + finished.stderr.lines().count() < 200, "{finished:?}");
    // A demo that is killed leaves no host behind.
    drop(start());
    wait_for(|| (status().code == Some(1)).then_some(())).expect("the end of the host");
}

#[test]
fn the_demo_knows_which_package_has_which_plugin() {
    for package in SHIPPED {
        let manifest =
            fs::read_to_string(root().join("plugins").join(package).join("Cargo.toml")).expect("text");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let mut named: Vec<&str> = manifest["package"]["metadata"]["tidegate"]["plugins"]
            .as_array()
            .expect("a list of plugins")
            .iter()
            .filter_map(|name| name.as_str())
            .collect();
        named.sort_unstable();
        let list = Home::new(&[package]).run(&["plugins"]).expect_code(0).stdout;
        let exported: Vec<&str> = list.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(exported, named, "{package}");
    }
}

#[test]
fn the_first_plugin_of_the_readme_filters_the_demo_s_orders() {
    let readme = fs::read_to_string(root().join("README.md")).expect("text");
    let home = Home::new(&SHIPPED);
    own_plugins(&readme).iter().for_each(|library| home.add_library(library));
    let file = blocks(&readme, "toml").into_iter().map(|(_, block)| block);
    let file = file.into_iter().find(|block| named(block, "# ") == Some("connectors.d/large-orders.toml"));
    home.connector("large-orders", &file.expect("the connector of the first plugin"));
    let mut command = home.command();
    command
        .args(["run", "--embedded-kafka", "--once", "--load"])
        .arg(captured_file("shop-string/json.jsonl.gz"));
    let finished = Running::start(&mut command).finish().expect_code(0);
    let table = finished.stdout.lines().find(|line| line.starts_with("large-orders "));
    let numbers: Vec<&str> = table.expect("a line").split_whitespace().skip(1).take(3).collect();
    // Of the 504 records, 404 have a total below 1000; 61 have more, and 39 are tombstones, which have none.
    assert_eq!(numbers, ["504", "100", "404"]);
}
