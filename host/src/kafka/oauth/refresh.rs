//! The thread that renews a client's tokens before they expire.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::ClientContext;
use rdkafka::client::Client;

use super::source::{OAuthError, Token, TokenSource};
use crate::kafka::ffi;

const FIRST_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(30);

/// The result of setting a token on a client.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kafka) enum TokenOutcome {
    /// The token was set.
    Accepted,
    /// The client rejected it, for this reason.
    Rejected(String),
    /// The client was dropped.
    ClientGone,
}

/// Receives tokens.
pub(in crate::kafka) trait TokenReceiver: Send + 'static {
    /// Sets a token.
    fn apply_token(&self, token: &Token) -> TokenOutcome;

    /// Called when no new token could be obtained; the attempt is repeated. `is_new` is false if the reason is the same
    /// as before.
    fn on_failure(&self, reason: &str, is_new: bool);

    /// Called when a token was obtained after a failure.
    fn on_recovery(&self);
}

/// A client whose failures are only logged.
struct LoggedClient<F> {
    /// Its name in the log.
    name: String,
    /// Sets a token on it.
    set_token: F,
}

impl<F: Fn(&Token) -> TokenOutcome + Send + 'static> TokenReceiver for LoggedClient<F> {
    fn apply_token(&self, token: &Token) -> TokenOutcome {
        (self.set_token)(token)
    }

    fn on_failure(&self, reason: &str, is_new: bool) {
        if is_new {
            tracing::warn!(client = self.name, reason, "cannot get an OAuth token for kafka; retrying");
        }
    }

    fn on_recovery(&self) {
        tracing::info!(client = self.name, "got an OAuth token for kafka again");
    }
}

/// Renews the tokens of a client until it is dropped.
#[derive(Debug)]
pub(in crate::kafka) struct TokenRefresher {
    /// Dropping it wakes and ends the thread.
    _stop: Sender<()>,
}

impl TokenRefresher {
    /// Like [`Self::start`], for a client whose failures are only logged. Does nothing if there is no token source.
    pub(in crate::kafka) fn for_client(
        tokens: Option<TokenSource>,
        name: &str,
        set_token: impl Fn(&Token) -> TokenOutcome + Send + 'static,
    ) -> std::io::Result<Option<Self>> {
        let start = |source| Self::start(source, name, LoggedClient { name: name.to_owned(), set_token });
        tokens.map(start).transpose()
    }

    /// Starts the thread: it obtains a token, sets it on `client`, and repeats that after four fifths of its lifetime.
    /// Failures are reported and retried.
    pub(in crate::kafka) fn start(
        source: TokenSource,
        name: &str,
        client: impl TokenReceiver,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        thread::Builder::new().name(format!("oauth {name}")).spawn(move || {
            let mut failure = Failure::default();
            loop {
                let wait = match source.fetch() {
                    Ok(token) => match client.apply_token(&token) {
                        TokenOutcome::Accepted => {
                            failure.over(&client, until_refresh(token.expires, SystemTime::now()))
                        }
                        TokenOutcome::Rejected(reason) => failure.again(&client, &reason),
                        TokenOutcome::ClientGone => return,
                    },
                    Err(error) => failure.again(&client, &error.to_string()),
                };
                if stopped.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

/// Returns the time until a token is renewed: four fifths of its remaining lifetime.
fn until_refresh(expires: SystemTime, now: SystemTime) -> Duration {
    let left = expires.duration_since(now).unwrap_or_default();
    (left * 4 / 5).max(FIRST_RETRY)
}

/// The current failure, to report each reason once, and the backoff.
#[derive(Default)]
struct Failure {
    reported: Option<String>,
    wait: Duration,
}

impl Failure {
    fn again(&mut self, client: &impl TokenReceiver, reason: &str) -> Duration {
        let is_new = self.reported.as_deref() != Some(reason);
        client.on_failure(reason, is_new);
        if is_new {
            self.reported = Some(reason.to_owned());
        }
        self.wait = (self.wait * 2).clamp(FIRST_RETRY, MAX_RETRY);
        self.wait
    }

    fn over(&mut self, client: &impl TokenReceiver, next: Duration) -> Duration {
        if self.reported.take().is_some() {
            client.on_recovery();
        }
        self.wait = Duration::ZERO;
        next
    }
}

/// Returns milliseconds since the Unix epoch, as librdkafka expects them.
fn epoch_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Sets `token` on a client.
pub(in crate::kafka) fn apply_token<C: ClientContext>(client: &Client<C>, token: &Token) -> TokenOutcome {
    let expires = epoch_ms(token.expires);
    let set = ffi::set_oauth_token(client, &token.value, &token.principal, expires, &token.extensions);
    set.map_or_else(TokenOutcome::Rejected, |()| TokenOutcome::Accepted)
}

/// Obtains a token and sets it on a client, once: for clients that exist for one query.
pub(in crate::kafka) fn set_token_once<C: ClientContext>(
    client: &Client<C>,
    source: &TokenSource,
) -> Result<Token, OAuthError> {
    let token = source.fetch()?;
    match apply_token(client, &token) {
        TokenOutcome::Rejected(reason) => {
            tracing::debug!(reason, "kafka client rejected the OAuth token");
            Err(OAuthError::Incomplete("a token that the kafka client accepts"))
        }
        TokenOutcome::Accepted | TokenOutcome::ClientGone => Ok(token),
    }
}
