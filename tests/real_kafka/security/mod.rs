//! TLS and SASL: valid logins.

mod acls;
mod cluster;
mod dead_letters;
mod logins;
mod oidc;
mod rejected;

use std::path::Path;

use serde_json::Value as Json;
use tidegate_tests::{
    Home, Running,
    certificates::{Issued, Valid},
};

use self::{
    cluster::{MUTUAL, SECURE, Secure, USER},
    oidc::{AUDIENCE, CLIENT, Claims},
};
use crate::support::PLUGINS;

/// A connector that prints the values of `topic`, with these client properties.
fn connector(home: &Home, name: &str, topic: &str, servers: &str, properties: &str) {
    home.connector(
        name,
        &format!(
            "[source]\ntopics = [\"{topic}\"]\ngroup_id = \"{topic}.{name}\"\nbootstrap_servers = \"{servers}\"\n\
             [source.properties]\n{properties}\n\
             [sink]\nplugin = \"console\"\n[sink.config]\nstyle = \"json\"\n[restart]\ninitial = \"1s\"\nmax = \"1s\"\nmax_restarts = 1000\n"
        ),
    );
}

/// Starts the host. The connectors give the brokers.
fn start(home: &Home) -> Running {
    Running::start(home.command().arg("run"))
}

/// Waits until the status and the log of a connector contain `reason`; returns its state.
#[track_caller]
fn wait_for_reason(home: &Home, host: &mut Running, connector: &str, reason: &str) -> String {
    let says =
        |status: &Json| status["tasks"][0]["reason"].as_str().is_some_and(|text| text.contains(reason));
    let status = home.wait_for_status(host, connector, says);
    let in_log = |line: &str| line.contains(&format!("{connector}[0]")) && line.contains(reason);
    assert!(host.log().lines().any(in_log), "{reason:?} of {connector} in\n{}", host.log());
    status["state"].as_str().unwrap_or_default().to_owned()
}

/// Waits until a connector has delivered this number of records.
#[track_caller]
fn wait_for_delivered(home: &Home, host: &mut Running, connector: &str, records: u64) {
    home.wait_for_status(host, connector, |status| {
        status["state"] == "RUNNING" && status["counts"]["delivered"] == records
    });
}

fn tls(ca: &Path) -> String {
    format!("\"security.protocol\" = \"SSL\"\n\"ssl.ca.location\" = \"{}\"\n", ca.display())
}

fn sasl(ca: &Path, mechanism: &str, more: &str) -> String {
    format!(
        "\"security.protocol\" = \"SASL_SSL\"\n\"ssl.ca.location\" = \"{}\"\n\"sasl.mechanism\" = \"{mechanism}\"\n{more}\n",
        ca.display()
    )
}

fn password(user: &str, password: &str) -> String {
    format!("\"sasl.username\" = \"{user}\"\n\"sasl.password\" = \"{password}\"\n")
}

fn endpoint(url: &str, (id, secret): (&str, &str)) -> String {
    format!(
        "\"sasl.oauthbearer.method\" = \"oidc\"\n\"sasl.oauthbearer.token.endpoint.url\" = \"{url}\"\n\
         \"sasl.oauthbearer.client.id\" = \"{id}\"\n\"sasl.oauthbearer.client.secret\" = \"{secret}\"\n"
    )
}

fn client_certificate(home: &Home, name: &str, issued: &Issued) -> String {
    let certificate = home.write(&format!("{name}.pem"), &issued.certificate);
    let key = home.write(&format!("{name}.key"), &issued.key);
    format!(
        "\"ssl.certificate.location\" = \"{}\"\n\"ssl.key.location\" = \"{}\"\n",
        certificate.display(),
        key.display()
    )
}

#[test]
fn every_mechanism_reads_over_tls() {
    let Some(secure) = Secure::shared() else { return };
    let topic = "mechanisms";
    secure.kafka.create_topic(topic, 1, 1);
    secure.kafka.produce(topic, [(Some("1"), Some("\"over TLS\""))]);
    let home = Home::new(&PLUGINS);
    let servers = secure.kafka.listener(SECURE);
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let properties = sasl(&secure.ca, mechanism, &password(USER.0, USER.1));
        connector(&home, mechanism, topic, &servers, &properties);
    }
    let from_endpoint = sasl(&secure.ca, "OAUTHBEARER", &endpoint(&secure.oidc.token_endpoint(), CLIENT));
    connector(&home, "oidc", topic, &servers, &from_endpoint);
    let token = secure.oidc.token(&Claims { audience: AUDIENCE, lifetime: 600 });
    let file = home.write("token", token);
    let from_file = format!("\"tidegate.oauth.token.file\" = \"{}\"", file.display());
    connector(&home, "token", topic, &servers, &sasl(&secure.ca, "OAUTHBEARER", &from_file));

    let client = secure.authority.issue("client", None, Valid::Now);
    let mutual = tls(&secure.ca) + &client_certificate(&home, "client", &client);
    connector(&home, "mutual", topic, &secure.kafka.listener(MUTUAL), &mutual);

    let finished = home.run(&["run", "--once"]).expect_code(0);
    assert_eq!(finished.stdout.matches("over TLS").count(), 6, "{}\n{}", finished.stdout, finished.stderr);
}
