//! The thread that gets a client its tokens before the old ones expire.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::ClientContext;
use rdkafka::client::Client;

use super::source::{OAuthError, Token, TokenSource};
use crate::kafka::ffi;

const FIRST_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(30);

/// Whether a client still wants tokens.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kafka) enum TokenOutcome {
    /// It took the token.
    Accepted,
    /// It refused it, for this reason.
    Rejected(String),
    /// It is gone.
    ClientGone,
}

/// Whom tokens are for.
pub(in crate::kafka) trait TokenReceiver: Send + 'static {
    /// Takes a token.
    fn apply_token(&self, token: &Token) -> TokenOutcome;

    /// Hears why there is no new one; it is tried again. The reason may be `news`, or that of the last time.
    fn on_failure(&self, reason: &str, news: bool);

    /// Hears that there is one again.
    fn on_recovery(&self);
}

/// A client that only the log hears of.
struct LoggedClient<F> {
    /// What the log calls it.
    name: String,
    /// Hands it a token.
    set_token: F,
}

impl<F: Fn(&Token) -> TokenOutcome + Send + 'static> TokenReceiver for LoggedClient<F> {
    fn apply_token(&self, token: &Token) -> TokenOutcome {
        (self.set_token)(token)
    }

    fn on_failure(&self, reason: &str, news: bool) {
        if news {
            tracing::warn!(client = self.name, reason, "cannot get an OAuth token for kafka; retrying");
        }
    }

    fn on_recovery(&self) {
        tracing::info!(client = self.name, "got an OAuth token for kafka again");
    }
}

/// Keeps a client supplied with tokens until it is dropped.
#[derive(Debug)]
pub(in crate::kafka) struct TokenRefresher {
    /// Dropping it wakes and ends the thread.
    _stop: Sender<()>,
}

impl TokenRefresher {
    /// As [`Self::start`], for a client that is told of nothing else, if it needs tokens at all.
    pub(in crate::kafka) fn for_client(
        tokens: Option<TokenSource>,
        name: &str,
        set_token: impl Fn(&Token) -> TokenOutcome + Send + 'static,
    ) -> std::io::Result<Option<Self>> {
        let start = |source| Self::start(source, name, LoggedClient { name: name.to_owned(), set_token });
        tokens.map(start).transpose()
    }

    /// Starts the thread: it gets a token at once, hands it to `client`, and again when four fifths of its lifetime are
    /// over. Failures are told and retried.
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

/// Returns how long to keep a token: four fifths of what is left of it.
fn until_refresh(expires: SystemTime, now: SystemTime) -> Duration {
    let left = expires.duration_since(now).unwrap_or_default();
    (left * 4 / 5).max(FIRST_RETRY)
}

/// Remembers a failure until it changes or is over, and backs off.
#[derive(Default)]
struct Failure {
    said: Option<String>,
    wait: Duration,
}

impl Failure {
    fn again(&mut self, client: &impl TokenReceiver, reason: &str) -> Duration {
        let news = self.said.as_deref() != Some(reason);
        client.on_failure(reason, news);
        if news {
            self.said = Some(reason.to_owned());
        }
        self.wait = (self.wait * 2).clamp(FIRST_RETRY, MAX_RETRY);
        self.wait
    }

    fn over(&mut self, client: &impl TokenReceiver, next: Duration) -> Duration {
        if self.said.take().is_some() {
            client.on_recovery();
        }
        self.wait = Duration::ZERO;
        next
    }
}

/// Returns milliseconds since the Unix epoch, as librdkafka wants them.
fn epoch_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Hands `token` to a client.
pub(in crate::kafka) fn apply_token<C: ClientContext>(client: &Client<C>, token: &Token) -> TokenOutcome {
    let expires = epoch_ms(token.expires);
    let set = ffi::set_oauth_token(client, &token.value, &token.principal, expires, &token.extensions);
    set.map_or_else(TokenOutcome::Rejected, |()| TokenOutcome::Accepted)
}

/// Gets a token and hands it to a client, once: for clients that live for one look-up.
pub(in crate::kafka) fn set_token_once<C: ClientContext>(
    client: &Client<C>,
    source: &TokenSource,
) -> Result<Token, OAuthError> {
    let token = source.fetch()?;
    match apply_token(client, &token) {
        TokenOutcome::Rejected(reason) => {
            tracing::debug!(reason, "kafka client refused the OAuth token");
            Err(OAuthError::Incomplete("a token that the kafka client accepts"))
        }
        TokenOutcome::Accepted | TokenOutcome::ClientGone => Ok(token),
    }
}
