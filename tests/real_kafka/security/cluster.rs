//! A broker with every kind of security, valid and invalid, which the security tests share.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use tempfile::TempDir;
use tidegate_tests::{
    certificates::{Authority, Issued, Valid},
    kafka::{Kafka, Listener, Options},
};

use super::oidc::{AUDIENCE, Oidc, SUBJECT};

/// A superuser.
pub(crate) const USER: (&str, &str) = ("tidegate", "tide-secret");
/// A user with only the ACLs that the test adds.
pub(crate) const READER: (&str, &str) = ("reader", "read-secret");

/// SASL over TLS, with every mechanism.
pub(crate) const SECURE: &str = "SECURE";
/// TLS, for clients with a certificate.
pub(crate) const MUTUAL: &str = "MUTUAL";
/// TLS, with a certificate for another host.
pub(crate) const MISNAMED: &str = "MISNAMED";
/// TLS, with an expired certificate.
pub(crate) const EXPIRED: &str = "EXPIRED";

/// The broker, and the files of its clients.
pub(crate) struct Secure {
    pub(crate) kafka: Kafka,
    pub(crate) oidc: Arc<Oidc>,
    pub(crate) authority: Authority,
    /// The file with the CA certificate.
    pub(crate) ca: PathBuf,
    folder: TempDir,
}

impl Secure {
    /// The broker; `None`, with a message, without Java.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: LazyLock<Option<Secure>> = LazyLock::new(Secure::start);
        SHARED.as_ref()
    }

    fn start() -> Option<Self> {
        let (oidc, authority) = (Oidc::start(), Authority::new("Authority of the tests"));
        // The broker reads these files when it starts.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ca = write(&folder, "ca.pem", &authority.certificate());
        let stores = [
            (SECURE, authority.issue("broker", Some("127.0.0.1"), Valid::Now)),
            (MUTUAL, authority.issue("broker", Some("127.0.0.1"), Valid::Now)),
            (MISNAMED, authority.issue("other", Some("kafka.example.org"), Valid::Now)),
            (EXPIRED, authority.issue("broker", Some("127.0.0.1"), Valid::Expired)),
        ];
        let mut properties = Vec::new();
        for (listener, issued) in &stores {
            properties.extend(key_store(&folder, listener, "first", issued));
        }
        properties.extend(mutual(&ca));
        properties.extend(mechanisms(&oidc));
        properties.extend(rights());
        let listener = |name, protocol| Listener { name, protocol, advertised: None };
        let options = Options {
            listeners: vec![
                listener(SECURE, "SASL_SSL"),
                listener(MUTUAL, "SSL"),
                listener(MISNAMED, "SSL"),
                listener(EXPIRED, "SSL"),
            ],
            properties,
            users: [USER, READER].map(|(user, password)| (user.to_owned(), password.to_owned())).into(),
            java: vec![format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={}", oidc.keys_endpoint())],
            ..Options::default()
        };
        let kafka = Kafka::start(&options)?;
        Some(Self { kafka, oidc, authority, ca, folder })
    }
}

impl Secure {
    /// Replaces the certificate of a listener while the broker runs.
    pub(crate) fn renew(&self, listener: &str, issued: &Issued) {
        for (name, value) in key_store(&self.folder, listener, "renewed", issued) {
            self.kafka.set_property(&name, &value);
        }
    }
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a new file");
    path
}

fn of_listener(listener: &str, name: &str, value: impl Into<String>) -> (String, String) {
    (format!("listener.name.{}.{name}", listener.to_lowercase()), value.into())
}

fn key_store(folder: &TempDir, listener: &str, file: &str, issued: &Issued) -> [(String, String); 2] {
    let text = format!("{}{}", issued.key, issued.certificate);
    let path = write(folder, &format!("{listener}-{file}.pem"), &text);
    [
        of_listener(listener, "ssl.keystore.type", "PEM"),
        of_listener(listener, "ssl.keystore.location", path.display().to_string()),
    ]
}

fn mutual(ca: &Path) -> Vec<(String, String)> {
    vec![
        of_listener(MUTUAL, "ssl.client.auth", "required"),
        of_listener(MUTUAL, "ssl.truststore.type", "PEM"),
        of_listener(MUTUAL, "ssl.truststore.location", ca.display().to_string()),
    ]
}

fn mechanisms(oidc: &Oidc) -> Vec<(String, String)> {
    let users: String =
        [USER, READER].iter().map(|(user, password)| format!(" user_{user}=\"{password}\"")).collect();
    let login = "org.apache.kafka.common.security";
    let scram = format!("{login}.scram.ScramLoginModule required;");
    vec![
        of_listener(SECURE, "sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER"),
        of_listener(
            SECURE,
            "plain.sasl.jaas.config",
            format!("{login}.plain.PlainLoginModule required{users};"),
        ),
        of_listener(SECURE, "scram-sha-256.sasl.jaas.config", scram.clone()),
        of_listener(SECURE, "scram-sha-512.sasl.jaas.config", scram),
        of_listener(
            SECURE,
            "oauthbearer.sasl.jaas.config",
            format!("{login}.oauthbearer.OAuthBearerLoginModule required;"),
        ),
        of_listener(
            SECURE,
            "oauthbearer.sasl.server.callback.handler.class",
            format!("{login}.oauthbearer.OAuthBearerValidatorCallbackHandler"),
        ),
        // By default, brokers of Kafka 4.1.1 validate tokens as clients do, without checking the signature.
        (
            "sasl.oauthbearer.jwt.validator.class".to_owned(),
            format!("{login}.oauthbearer.BrokerJwtValidator"),
        ),
        ("sasl.oauthbearer.jwks.endpoint.url".to_owned(), oidc.keys_endpoint()),
        ("sasl.oauthbearer.expected.audience".to_owned(), AUDIENCE.to_owned()),
        ("sasl.oauthbearer.expected.issuer".to_owned(), oidc.issuer()),
        ("sasl.oauthbearer.clock.skew.seconds".to_owned(), "0".to_owned()),
    ]
}

fn rights() -> Vec<(String, String)> {
    let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    let supers = ["ANONYMOUS", USER.0, SUBJECT, "CN=client"].map(|user| format!("User:{user}"));
    vec![
        ("authorizer.class.name".to_owned(), authorizer.to_owned()),
        ("super.users".to_owned(), supers.join(";")),
    ]
}
