//! OAuth tokens for a consumer: handed to librdkafka as they come, and what is said when there is none.

use std::sync::Weak;

use rdkafka::consumer::Consumer as _;

use super::core::Core;
use super::stalls::Cause;
use crate::kafka::oauth::{Supplied, Supply, Token, supply};

/// A consumer that wants tokens for as long as it lives.
pub(super) struct Holder(pub(super) Weak<Core>);

impl Supplied for Holder {
    fn supply(&self, token: &Token) -> Supply {
        let Some(core) = self.0.upgrade() else { return Supply::Gone };
        core.context().access.note_token(token);
        let supplied = supply(core.base.client(), token);
        if supplied == Supply::Taken {
            core.context().goes_on(&Cause::Token);
        }
        supplied
    }

    fn lacks(&self, reason: &str, news: bool) {
        let Some(core) = self.0.upgrade() else { return };
        let context = core.context();
        if news {
            let (connector, task) = (&context.connector, context.task);
            tracing::warn!(connector, task, reason, "no OAuth token for kafka; retrying");
        }
        if !context.access.has_token() {
            context.stalls(Cause::Token, format!("there is no OAuth token for kafka: {reason}"));
        }
    }

    fn has_again(&self) {
        let Some(core) = self.0.upgrade() else { return };
        let context = core.context();
        tracing::info!(
            connector = context.connector,
            task = context.task,
            "there is an OAuth token for kafka again"
        );
    }
}
