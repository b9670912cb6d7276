//! Failures of TLS, as librdkafka words them, and what they come from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use regex::Regex;

use super::certificate::Facts;
use super::handshake::{self, LookError, Problem};

/// What a client's properties say about TLS.
#[derive(Debug, Default)]
pub(super) struct Tls {
    /// File or folder of the authorities to trust; none for the system's.
    pub(super) ca: Option<PathBuf>,
    /// The same, as PEM.
    pub(super) ca_pem: Option<String>,
    /// Whether the broker's certificate has to name the host.
    pub(super) checks_host: bool,
    client: Option<ClientCertificate>,
    is_on: bool,
}

/// Where a client's own certificate is.
#[derive(Debug)]
enum ClientCertificate {
    File(String),
    Pem(String),
    /// A PKCS#12 file, which is not looked into.
    Store(String),
}

/// What a failed connection points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// The broker's certificate does not pass.
    Broker,
    /// The broker does not take the client's certificate, or misses one.
    Client,
    /// The broker does not speak TLS.
    NoTls,
    /// The broker ends the connection of a client that does not log in: it may want that, or TLS.
    Ended,
}

impl Suspicion {
    /// Reads librdkafka's reason, which passes on what OpenSSL says.
    pub(super) fn of(reason: &str, logs_in: bool) -> Option<Self> {
        const ALERTS: [&str; 9] = [
            "alert bad certificate",
            "alert certificate required",
            "alert certificate unknown",
            "alert certificate expired",
            "alert certificate revoked",
            "alert unsupported certificate",
            "alert unknown ca",
            "alert access denied",
            "client SSL authentication might be required",
        ];
        let says = |text: &str| reason.contains(text);
        if says("certificate verify failed") {
            return Some(Self::Broker);
        }
        if ALERTS.into_iter().any(says) {
            return Some(Self::Client);
        }
        if says("connecting to a PLAINTEXT broker listener?") || says("wrong version number") {
            return Some(Self::NoTls);
        }
        (!logs_in && says("Disconnected") && has_just_begun(reason)).then_some(Self::Ended)
    }
}

impl Tls {
    pub(super) fn of(properties: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| properties.get(name).filter(|value| !value.is_empty()).cloned();
        let file = get("ssl.certificate.location").map(ClientCertificate::File);
        let pem = || get("ssl.certificate.pem").map(ClientCertificate::Pem);
        let store = || get("ssl.keystore.location").map(ClientCertificate::Store);
        Self {
            ca: get("ssl.ca.location").filter(|place| place != "probe").map(PathBuf::from),
            ca_pem: get("ssl.ca.pem"),
            checks_host: get("ssl.endpoint.identification.algorithm").is_none_or(|name| name != "none"),
            client: file.or_else(pem).or_else(store),
            is_on: get("security.protocol")
                .is_some_and(|protocol| protocol.to_ascii_lowercase().ends_with("ssl")),
        }
    }

    pub(super) fn explain(&self, suspicion: Suspicion, reason: &str) -> Option<String> {
        let (host, port) = address(reason)?;
        let broker = format!("{host}:{port}");
        match suspicion {
            Suspicion::Broker => {
                let looked = handshake::look(&host, port, self).ok()?;
                let problem = looked.worst()?;
                Some(self.untrusted(&broker, &host, problem, looked.leaf.as_ref()))
            }
            Suspicion::Client => Some(self.refused(&broker, reason)),
            Suspicion::NoTls => Some(format!(
                "broker {broker} does not answer in TLS: name the port of its TLS listener, or set `security.protocol` to \
                 PLAINTEXT or SASL_PLAINTEXT"
            )),
            Suspicion::Ended => self.ended(&broker, &host, port),
        }
    }

    fn ended(&self, broker: &str, host: &str, port: u16) -> Option<String> {
        match handshake::look(host, port, self) {
            // It is not there at the moment.
            Err(LookError::Connection(_)) => None,
            Ok(_) if !self.is_on => {
                Some(format!("broker {broker} wants TLS: set `security.protocol` to SSL or SASL_SSL"))
            }
            _ => Some(format!(
                "broker {broker} ends the connection: if it wants a login, set `security.protocol` to {} and \
                 `sasl.mechanism`",
                if self.is_on { "SASL_SSL" } else { "SASL_PLAINTEXT" }
            )),
        }
    }

