//! Invalid certificates of brokers and clients, and listeners with another protocol, are reported with the fix in the
//! log and the status, and retried.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate::kafka::admin::{Admin, AdminError};
use tidegate_tests::{
    Home,
    certificates::{Authority, Valid},
};

use super::{
    client_certificate,
    cluster::{EXPIRED, MISNAMED, MUTUAL, SECURE, Secure, USER},
    connector, password, sasl, start, tls, wait_for_delivered, wait_for_reason,
};
use crate::support::PLUGINS;

#[test]
fn certificate_errors_are_explained_and_retried() {
    let Some(secure) = Secure::shared() else { return };
    let (kafka, topic) = (&secure.kafka, "certificates");
    kafka.create_topic(topic, 1, 1);
    kafka.produce(topic, [(Some("1"), Some("1"))]);
    let home = Home::new(&PLUGINS);
    let stranger = Authority::new("A stranger");
    let strangers = home.write("stranger.pem", stranger.certificate());
    let login = password(USER.0, USER.1);
    let certificate = |name, authority: &Authority, valid| {
        client_certificate(&home, name, &authority.issue("client", None, valid))
    };
    let foreign = certificate("foreign", &stranger, Valid::Now);
    let past = certificate("past", &secure.authority, Valid::Expired);
    let trusted = tls(&secure.ca);
    let cases = [
        (
            "wrong-authority",
            SECURE,
            sasl(&strangers, "PLAIN", &login),
            "is signed by CN=Authority of the tests, which is not in `ssl.ca.location` (",
        ),
        (
            "wrong-host",
            MISNAMED,
            trusted.clone(),
            "is for kafka.example.org, not for 127.0.0.1: connect with a name",
        ),
        ("expired", EXPIRED, trusted.clone(), "expired on "),
        ("none", MUTUAL, trusted.clone(), "requires a client certificate: set `ssl.certificate.location`"),
        (
            "foreign",
            MUTUAL,
            trusted.clone() + &foreign,
            "foreign.pem (bad certificate): the broker does not seem to trust its issuer",
        ),
        ("past", MUTUAL, trusted.clone() + &past, "past.pem: it expired on "),
        ("no-tls", SECURE, String::new(), "requires TLS: set `security.protocol` to SSL or SASL_SSL"),
        ("no-login", SECURE, trusted.clone(), "if it requires SASL, set `security.protocol` to SASL_SSL"),
        ("too-much-tls", "PLAINTEXT", trusted, "does not use TLS on this port"),
    ];
    for (name, listener, properties, _) in &cases {
        connector(&home, name, topic, &kafka.listener(listener), properties);
    }
    let mut host = start(&home);
    for (name, _, _, reason) in &cases {
        assert_eq!(wait_for_reason(&home, &mut host, name, reason), "STALLED", "{name}");
        let said =
            host.log().lines().filter(|line| line.contains(&format!("{name}[0] kafka brokers"))).count();
        assert_eq!(said, 1, "{name} in\n{}", host.log());
    }

    // The connector continues once the broker has a valid certificate.
    secure.renew(EXPIRED, &secure.authority.issue("broker", Some("127.0.0.1"), Valid::Now));
    wait_for_delivered(&home, &mut host, "expired", 1);
    host.terminate().expect_code(0);
}

#[test]
fn admin_queries_explain_tls_and_login_errors() {
    let Some(secure) = Secure::shared() else { return };
    let stranger = Authority::new("A stranger");
    let home = Home::new(&PLUGINS);
    let strangers = home.write("stranger.pem", stranger.certificate());
    let ask = |listener: &str, properties: &[(&str, &str)]| {
        let properties: BTreeMap<String, String> =
            properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let admin = Admin::connect(&secure.kafka.listener(listener), &properties).expect("a client");
        admin.ping(Duration::from_secs(10)).expect_err("an error")
    };
    let (ours, theirs) = (secure.ca.display().to_string(), strangers.display().to_string());

    let error = ask(MISNAMED, &[("security.protocol", "SSL"), ("ssl.ca.location", &theirs)]);
    assert!(matches!(error, AdminError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("is signed by CN=Authority of the tests, which is not in"), "{error}");
    let error = ask(MISNAMED, &[("security.protocol", "SSL"), ("ssl.ca.location", &ours)]);
    assert!(error.to_string().contains("is for kafka.example.org, not for 127.0.0.1"), "{error}");
    let error = ask(MUTUAL, &[("security.protocol", "SSL"), ("ssl.ca.location", &ours)]);
    assert!(error.to_string().contains("set `ssl.certificate.location`"), "{error}");
    let error = ask(SECURE, &[]);
    assert!(error.to_string().contains("requires TLS"), "{error}");
    let login = [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", &ours),
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.username", USER.0),
        ("sasl.password", "not-the-secret"),
    ];
    let error = ask(SECURE, &login);
    assert!(matches!(error, AdminError::Permanent { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("kafka rejected the login of user \"tidegate\" with SCRAM-SHA-256"), "{text}");
    assert!(
        text.contains("correct `sasl.username` or `sasl.password`") && !text.contains("not-the-secret"),
        "{text}"
    );
}
