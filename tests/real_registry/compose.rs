//! What docker-compose.yml starts, from other packages of the same versions: PostgreSQL with the table in deploy/compose, Debezium with the
//! connector there, Kafka, the registry, and Tidegate with the connectors there.

use std::fs;

use serde_json::{Value as Json, json};
use tidegate_tests::{Database, Home, Running, apicurio::Apicurio, kafka::Kafka, root, wait_for};

/// The user, the database and the password.
const SHOP: &str = "shop";
/// The statement in docs/deployment.md.
const UPDATE: &str = "UPDATE customers SET credit = 75.25 WHERE id = 1";

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The configuration of the source connector, with the addresses of these servers.
fn source(postgres: &Database, registry: &Apicurio) -> Json {
    let mut config: Json = serde_json::from_str(&text("deploy/compose/shop.json")).expect("JSON");
    config["database.hostname"] = json!("127.0.0.1");
    config["database.port"] = json!(postgres.port());
    for side in ["key", "value"] {
        let option = format!("{side}.converter.apicurio.registry.url");
        assert_eq!(config[&option], "http://registry:8080/apis/registry/v2");
        config[option] = json!(registry.own_url());
    }
    config
}

/// The operations in the lines of the file sink.
fn operations(home: &Home) -> Vec<String> {
    let lines = fs::read_to_string(home.path("out/customers.jsonl")).unwrap_or_default();
    let operation = |line: &str| {
        let line: Json = serde_json::from_str(line).ok()?;
        line["operation"].as_str().map(str::to_owned)
    };
    lines.lines().filter_map(operation).collect()
}

#[test]
fn a_row_that_changes_in_postgresql_appears_on_the_console_and_in_a_file() {
    let Some((registry, kafka)) = Apicurio::shared().zip(Kafka::shared()) else { return };
    let Some(postgres) = Database::postgres(SHOP, &["wal_level=logical"]) else { return };
    postgres.execute(&text("deploy/compose/shop.sql"));
    // These brokers create no topics by themselves; those of Compose do.
    kafka.create_topic("cdc.public.customers", 1, 1);
    let debezium = kafka.debezium();
    debezium.create(SHOP, &source(&postgres, registry));
    debezium.wait_for_tasks(1);

    let home = Home::new(&["console-sink", "file-sink"]);
    for name in ["customers", "customers-to-file"] {
        let file = text(&format!("deploy/compose/connectors.d/{name}.toml"));
        home.connector(name, &file.replace("/var/lib/tidegate/", "@"));
    }
    let mut command = home.command();
    command.env("SCHEMA_REGISTRY_URL", registry.url()).env("KAFKA_BOOTSTRAP_SERVERS", kafka.servers());
    let mut running = Running::start(command.arg("run"));
    running.wait_until("the rows of the snapshot", |_| (operations(&home).len() == 2).then_some(()));
    // What is written before Debezium streams belongs to the snapshot.
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE active";
    wait_for(|| (postgres.value(slots) == "1").then_some(())).expect("an active slot");
    assert!(text("docs/deployment.md").contains(UPDATE));
    postgres.execute(UPDATE);
    running.wait_until("the update", |_| (operations(&home).len() == 3).then_some(()));
    running.wait_until("the update on the console", |host| host.stdout().contains("UPDATE ").then_some(()));
    let finished = running.terminate().expect_code(0);
    assert_eq!(operations(&home), ["READ", "READ", "UPDATE"]);
    let printed: Vec<&str> = finished.stdout.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        printed,
        [
            r#"READ customers {"id":1} {"id":1,"name":"Ada","credit":100.00}"#,
            r#"READ customers {"id":2} {"id":2,"name":"Grace","credit":250.50}"#,
            r#"UPDATE customers {"id":1} credit: 100.00 -> 75.25"#,
        ]
    );
}
