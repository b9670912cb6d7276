//! The thread that gets a client its tokens before the old ones expire.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::ClientContext;
use rdkafka::client::Client;

use super::source::{OAuthError, Token, TokenSource};
use crate::kafka::ffi;

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Whether a client still wants tokens.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Supply {
    /// It took the token.
    Taken,
    /// It refused it, for this reason.
    Refused(String),
    /// It is gone.
    Gone,
}

/// Keeps a client supplied with tokens until it is dropped.
#[derive(Debug)]
pub(in crate::kafka) struct Refresher {
    /// Dropping it wakes and ends the thread.
    _stop: Sender<()>,
}

impl Refresher {
    /// Starts the thread: it gets a token at once, hands it to `supply`, and again when four fifths of its
    /// lifetime are over. Failures are logged once until they change, and retried.
    pub(in crate::kafka) fn start(
        source: TokenSource,
        name: &str,
        supply: impl Fn(&Token) -> Supply + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let owner = name.to_owned();
        thread::Builder::new().name(format!("oauth {name}")).spawn(move || {
            let mut failure = Failure::default();
            loop {
                let wait = match source.fetch() {
                    Ok(token) => match supply(&token) {
                        Supply::Taken => {
                            failure.over(&owner, until_refresh(token.expires, SystemTime::now()))
                        }
                        Supply::Refused(reason) => failure.again(&owner, &reason),
                        Supply::Gone => return,
                    },
                    Err(error) => failure.again(&owner, &error.to_string()),
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

/// Says a failure once until it changes or is over, and backs off.
#[derive(Default)]
struct Failure {
    said: Option<String>,
    wait: Duration,
}

impl Failure {
    fn again(&mut self, client: &str, reason: &str) -> Duration {
        if self.said.as_deref() != Some(reason) {
            tracing::warn!(client, reason, "no OAuth token for kafka; retrying");
            self.said = Some(reason.to_owned());
        }
        self.wait = (self.wait * 2).clamp(FIRST_RETRY, LONGEST_RETRY);
        self.wait
    }

    fn over(&mut self, client: &str, next: Duration) -> Duration {
        if self.said.take().is_some() {
            tracing::info!(client, "OAuth token for kafka renewed");
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
pub(in crate::kafka) fn supply<C: ClientContext>(client: &Client<C>, token: &Token) -> Supply {
    let expires = epoch_ms(token.expires);
    let set = ffi::set_oauth_token(client, &token.value, &token.principal, expires, &token.extensions);
    set.map_or_else(Supply::Refused, |()| Supply::Taken)
}

/// Gets a token and hands it to a client, once: for clients that live for one look-up.
pub(in crate::kafka) fn supply_once<C: ClientContext>(
    client: &Client<C>,
    source: &TokenSource,
) -> Result<(), OAuthError> {
    match supply(client, &source.fetch()?) {
        Supply::Refused(reason) => {
            tracing::debug!(reason, "kafka client refused the OAuth token");
            Err(OAuthError::Incomplete("a token that the kafka client accepts"))
        }
        Supply::Taken | Supply::Gone => Ok(()),
    }
}
