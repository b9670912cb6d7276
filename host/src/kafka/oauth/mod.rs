//! SASL/OAUTHBEARER: the sources of tokens, and the thread that sets them on a client.
//!
//! librdkafka can only fetch tokens itself when it is built with curl. So its properties for that are read here, with
//! the same names and meaning. Tokens are set from a separate thread before they expire, so a slow token endpoint never
//! blocks a poll loop.

mod refresh;
mod source;

pub(super) use refresh::{TokenOutcome, TokenReceiver, TokenRefresher, apply_token, set_token_once};
pub use source::OAuthError;
pub(super) use source::{Token, TokenSource};

#[cfg(test)]
mod tests;
