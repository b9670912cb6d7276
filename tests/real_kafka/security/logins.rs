//! Rejected passwords and tokens are reported in the log and the status, and retried.

use tidegate_tests::Home;

use super::{
    cluster::{SECURE, Secure, USER},
    connector, endpoint,
    oidc::{AUDIENCE, CLIENT, Claims},
    password, sasl, start, wait_for_delivered, wait_for_reason,
};
use crate::support::PLUGINS;

#[test]
fn a_wrong_password_fails_the_task_until_it_is_right() {
    let Some(secure) = Secure::shared() else { return };
    let (kafka, topic) = (&secure.kafka, "passwords");
    kafka.create_topic(topic, 1, 1);
    kafka.produce(topic, [(Some("1"), Some("1"))]);
    let home = Home::new(&PLUGINS);
    let servers = kafka.listener(SECURE);
    let secret = "not-the-secret";
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let properties = sasl(&secure.ca, mechanism, &password(USER.0, secret));
        connector(&home, mechanism, topic, &servers, &properties);
    }
    // A user whose password is changed on the broker.
    connector(
        &home,
        "later",
        topic,
        &servers,
        &sasl(&secure.ca, "SCRAM-SHA-256", &password("CN=client", secret)),
    );
    let mut host = start(&home);
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let reason = format!("kafka rejected the login of user \"tidegate\" with {mechanism}: ");
        let state = wait_for_reason(&home, &mut host, mechanism, &reason);
        assert!(["RESTARTING", "STARTING"].contains(&&*state), "{state}");
        wait_for_reason(&home, &mut host, mechanism, "; correct `sasl.username` or `sasl.password`");
    }
    wait_for_reason(&home, &mut host, "later", "kafka rejected the login of user \"CN=client\"");
    kafka.set_password("CN=client", "SCRAM-SHA-256", secret);
    wait_for_delivered(&home, &mut host, "later", 1);
    let finished = host.terminate();
    assert_eq!(finished.count_log(secret), 0, "{}", finished.stderr);
    assert_eq!(finished.count_log("cannot be reached"), 0, "{}", finished.stderr);
}

#[test]
fn missing_expired_and_foreign_tokens_are_reported_differently() {
    let Some(secure) = Secure::shared() else { return };
    let (kafka, oidc, topic) = (&secure.kafka, &secure.oidc, "tokens");
    kafka.create_topic(topic, 1, 1);
    kafka.produce(topic, [(Some("1"), Some("1"))]);
    let home = Home::new(&PLUGINS);
    let add = |name: &str, source: &str| {
        connector(&home, name, topic, &kafka.listener(SECURE), &sasl(&secure.ca, "OAUTHBEARER", source));
    };
    let from_file = |name: &str, token: Option<Claims>| {
        let file = home.path(name);
        if let Some(token) = token {
            home.write(name, oidc.token(&token));
        }
        format!("\"tidegate.oauth.token.file\" = \"{}\"", file.display())
    };
    add("wrong-secret", &endpoint(&oidc.token_endpoint(), (CLIENT.0, "not-the-secret")));
    add("missing", &from_file("missing.token", None));
    add("late", &from_file("late.token", Some(Claims { audience: AUDIENCE, lifetime: -60 })));
    add("others", &from_file("others.token", Some(Claims { audience: "others", lifetime: 600 })));
    let mut host = start(&home);

    let stalled = [
        ("wrong-secret", "returned no token: 401 Unauthorized: invalid_client"),
        ("missing", "cannot read the OAuth token file"),
        ("late", "late.token expired on "),
    ];
    for (name, reason) in stalled {
        assert_eq!(wait_for_reason(&home, &mut host, name, reason), "STALLED", "{name}");
    }
    let rejected = "kafka rejected the OAuth token (subject \"service-account\", audience \"others\", issuer";
    wait_for_reason(&home, &mut host, "others", rejected);
    wait_for_reason(&home, &mut host, "others", "compare its audience, issuer and signing key with");

    // All of them continue once the token is valid.
    for name in ["missing", "late", "others"] {
        from_file(&format!("{name}.token"), Some(Claims { audience: AUDIENCE, lifetime: 600 }));
    }
    for name in ["missing", "late", "others"] {
        wait_for_delivered(&home, &mut host, name, 1);
    }
    let finished = host.terminate();
    assert_eq!(finished.count_log("not-the-secret"), 0, "{}", finished.stderr);
}
