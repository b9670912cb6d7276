//! What a task is made from.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    config::{BatchLimits, ErrorPolicy, Predicate},
    formats::DecoderOptions,
    kafka::{
        consumer::{ConsumerSettings, Start},
        producer::{ProducerSettings, SendTimeouts},
    },
    plugins::Plugin,
};

/// One transform of a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TransformSettings {
    /// The plugin.
    pub plugin: Plugin,
    /// Name under which the connector uses it.
    pub name: String,
    /// Its configuration.
    pub config: serde_json::Value,
    /// Which records it sees; all, if none is given.
    pub when: Option<Predicate>,
}

/// What a task is made from. `Debug` is not derived: configurations hold secrets, which are serialised with the rest.
#[derive(Clone, Serialize, Deserialize)]
pub struct TaskSettings {
    /// Connector's name.
    pub connector: String,
    /// Task's number, from 0.
    pub task: u32,
    /// How many tasks the connector has.
    pub tasks: u32,
    /// The consumer.
    pub consumer: ConsumerSettings,
    /// Where a new group begins.
    pub start: Start,
    /// Formats and column hints.
    pub decoder: DecoderOptions,
    /// Whether any stage looks at decoded values.
    pub reads_values: bool,
    /// Transforms, in order.
    pub transforms: Vec<TransformSettings>,
    /// The sink.
    pub sink: Plugin,
    /// Name under which the connector uses the sink.
    pub sink_name: String,
    /// The sink's configuration.
    pub sink_config: serde_json::Value,
    /// Batch limits.
    pub batch: BatchLimits,
    /// Bytes that one batch may take with all that transforms make of it.
    pub batch_memory: usize,
    /// What happens to refused records and failed calls.
    pub errors: ErrorPolicy,
    /// A plugin call that takes longer is stalled.
    pub call_timeout: Duration,
    /// Longest time for the orderly end of a task, and for handing partitions over.
    pub shutdown: Duration,
    /// End by itself once all partitions are delivered to the end that their logs had.
    pub until_end: bool,
}

impl TaskSettings {
    /// The producer of the task's dead letters: a client of the same cluster, by the same properties.
    #[must_use]
    pub fn letters_producer(&self) -> ProducerSettings {
        let retry = &self.errors.retry;
        ProducerSettings {
            owner: format!("{}-{}", self.connector, self.task),
            bootstrap_servers: self.consumer.bootstrap_servers.clone(),
            client_id: format!("{}-dead-letters", self.consumer.client_id),
            properties: self.consumer.properties.clone(),
            timeouts: SendTimeouts { initial: retry.initial, max: retry.max, timeout: retry.timeout },
        }
    }
}
