//! `[metrics]` of the host's file: which metrics are exported, besides those that always are.

use super::section::Section;

/// `[metrics]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `partition_lag`: whether the lag of each partition is exported. Default: true.
    pub partition_lag: bool,
    /// `max_partitions`: partitions of a connector whose lag is exported at most, 1 to 100000. Default: 200.
    pub max_partitions: usize,
    /// `kafka_connect_names`: whether the metrics are also exported under Kafka Connect's names. Default: false.
    pub kafka_connect_names: bool,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { partition_lag: true, max_partitions: 200, kafka_connect_names: false }
    }
}

impl MetricsConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let partitions = section.integer("max_partitions", 1..=100_000);
        let metrics = Self {
            partition_lag: section.boolean("partition_lag").unwrap_or(default.partition_lag),
            max_partitions: partitions
                .and_then(|partitions| usize::try_from(partitions).ok())
                .unwrap_or(default.max_partitions),
            kafka_connect_names: section
                .boolean("kafka_connect_names")
                .unwrap_or(default.kafka_connect_names),
        };
        section.finish();
        metrics
    }
}
