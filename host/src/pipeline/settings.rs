//! The settings of a task.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    config::{BatchLimits, ErrorPolicy, FlushLimits, Predicate},
    formats::DecoderOptions,
    kafka::{
        consumer::{ConsumerSettings, Start},
        producer::{ProducerSettings, SendTimeouts},
    },
    plugins::Plugin,
};

/// One transform of a task.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformSettings {
    /// The plugin.
    pub plugin: Plugin,
    /// Name under which the connector uses it.
    pub name: String,
    /// Its configuration.
    pub config: serde_json::Value,
    /// Selects the records that are passed to it; `None` for all.
    pub when: Option<Predicate>,
}

/// The plugins of a task and their configuration. A [`TaskCommand::Reopen`](super::TaskCommand::Reopen) can replace them while
/// the task stays in its group.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginSettings {
    /// Transforms, in order.
    pub transforms: Vec<TransformSettings>,
    /// The sink.
    pub sink: Plugin,
    /// When the sink is flushed; `None` if it is durable after each write.
    pub flush: Option<FlushLimits>,
    /// Name under which the connector uses the sink.
    pub sink_name: String,
    /// The sink's configuration.
    pub sink_config: serde_json::Value,
}

/// Prints no configuration, because it may contain secrets.
impl fmt::Debug for PluginSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transforms: Vec<&str> = self.transforms.iter().map(|transform| &*transform.name).collect();
        f.debug_struct("PluginSettings")
            .field("transforms", &transforms)
            .field("sink", &self.sink_name)
            .finish_non_exhaustive()
    }
}

/// The settings of a task. `Debug` is not derived, because configurations contain secrets. They are serialised with the
/// rest.
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
    /// Where a new group starts.
    pub start: Start,
    /// Formats and column hints.
    pub decoder: DecoderOptions,
    /// Whether any stage reads decoded values.
    pub reads_values: bool,
    /// The plugins.
    pub plugins: PluginSettings,
    /// Batch limits.
    pub batch: BatchLimits,
    /// Memory budget of one batch in bytes, including the transforms' output.
    pub batch_memory: usize,
    /// What happens to rejected records and failed calls.
    pub errors: ErrorPolicy,
    /// A plugin call that takes longer counts as stalled.
    pub call_timeout: Duration,
    /// Time limit for an orderly stop, and for the release of revoked partitions.
    pub shutdown: Duration,
    /// Stop once all partitions are delivered up to the end that their logs had at assignment.
    pub until_end: bool,
}

impl TaskSettings {
    /// The producer of the task's dead letters: a client of the same cluster with the same properties.
    #[must_use]
    pub fn dead_letter_producer(&self) -> ProducerSettings {
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
