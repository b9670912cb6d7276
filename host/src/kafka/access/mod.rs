//! Why a client is not let in: certificates, logins and tokens, explained with what to do about them.
//!
//! librdkafka tells that a certificate was not accepted, but neither which one nor why. So after such a failure the handshake
//! is done once more, here, for a look at the certificate ([`handshake`]).

mod certificate;
mod handshake;
mod tls;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;

use super::oauth::Token;
use tls::{Suspicion, Tls};

/// What a client knows about how it is to be let in.
pub(super) struct Access {
    tls: Tls,
    logs_in: bool,
    mechanism: String,
    user: Option<String>,
    /// The last token that was handed to the client.
    token: Mutex<Option<TokenFacts>>,
}

/// What may be said of a token.
struct TokenFacts {
    subject: String,
    audience: String,
    issuer: String,
    expires: SystemTime,
}

/// What went wrong, and what to do.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) fix: String,
}

impl Access {
    /// Reads what there is to know in a client's properties.
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

    /// Whether [`Self::explain`] may know more about the failure of a connection.
    pub(super) fn can_explain(&self, reason: &str) -> bool {
        self.suspicion(reason).is_some()
    }

    /// Says why a connection failed and what to do, if more than `reason`, which is librdkafka's, is known. Asks the broker
    /// again, which blocks for some seconds at most.
    pub(super) fn explain(&self, reason: &str) -> Option<String> {
        self.tls.explain(self.suspicion(reason)?, reason)
    }

    fn suspicion(&self, reason: &str) -> Option<Suspicion> {
        Suspicion::of(reason, self.logs_in)
    }

    /// Explains the failure of a login, of which librdkafka says `reason`.
    pub(super) fn refused_login(&self, reason: &str) -> Refusal {
        let reason = without_state(reason);
        if self.mechanism.eq_ignore_ascii_case("OAUTHBEARER") {
            return self.refused_token(reason);
        }
        let (user, mechanism) = (self.user.as_deref().unwrap_or_default(), &self.mechanism);
        Refusal {
            reason: format!("kafka refuses user {user:?} with {mechanism}: {reason}"),
            fix: "correct `sasl.username` or `sasl.password`, or set `sasl.mechanism` to the one that the user has a \
                  password for"
                .to_owned(),
        }
    }

    /// Remembers a token that is handed to the client.
    pub(super) fn note_token(&self, token: &Token) {
        let facts = TokenFacts {
            subject: token.principal.clone(),
            audience: token.audience.clone(),
            issuer: token.issuer.clone(),
            expires: token.expires,
        };
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(facts);
    }

    /// Whether the client has a token that is still valid.
    pub(super) fn has_token(&self) -> bool {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.as_ref().is_some_and(|token| token.expires > SystemTime::now())
    }

    /// The user as Kafka's lists of rights name it, where that is known.
    pub(super) fn principal(&self) -> String {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let user = token.as_ref().map(|token| &token.subject).or(self.user.as_ref());
        user.map_or_else(|| "the user".to_owned(), |user| format!("User:{user}"))
    }

    fn refused_token(&self, reason: &str) -> Refusal {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(token) = &*token else {
            let fix = "see the log for why there is no token".to_owned();
            return Refusal { reason: format!("kafka refuses to go without an OAuth token: {reason}"), fix };
        };
        let TokenFacts { subject, audience, issuer, expires } = token;
        let until = date(*expires);
        let said =
            format!("subject {subject:?}, audience {audience:?}, issuer {issuer:?}, valid until {until}");
        let fix = if *expires <= SystemTime::now() {
            "it has expired: have its source give a fresh one, or set this machine's clock right"
        } else {
            "compare its audience, issuer and signing key with the brokers' `sasl.oauthbearer.expected.audience`, \
             `.expected.issuer` and `.jwks.endpoint.url`; their log says what they miss"
        };
        Refusal { reason: format!("kafka refuses the OAuth token ({said}): {reason}"), fix: fix.to_owned() }
    }
}

/// A reason of librdkafka's without its notes on the connection's state, which differ each time.
pub(super) fn without_state(reason: &str) -> &str {
    reason.rsplit_once(" (after ").map_or(reason, |(reason, _)| reason)
}

/// A point in time for people, as certificates are told about.
pub(super) fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = i64::try_from(seconds).ok().and_then(|seconds| Asn1Time::from_unix(seconds).ok());
    time.map_or_else(|| format!("{seconds} s after 1970"), |time| time.to_string())
}

#[cfg(test)]
mod tests;
