//! SASL/OAUTHBEARER: where tokens come from, and the thread that keeps a client supplied with them.
//!
//! librdkafka gets tokens itself only when it is built with curl, so its properties for that are taken over
//! here, with the same names and meaning. Tokens are set from a thread of their own, before they expire: a slow
//! token endpoint never holds up a poll loop.

mod refresh;
mod source;

pub(super) use refresh::{TokenOutcome, TokenReceiver, TokenRefresher, apply_token, set_token_once};
pub use source::OAuthError;
pub(super) use source::{Token, TokenSource};

#[cfg(test)]
mod tests;