    fn untrusted(&self, broker: &str, host: &str, problem: &Problem, leaf: Option<&Facts>) -> String {
        let whose = match (problem.depth, &problem.certificate) {
            (0, _) | (_, None) => format!("the certificate of broker {broker}"),
            (_, Some(facts)) => {
                format!("the certificate of {}, who vouches for broker {broker},", facts.subject)
            }
        };
        let facts = problem.certificate.as_ref().or(leaf);
        match (problem.code, facts) {
            (Problem::EXPIRED, Some(facts)) => format!(
                "{whose} expired on {}: renew it on the broker, or set this machine's clock right",
                facts.not_after
            ),
            (Problem::NOT_YET_VALID, Some(facts)) => format!(
                "{whose} is not valid before {}: set this machine's clock right, or replace the certificate",
                facts.not_before
            ),
            (Problem::HOST | Problem::ADDRESS, facts) => format!(
                "the certificate of broker {broker} is for {}, not for {host}: connect by a name that it has \
                 (`bootstrap_servers`, and the brokers' `advertised.listeners`), or give the broker a certificate for {host}",
                leaf.or(facts).map_or_else(|| "another host".to_owned(), |facts| facts.names.join(", "))
            ),
            (code, Some(facts)) if Problem::ISSUERS.contains(&code) => {
                let by_itself = problem.depth == 0 && facts.subject == facts.issuer;
                let signer = if by_itself { "itself" } else { &facts.issuer };
                format!(
                    "the certificate of broker {broker} is signed by {signer}, whom {} does not hold: point \
                     `ssl.ca.location` to the certificate of the broker's authority",
                    self.trusted()
                )
            }
            _ => format!("{whose} does not pass: {}; replace it on the broker", problem.text),
        }
    }

    /// What the client trusts.
    fn trusted(&self) -> String {
        match (&self.ca, &self.ca_pem) {
            (Some(place), _) => format!("`ssl.ca.location` ({})", place.display()),
            (None, Some(_)) => "`ssl.ca.pem`".to_owned(),
            (None, None) => "the system's list of authorities".to_owned(),
        }
    }

    /// Says why a broker may have refused the client's certificate; only its alert is known.
    fn refused(&self, broker: &str, reason: &str) -> String {
        let Some(client) = &self.client else {
            return format!(
                "broker {broker} wants a certificate of its clients, and there is none: set `ssl.certificate.location` and \
                 `ssl.key.location`"
            );
        };
        let (place, facts) = match client {
            ClientCertificate::File(path) => (path.as_str(), std::fs::read(path).ok()),
            ClientCertificate::Pem(text) => ("`ssl.certificate.pem`", Some(text.clone().into_bytes())),
            ClientCertificate::Store(path) => (path.as_str(), None),
        };
        let alert =
            reason.split("alert ").nth(1).and_then(|alert| alert.split(':').next()).unwrap_or_default();
        let Some(facts) = facts.and_then(|pem| Facts::of_pem(&pem)) else {
            return format!(
                "broker {broker} refuses the client certificate in {place} ({alert}): see whether it has expired, and \
                 whether the broker trusts who signed it"
            );
        };
        let Facts { subject, issuer, not_after, .. } = &facts;
        if facts.has_expired {
            return format!(
                "broker {broker} refuses the client certificate of {subject} in {place}: it expired on {not_after}; renew it"
            );
        }
        format!(
            "broker {broker} refuses the client certificate of {subject} in {place} ({alert}): use one that is signed by an \
             authority that the broker trusts, which {issuer} seems not to be"
        )
    }
}

/// Whether a connection ended right after it began, by librdkafka's note on its state: "(after 3ms in state UP)".
fn has_just_begun(reason: &str) -> bool {
    const SOON: u64 = 2000;
    let note = reason.rsplit_once("(after ").map_or("", |(_, note)| note);
    let Some((time, state)) = note.split_once("ms in state ") else { return false };
    time.parse().is_ok_and(|time: u64| time < SOON)
        && (state.starts_with("UP") || state.starts_with("APIVERSION"))
}

/// The broker that a reason is about: librdkafka begins with its name, such as `ssl://host:9093/bootstrap`.
fn address(reason: &str) -> Option<(String, u16)> {
    static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?:^|[/\s])(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})[/:]").ok()
    });
    let found = ADDRESS.as_ref()?.captures(reason)?;
    let host = found[1].trim_start_matches('[').trim_end_matches(']').to_owned();
    Some((host, found[2].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_its_broker() {
        for (reason, host, port) in [
            ("ssl://127.0.0.1:9093/bootstrap: SSL handshake failed: x", "127.0.0.1", 9093),
            ("sasl_ssl://kafka-1.example.org:443/7: Receive failed", "kafka-1.example.org", 443),
            ("GroupCoordinator: kafka_2:9094: SSL handshake failed: a:1/", "kafka_2", 9094),
            ("ssl://[::1]:9093/bootstrap: x", "::1", 9093),
            ("[thrd:a:1/bootstrap]: 10.0.0.9:9092/bootstrap: Disconnected", "10.0.0.9", 9092),
        ] {
            assert_eq!(address(reason), Some((host.to_owned(), port)), "{reason}");
        }
        assert_eq!(address("1/1 brokers are down"), None);
    }
}
