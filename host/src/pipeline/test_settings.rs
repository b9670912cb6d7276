//! Settings of a task in tests: rejected records are dropped, and values are not decoded.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use crate::{
    config::{BatchLimits, ErrorPolicy, OnReject, RetryPolicy},
    formats::{DecoderOptions, Format},
    kafka::consumer::{ConsumerSettings, OnLostPosition, OnOversizedBatch, Protocol, Start, Topics},
    pipeline::{PluginSettings, TaskSettings, TransformSettings},
    plugins::Plugin,
};

/// `isolates_partitions`: the sink can go on with other partitions while one fails.
pub(super) fn test_settings(isolates_partitions: bool) -> TaskSettings {
    let hour = Duration::from_secs(3600);
    // Never opened.
    let transform = TransformSettings {
        plugin: sink(isolates_partitions),
        name: "test".to_owned(),
        config: json!({}),
        when: None,
    };
    TaskSettings {
        connector: "test".to_owned(),
        task: 0,
        tasks: 1,
        consumer: consumer(),
        start: Start::Earliest,
        decoder: DecoderOptions { key: Format::Bytes, value: Format::Bytes, ..DecoderOptions::default() },
        reads_values: false,
        plugins: PluginSettings {
            transforms: vec![transform],
            sink: sink(isolates_partitions),
            flush: None,
            sink_name: "test".to_owned(),
            sink_config: json!({}),
        },
        batch: BatchLimits {
            max_records: 8,
            max_bytes: 1 << 20,
            max_wait: Duration::from_millis(200),
            lingers: false,
            max_record_bytes: 1 << 20,
        },
        batch_memory: 1 << 20,
        errors: ErrorPolicy {
            on_reject: OnReject::Drop,
            max_rejected: u64::MAX,
            window: hour,
            retry: RetryPolicy {
                initial: Duration::from_millis(100),
                max: Duration::from_secs(1),
                timeout: 10_000 * hour,
            },
        },
        call_timeout: hour,
        shutdown: Duration::from_secs(5),
        until_end: false,
    }
}

fn consumer() -> ConsumerSettings {
    ConsumerSettings {
        connector: "test".to_owned(),
        task: 0,
        bootstrap_servers: String::new(),
        group_id: "test".to_owned(),
        client_id: "test".to_owned(),
        topics: Topics::List(vec!["t".to_owned()]),
        protocol: Protocol::Consumer,
        instance_id: None,
        on_lost_position: OnLostPosition::Fail,
        on_oversized_batch: OnOversizedBatch::Fail,
        unpacked_bytes: 1 << 20,
        queue_bytes: 0,
        max_record_bytes: 0,
        properties: BTreeMap::new(),
    }
}

fn sink(isolates_partitions: bool) -> Plugin {
    let plugin = json!({
        "stored": { "origin": "test", "copy": "test" },
        "library": { "version": "1", "build": "" },
        "manifest": {
            "name": "test", "description": "", "kind": "sink", "config_schema": {}, "reads_values": false,
            "isolates_partitions": isolates_partitions, "durable_on_flush": false, "one_copy_per_process": false,
        },
    });
    serde_json::from_value(plugin).expect("a plugin")
}
