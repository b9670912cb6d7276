//! The files for deployments fit the host and the versions that the tests run against.

use std::{fs, process::Command};

use tidegate_tests::{Home, Running, apicurio, kafka, root};

use crate::markdown::blocks;

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The tag of an image in docker-compose.yml.
fn tag(compose: &str, image: &str) -> String {
    let found = compose
        .lines()
        .find_map(|line| line.trim().strip_prefix("image: ")?.strip_prefix(image)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("{image} is not in docker-compose.yml")).to_owned()
}

#[test]
fn compose_starts_the_versions_that_the_tests_run_against() {
    let compose = text("docker-compose.yml");
    assert_eq!(tag(&compose, "apache/kafka"), kafka::CONNECT_VERSION);
    assert!(text("tests/kafka/pom.xml").contains(&format!("<version>{}</version>", kafka::CONNECT_VERSION)));
    assert_eq!(tag(&compose, "quay.io/apicurio/apicurio-registry-mem"), apicurio::VERSION);
    let debezium = format!("<version>{}</version>", tag(&compose, "quay.io/debezium/connect"));
    assert!(text("tests/kafka/debezium.xml").contains(&debezium), "{debezium}");
}

#[test]
fn the_connectors_of_compose_are_valid() {
    let home = Home::new(&["console-sink", "file-sink"]);
    let mut command = home.command();
    command.env("SCHEMA_REGISTRY_URL", "http://registry:8080/apis/ccompat/v7");
    command.arg("validate").arg(root().join("deploy/compose/connectors.d"));
    let finished = Running::start(&mut command).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
}

/// The text of a block of the plain Kubernetes manifests, such as that of `tidegate.toml: |`, without its indentation.
fn manifest_block(name: &str) -> String {
    let manifests = text("deploy/kubernetes/tidegate.yaml");
    let start = format!("  {name}: |");
    let lines = manifests.lines().skip_while(|line| *line != start).skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| format!("{}\n", line.trim_start_matches("    "))).collect()
}

#[test]
fn the_files_in_the_kubernetes_manifests_are_valid() {
    let home = Home::new(&["console-sink"]);
    home.connector("customers", &manifest_block("customers.toml"));
    // The folders of the image are not on this machine.
    let host_file =
        manifest_block("tidegate.toml").replace("/etc/tidegate/", "").replace("/usr/lib/tidegate/", "");
    let host_file = host_file.replace(", \"/usr/local/lib/tidegate/plugins\"", "");
    assert!(host_file.contains("group_instance_id"), "{host_file}");
    home.write("tidegate.toml", host_file);
    let mut command = home.command();
    let finished = Running::start(command.env("POD_NAME", "tidegate-0").arg("validate")).finish();
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
}

#[test]
fn bash_completes_commands_and_their_options() {
    let home = Home::new(&[]);
    home.write("tidegate.bash", home.run(&["completions", "bash"]).expect_code(0).stdout);
    let completed = |words: &str| {
        let script = format!(
            "source ./tidegate.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _tidegate tidegate \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        Running::start(bash.args(["-c", &script]).current_dir(home.path(""))).finish().expect_code(0).stdout
    };
    assert_eq!(completed("tidegate dead"), "dead-letters\n");
    assert_eq!(completed("tidegate run --onc"), "--once\n");
}

#[test]
fn every_command_has_a_man_page() {
    let home = Home::new(&[]);
    home.run(&["man-pages", "man"]).expect_code(0);
    let page = |name: &str| fs::read_to_string(home.path(&format!("man/{name}.1"))).unwrap_or_default();
    assert!(page("tidegate").contains("Runs many Kafka pipelines in one process"), "{}", page("tidegate"));
    assert!(page("tidegate-run").contains("print a summary"), "{}", page("tidegate-run"));
    assert!(page("tidegate-dead-letters-replay").contains(".SH OPTIONS"));
    assert!(page("tidegate-run-isolated").is_empty(), "internal commands are hidden");
}

#[test]
fn the_example_from_kafka_connect_is_translated_as_the_document_shows() {
    let home = Home::new(&["basics", "file-sink"]);
    let example = root().join("docs/examples/kafka-connect.json");
    let arguments = ["import", "connect", example.to_str().expect("a path of text")];
    let printed = home.run(&arguments).expect_code(0).stdout;
    let file = printed.split("\n[connect]\n").next().unwrap_or_default();
    let blocks = blocks(&text("docs/kafka-connect.md"));
    let shown = blocks.iter().find(|block| block.language == "toml").expect("a connector file");
    let shown = shown.text.strip_prefix("# connectors.d/customers.toml\n").expect("the name of the file");
    assert_eq!(shown, file);
}

#[test]
fn every_alert_has_a_row_that_says_what_to_do() {
    let rules = text("docs/examples/alerts.yml");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let page = text("docs/production.md");
    let rows: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("Tidegate"))
        .collect();
    assert!(!alerts.is_empty(), "the example has rules");
    assert_eq!(rows, alerts);
}
