//! Finds the cause of TLS failures from librdkafka's error messages.

use std::sync::LazyLock;

use regex::Regex;

use super::certificate::CertificateInfo;
use super::tls_probe::{self, CertificateProblem, TlsProbeError};
use super::tls_settings::{ClientCertificate, Tls};

/// The likely cause of a failed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsFailureHint {
    /// The broker's certificate failed verification.
    Broker,
    /// The broker rejected the client's certificate, or requires one.
    Client,
    /// The broker does not speak TLS.
    NoTls,
    /// The broker closed the connection of a client without SASL: it may require SASL or TLS.
    Ended,
}

impl TlsFailureHint {
    /// Parses librdkafka's reason, which contains OpenSSL's message.
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
    pub(super) fn explain(&self, hint: TlsFailureHint, reason: &str) -> Option<String> {
        let (host, port) = address(reason)?;
        let broker = format!("{host}:{port}");
        match hint {
            TlsFailureHint::Broker => {
                let probe = tls_probe::probe(&host, port, self).ok()?;
                let problem = probe.worst()?;
                Some(self.untrusted(&broker, &host, problem, probe.leaf.as_ref()))
            }
            TlsFailureHint::Client => Some(self.client_rejected(&broker, reason)),
            TlsFailureHint::NoTls => Some(format!(
                "broker {broker} does not use TLS on this port: use the port of its TLS listener, or set \
                 `security.protocol` to PLAINTEXT or SASL_PLAINTEXT"
            )),
            TlsFailureHint::Ended => self.ended(&broker, &host, port),
        }
    }

    fn ended(&self, broker: &str, host: &str, port: u16) -> Option<String> {
        match tls_probe::probe(host, port, self) {
            // The broker is not reachable at the moment.
            Err(TlsProbeError::Connection(_)) => None,
            Ok(_) if !self.is_on => {
                Some(format!("broker {broker} requires TLS: set `security.protocol` to SSL or SASL_SSL"))
            }
            _ => Some(format!(
                "broker {broker} closed the connection: if it requires SASL, set `security.protocol` to {} and \
                 `sasl.mechanism`",
                if self.is_on { "SASL_SSL" } else { "SASL_PLAINTEXT" }
            )),
        }
    }

    fn untrusted(
        &self,
        broker: &str,
        host: &str,
        problem: &CertificateProblem,
        leaf: Option<&CertificateInfo>,
    ) -> String {
        let whose = match (problem.depth, &problem.certificate) {
            (0, _) | (_, None) => format!("the certificate of broker {broker}"),
            (_, Some(info)) => {
                format!(
                    "the certificate of {}, an issuer of the certificate of broker {broker},",
                    info.subject
                )
            }
        };
        let info = problem.certificate.as_ref().or(leaf);
        match (problem.code, info) {
            (CertificateProblem::EXPIRED, Some(info)) => format!(
                "{whose} expired on {}: renew it on the broker, or correct the clock of this machine",
                info.not_after
            ),
            (CertificateProblem::NOT_YET_VALID, Some(info)) => format!(
                "{whose} is not valid before {}: correct the clock of this machine, or replace the certificate",
                info.not_before
            ),
            (CertificateProblem::HOST | CertificateProblem::ADDRESS, info) => format!(
                "the certificate of broker {broker} is for {}, not for {host}: connect with a name in the certificate \
                 (`bootstrap_servers`, and the brokers' `advertised.listeners`), or install a certificate for {host} on the \
                 broker",
                leaf.or(info).map_or_else(|| "another host".to_owned(), |info| info.names.join(", "))
            ),
            (code, Some(info)) if CertificateProblem::ISSUERS.contains(&code) => {
                let by_itself = problem.depth == 0 && info.subject == info.issuer;
                let signer = if by_itself { "itself" } else { &info.issuer };
                format!(
                    "the certificate of broker {broker} is signed by {signer}, which is not in {}: set `ssl.ca.location` to \
                     the certificate of the broker's CA",
                    self.trusted()
                )
            }
            _ => format!("{whose} failed verification: {}; replace it on the broker", problem.text),
        }
    }

    /// Where the trusted CA certificates come from.
    fn trusted(&self) -> String {
        match (&self.ca, &self.ca_pem) {
            (Some(path), _) => format!("`ssl.ca.location` ({})", path.display()),
            (None, Some(_)) => "`ssl.ca.pem`".to_owned(),
            (None, None) => "the system's CA certificates".to_owned(),
        }
    }

    /// Explains why a broker may have rejected the client's certificate. Only its TLS alert is known.
    fn client_rejected(&self, broker: &str, reason: &str) -> String {
        let Some(client) = &self.client else {
            return format!(
                "broker {broker} requires a client certificate: set `ssl.certificate.location` and `ssl.key.location`"
            );
        };
        let (place, info) = match client {
            ClientCertificate::File(path) => (path.as_str(), std::fs::read(path).ok()),
            ClientCertificate::Pem(text) => ("`ssl.certificate.pem`", Some(text.clone().into_bytes())),
            ClientCertificate::Store(path) => (path.as_str(), None),
        };
        let alert =
            reason.split("alert ").nth(1).and_then(|alert| alert.split(':').next()).unwrap_or_default();
        let Some(info) = info.and_then(|pem| CertificateInfo::of_pem(&pem)) else {
            return format!(
                "broker {broker} rejected the client certificate in {place} ({alert}): check whether it has expired and \
                 whether the broker trusts its issuer"
            );
        };
        let CertificateInfo { subject, issuer, not_after, .. } = &info;
        if info.has_expired {
            return format!(
                "broker {broker} rejected the client certificate of {subject} in {place}: it expired on {not_after}; renew it"
            );
        }
        format!(
            "broker {broker} rejected the client certificate of {subject} in {place} ({alert}): the broker does not seem to \
             trust its issuer {issuer}; use a certificate that is signed by a CA that the broker trusts"
        )
    }
}

/// Whether the connection was closed right after it was opened, from librdkafka's note such as "(after 3ms in state UP)".
fn has_just_begun(reason: &str) -> bool {
    const SOON: u64 = 2000;
    let note = reason.rsplit_once("(after ").map_or("", |(_, note)| note);
    let Some((time, state)) = note.split_once("ms in state ") else { return false };
    time.parse().is_ok_and(|time: u64| time < SOON)
        && (state.starts_with("UP") || state.starts_with("APIVERSION"))
}

/// The broker that a reason is about. librdkafka's message starts with its name, such as `ssl://host:9093/bootstrap`.
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
    fn the_broker_is_parsed_from_the_reason() {
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
