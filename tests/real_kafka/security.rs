//! TLS, and every SASL mechanism that connectors offer.

use tidegate_tests::Home;

use crate::cluster::{Cluster, PLUGINS, variable};

/// A connector that prints `topic`, with TLS and these further properties.
fn connector(home: &Home, name: &str, topic: &str, servers: &str, ca: &str, properties: &str) {
    home.connector(
        name,
        &format!(
            "[source]\ntopics = [\"{topic}\"]\ngroup_id = \"{topic}.{name}\"\n[source.properties]\n\
             \"security.protocol\" = \"SASL_SSL\"\n\"ssl.ca.location\" = \"{ca}\"\n{properties}\n\
             [sink]\nplugin = \"console\"\n[sink.config]\nstyle = \"json\"\n[restart]\npolicy = \"never\"\n"
        ),
    );
    home.write("tidegate.toml", format!("[kafka]\nbootstrap_servers = \"{servers}\"\n"));
}

fn password(mechanism: &str, password: &str) -> String {
    format!(
        "\"sasl.mechanism\" = \"{mechanism}\"\n\"sasl.username\" = \"tidegate\"\n\"sasl.password\" = \"{password}\""
    )
}

#[test]
fn every_mechanism_reads_over_tls_and_a_wrong_password_is_named() {
    let test = "security";
    let Some(cluster) = Cluster::find(test) else { return };
    let found = (variable("TIDEGATE_TEST_KAFKA_SECURE", test), variable("TIDEGATE_TEST_KAFKA_CA", test));
    let (Some(servers), Some(ca)) = found else { return };
    let topic = cluster.topic("events");
    cluster.send(&topic, "zstd", [(Some("1"), Some("\"over TLS\""))]);

    let home = Home::new(&PLUGINS);
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        connector(&home, mechanism, &topic, &servers, &ca, &password(mechanism, "tide-secret"));
    }
    let unsecured = "\"sasl.mechanism\" = \"OAUTHBEARER\"\n\"enable.sasl.oauthbearer.unsecure.jwt\" = true\n\
                     \"sasl.oauthbearer.config\" = \"principal=tidegate\"";
    connector(&home, "OAUTHBEARER", &topic, &servers, &ca, unsecured);
    let finished = home.run(&["run", "--once"]).expect_code(0);
    assert_eq!(finished.stdout.matches("over TLS").count(), 4, "{}", finished.stdout);

    let home = Home::new(&PLUGINS);
    connector(&home, "wrong", &topic, &servers, &ca, &password("SCRAM-SHA-512", "not-the-secret"));
    let finished = home.run(&["run", "--once"]).expect_code(3);
    finished.expect_log("check the credentials");
    assert_eq!(finished.count_log("not-the-secret"), 0, "{}", finished.stderr);
}
