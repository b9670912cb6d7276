//! librdkafka's consumer, shared by the poll loop, the committer and look-ups; closes itself when all are gone.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::context::{Context, Question};
use super::outage::Line;
use super::to_list;

const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
const PROBE_PAUSE: Duration = Duration::from_millis(500);

/// The consumer and what is known about it by name.
pub(super) struct Core {
    pub(super) base: BaseConsumer<Context>,
    pub(super) group: String,
}

impl Core {
    /// Returns what the callbacks share.
    pub(super) fn context(&self) -> &Context {
        self.base.context()
    }

    /// Returns whether the poll loop has let go of the consumer.
    pub(super) fn is_closing(&self) -> bool {
        self.context().closing.load(Ordering::Acquire)
    }

    /// Says why brokers cannot be reached. Where that takes a look at them, it is said from a thread of its own.
    pub(super) fn say(&self, line: Line) {
        if !self.context().access.can_explain(line.reason()) {
            return self.context().say(&line);
        }
        let context = Arc::clone(self.base.client().context());
        let look = move || {
            let explained = context.access.explain(line.reason());
            context.say(&explained.map_or(line.clone(), |reason| line.because(reason)));
        };
        let started = thread::Builder::new().name("kafka look".to_owned()).spawn(look);
        if let Err(error) = started {
            tracing::debug!(%error, "no thread to look at the brokers");
        }
    }

    /// Watches for the end of an outage, on a thread of its own: an idle consumer would not notice it.
    pub(super) fn watch_outage(self: &Arc<Self>) {
        let core = Arc::downgrade(self);
        let started = thread::Builder::new().name("kafka probe".to_owned()).spawn(move || probe(&core));
        if let Err(error) = started {
            tracing::debug!(%error, "no thread to watch for the end of the outage");
        }
    }
}

fn probe(core: &Weak<Core>) {
    loop {
        thread::sleep(PROBE_PAUSE);
        let Some(core) = core.upgrade().filter(|core| !core.is_closing() && core.context().is_lost()) else {
            return;
        };
        if core.base.fetch_metadata(None, PROBE_TIMEOUT).is_ok() {
            core.context().answered();
            return;
        }
    }
}

impl Drop for Core {
    /// Prepares the drop of `base`, which leaves the group and waits for all rebalances to be answered.
    fn drop(&mut self) {
        self.context().closing.store(true, Ordering::Release);
        let question = self.context().question().take();
        let answered = match question {
            None => return,
            Some(Question::Assign { partitions, cooperative: true }) => {
                self.base.incremental_assign(&to_list(&partitions))
            }
            Some(Question::Revoke { partitions, cooperative: true }) => {
                self.base.incremental_unassign(&to_list(&partitions))
            }
            Some(_) => self.base.unassign(),
        };
        if let Err(error) = answered {
            tracing::debug!(%error, "last answer to a rebalance");
        }
    }
}
