//! Watches plugin calls: a call that exceeds `limits.call_timeout` is reported, and after twice that time the task
//! fails.

use super::PollLoop;
use crate::pipeline::error::TaskError;

impl PollLoop<'_> {
    pub(super) fn watch_calls(&mut self) {
        let limit = self.settings.call_timeout;
        let overdue = self.clocks.iter().find_map(|clock| clock.overdue(limit));
        let Some((stage, waited)) = overdue else {
            if self.flow.overdue_call().is_some() {
                self.flow.set_overdue_call(None);
                tracing::info!("the stalled plugin call has returned");
            }
            return;
        };
        if waited > limit * 2 {
            return self.flow.fail(TaskError::Hung { stage, waited, limit });
        }
        if self.flow.overdue_call().is_none() {
            let text = format!("{stage} has not returned for {} s", waited.as_secs());
            tracing::warn!("stalled: {text}");
            self.flow.set_overdue_call(Some(text));
        }
    }
}
