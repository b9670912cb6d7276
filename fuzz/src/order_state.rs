//! What was stored of the order of events: in the metadata of a group's commits, which anyone may write.

use tidegate_abi::host::Batch;

use crate::{
    Message, Task,
    fixtures::{captured, part},
    formats::{DecoderOptions, Reading, RecordDecoder},
    seeds,
};

/// The fuzz target: some change events, read after any state.
pub struct OrderState(Vec<Vec<u8>>);

impl Default for OrderState {
    fn default() -> Self {
        Self::new()
    }
}

impl OrderState {
    /// Writes seeds: the states after some events.
    pub fn new() -> Self {
        let events: Vec<Vec<u8>> = [
            "shop-string/json.jsonl.gz",
            "reports/13.flattened-rows.jsonl.gz",
            "reports/04.mysql-failover-lower-binlog.jsonl.gz",
        ]
        .iter()
        .flat_map(|file| captured(file).into_iter().take(40).filter_map(|line| part(&line, "value")))
        .collect();
        let target = Self(events);
        let mut task = target.task(None);
        let states = target.0.iter().map(|event| {
            task.decode(Message { value: Some(event), ..Message::default() });
            task.decoder.state(&task.topic, 0).map(|state| state.to_vec()).unwrap_or_default()
        });
        seeds::write("order_state", states.collect::<Vec<_>>());
        target
    }

    fn task(&self, state: Option<&[u8]>) -> Task {
        let mut task = Task::new(RecordDecoder::new(DecoderOptions::default()));
        let topic = task.topic.clone();
        task.decoder.open(&Reading { topic: &topic, partition: 0, assignment: 1, offset: 0, state });
        task.batch = Batch::new();
        task
    }

    /// Reads events after a state, and the state that is stored then once more.
    pub fn run(&mut self, state: &[u8]) {
        let mut task = self.task(Some(state));
        for event in self.0.iter().step_by(11) {
            task.decode(Message { value: Some(event), ..Message::default() });
        }
        let stored = task.decoder.state(&task.topic.clone(), 0);
        let stored = stored.as_deref().unwrap_or_default();
        assert!(stored.len() <= 3000, "{} bytes", stored.len());
        let mut next = self.task(Some(stored));
        let again = next.decoder.state(&next.topic.clone(), 0);
        assert_eq!(again.as_deref().unwrap_or_default(), stored);
    }
}
