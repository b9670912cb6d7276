//! Explains failed TLS handshakes, SASL logins and OAuth tokens, and suggests fixes.
//!
//! librdkafka reports that certificate verification failed, but neither which certificate nor why. After such a failure,
//! [`tls_probe`] repeats the handshake to inspect the certificate.

mod certificate;
mod tls;
mod tls_probe;
mod tls_settings;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;

use super::error_rules::ErrorClass;
use super::oauth::Token;
use tls::TlsFailureHint;
use tls_settings::Tls;

/// Authentication settings of a client.
pub(super) struct Access {
    tls: Tls,
    logs_in: bool,
    mechanism: String,
    user: Option<String>,
    /// The last token that was set on the client.
    token: Mutex<Option<TokenInfo>>,
}

/// The parts of a token that error messages may show.
struct TokenInfo {
    subject: String,
    audience: String,
    issuer: String,
    expires: SystemTime,
}

/// An error that a client does not recover from by itself.
#[derive(Debug)]
pub(super) struct FatalError {
    pub(super) reason: String,
    /// What the user should do.
    pub(super) fix: String,
    /// Whether a restart may help.
    pub(super) class: ErrorClass,
}

impl Access {
    pub(super) fn of(properties: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| properties.get(name).cloned();
        Self {
            tls: Tls::of(properties),
            logs_in: get("security.protocol")
                .is_some_and(|protocol| protocol.to_ascii_lowercase().starts_with("sasl")),
            mechanism: get("sasl.mechanism").or_else(|| get("sasl.mechanisms")).unwrap_or_default(),
            user: get("sasl.username"),
            token: Mutex::default(),
        }
    }

    /// Whether [`Self::explain`] may know more about a failed connection than librdkafka's `reason`.
    pub(super) fn can_explain(&self, reason: &str) -> bool {
        self.hint(reason).is_some()
    }

    /// Explains why a connection failed and what to do, if more is known than librdkafka's `reason`. May probe the broker,
    /// which blocks for a few seconds.
    pub(super) fn explain(&self, reason: &str) -> Option<String> {
        self.tls.explain(self.hint(reason)?, reason)
    }

    fn hint(&self, reason: &str) -> Option<TlsFailureHint> {
        TlsFailureHint::of(reason, self.logs_in)
    }

    /// Explains a failed login; `reason` is librdkafka's.
    pub(super) fn login_error(&self, reason: &str) -> FatalError {
        let reason = without_state(reason);
        if self.mechanism.eq_ignore_ascii_case("OAUTHBEARER") {
            return self.token_error(reason);
        }
        let (user, mechanism) = (self.user.as_deref().unwrap_or_default(), &self.mechanism);
        FatalError {
            reason: format!("kafka rejected the login of user {user:?} with {mechanism}: {reason}"),
            fix: "correct `sasl.username` or `sasl.password`, or set `sasl.mechanism` to the one that the user's password \
                  was created for"
                .to_owned(),
            class: ErrorClass::Restart,
        }
    }

    /// Records a token that was set on the client, for later error messages.
    pub(super) fn note_token(&self, token: &Token) {
        let info = TokenInfo {
            subject: token.principal.clone(),
            audience: token.audience.clone(),
            issuer: token.issuer.clone(),
            expires: token.expires,
        };
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(info);
    }

    /// Whether the client has a token that is still valid.
    pub(super) fn has_token(&self) -> bool {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.as_ref().is_some_and(|token| token.expires > SystemTime::now())
    }

    /// The principal as in Kafka's ACLs, where it is known.
    pub(super) fn principal(&self) -> String {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let user = token.as_ref().map(|token| &token.subject).or(self.user.as_ref());
        user.map_or_else(|| "the user".to_owned(), |user| format!("User:{user}"))
    }

    fn token_error(&self, reason: &str) -> FatalError {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(token) = &*token else {
            let fix = "check the log for why no token could be obtained".to_owned();
            let reason = format!("kafka requires an OAuth token: {reason}");
            return FatalError { reason, fix, class: ErrorClass::Restart };
        };
        let TokenInfo { subject, audience, issuer, expires } = token;
        let until = date(*expires);
        let claims =
            format!("subject {subject:?}, audience {audience:?}, issuer {issuer:?}, valid until {until}");
        let fix = if *expires <= SystemTime::now() {
            "the token has expired: renew it at its source, or correct the clock of this machine"
        } else {
            "compare its audience, issuer and signing key with the brokers' `sasl.oauthbearer.expected.audience`, \
             `.expected.issuer` and `.jwks.endpoint.url`; the broker log has the details"
        };
        FatalError {
            reason: format!("kafka rejected the OAuth token ({claims}): {reason}"),
            fix: fix.to_owned(),
            class: ErrorClass::Restart,
        }
    }
}

/// Removes librdkafka's note on the connection state from a reason, because it differs each time.
pub(super) fn without_state(reason: &str) -> &str {
    reason.rsplit_once(" (after ").map_or(reason, |(reason, _)| reason)
}

/// Formats a time like the validity dates of certificates.
pub(super) fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = i64::try_from(seconds).ok().and_then(|seconds| Asn1Time::from_unix(seconds).ok());
    time.map_or_else(|| format!("{seconds} s after 1970"), |time| time.to_string())
}
