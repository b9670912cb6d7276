//! A registry behind TLS and basic authentication.

use std::path::PathBuf;

use crate::{
    proxy::Proxy,
    support::{ITEM, item, to_file, written},
};
use tidegate_tests::{
    Broker, Home,
    apicurio::Apicurio,
    certificates::{Authority, Valid},
};

const USER: (&str, &str) = ("tidegate", "registry-secret");

/// A registry behind a proxy, a record of its schema, and a home with the CA's certificate.
struct Secured {
    proxy: Proxy,
    broker: Broker,
    home: Home,
    ca: PathBuf,
}

impl Secured {
    /// `None`, with a message, without Java. The proxy's certificate is for `host`.
    fn start(subject: &str, host: &str, valid: Valid) -> Option<Self> {
        let registry = Apicurio::shared()?;
        let id = registry.register(subject, "AVRO", ITEM, &[]).expect("a schema").content;
        let authority = Authority::new("Authority of the registry");
        let issued = authority.issue("registry", Some(host), valid);
        let home = Home::new(&["file-sink"]);
        let ca = home.write("ca.pem", authority.certificate());
        let proxy = Proxy::start(registry.address(), &issued, USER);
        Some(Self { proxy, broker: Broker::with_events([item(id, 1)]), home, ca })
    }

    fn connector(&self, password: &str, more: &str) {
        let registry = format!(
            "url = \"{}\"\nusername = \"{}\"\npassword = \"{password}\"\n{more}",
            self.proxy.url(),
            USER.0
        );
        to_file(&self.home, "avro", &registry);
    }

    fn trusted(&self) -> String {
        format!("tls_ca_file = \"{}\"", self.ca.display())
    }

    /// Waits until the connector is stalled, and returns the reason.
    fn stalled(&self) -> String {
        let mut running = self.home.start(&self.broker);
        let status = self.home.wait_for_status(&mut running, "items", |status| status["state"] == "STALLED");
        let reason = status["tasks"][0]["reason"].as_str().expect("a reason").to_owned();
        running.terminate();
        assert_eq!(written(&self.home), "");
        reason
    }
}

#[test]
fn a_login_over_tls_with_an_own_authority() {
    let Some(secured) = Secured::start("login", "localhost", Valid::Now) else { return };
    secured.connector(USER.1, &secured.trusted());
    let _finished = secured.home.run_once(&secured.broker).expect_code(0);
    assert_eq!(written(&secured.home), "{\"id\":1}\n");
}

#[test]
fn a_wrong_password_fails_the_task_without_showing_it() {
    let Some(secured) = Secured::start("password", "localhost", Valid::Now) else { return };
    secured.connector("not-the-secret", &secured.trusted());
    let finished = secured.home.run_once(&secured.broker).expect_code(3);
    finished.expect_log("with 401: correct username and password");
    assert!(!finished.stderr.contains("not-the-secret"), "{}", finished.stderr);
    assert_eq!(secured.broker.committed("connect-items", "events", 0), None);
    assert_eq!(written(&secured.home), "");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let Some(secured) = Secured::start("unknown-authority", "localhost", Valid::Now) else { return };
    secured.connector(USER.1, "");
    let reason = secured.stalled();
    assert!(reason.contains("certificate"), "{reason}");
}

#[test]
fn a_certificate_of_another_host_is_not_trusted() {
    let Some(secured) = Secured::start("another-host", "registry.example.org", Valid::Now) else { return };
    secured.connector(USER.1, &secured.trusted());
    let reason = secured.stalled();
    assert!(reason.contains("certificate"), "{reason}");
}

#[test]
fn a_certificate_that_has_expired_is_not_trusted() {
    let Some(secured) = Secured::start("expired", "localhost", Valid::Expired) else { return };
    secured.connector(USER.1, &secured.trusted());
    let reason = secured.stalled();
    assert!(reason.contains("certificate"), "{reason}");
}
