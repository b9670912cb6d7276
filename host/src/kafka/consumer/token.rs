//! Sets OAuth tokens on a consumer, and reports when no token can be obtained.

use std::sync::Weak;

use rdkafka::consumer::Consumer as _;

use super::core::Core;
use super::stalls::StallCause;
use crate::kafka::oauth::{Token, TokenOutcome, TokenReceiver, apply_token};

/// Receives tokens for a consumer as long as it exists.
pub(super) struct ConsumerTokens(pub(super) Weak<Core>);

impl TokenReceiver for ConsumerTokens {
    fn apply_token(&self, token: &Token) -> TokenOutcome {
        let Some(core) = self.0.upgrade() else { return TokenOutcome::ClientGone };
        core.context().access.note_token(token);
        let supplied = apply_token(core.base.client(), token);
        if supplied == TokenOutcome::Accepted {
            core.context().end_stall(&StallCause::Token);
        }
        supplied
    }

    fn on_failure(&self, reason: &str, is_new: bool) {
        let Some(core) = self.0.upgrade() else { return };
        let context = core.context();
        if is_new {
            let (connector, task) = (&context.connector, context.task);
            tracing::warn!(connector, task, reason, "cannot get an OAuth token for kafka; retrying");
        }
        if !context.access.has_token() {
            context.begin_stall(StallCause::Token, format!("no OAuth token for kafka: {reason}"));
        }
    }

    fn on_recovery(&self) {
        let Some(core) = self.0.upgrade() else { return };
        let context = core.context();
        tracing::info!(
            connector = context.connector,
            task = context.task,
            "got an OAuth token for kafka again"
        );
    }
}
