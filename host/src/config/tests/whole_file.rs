//! Files that are fine: every key arrives where it belongs, and what is left out has its default.

use std::time::Duration;

use super::*;
use crate::config::OtlpEncoding;
use crate::formats::{ChangeEvents, ColumnHint, Format, HeaderFormat, InvalidUnicode};
use crate::kafka::TopicPattern;

pub(super) const EVERYTHING: &str = r#"
description = "Customers, upserted by primary key"
enabled = false
tasks = 2
isolation = "process"

[source]
topics_regex = '^cdc\.public\.'
bootstrap_servers = "kafka:9092"
group_id = "mine"
start = "latest"
key_format = "string"
value_format = "bytes"
header_format = "simple"
invalid_unicode = "replace"
group_protocol = "range"
group_instance_id = "host-a"
on_lost_position = "earliest"
change_events = "flattened"
flattened_prefix = "cdc_"
pass_control_events = true
unavailable_value_placeholder = "n/a"
[source.columns]
"products.price" = { decimal = 2 }
"public.products.added" = "timestamp_micros"
products.id = "uuid"
sales.total = { decimal = 4 }
odd.decimal = "json"
"permissions.flags" = { bits = 16 }
"permissions.mask" = "bits"
odd.bits = "uuid"
[source.properties]
"fetch.min.bytes" = 1048576
"sasl.password" = "hunter2"
socket.keepalive.enable = true

[batch]
max_records = 500
max_bytes = "2 MiB"
max_wait = "250ms"
max_record_bytes = 8388608

[[transforms]]
plugin = "prices"
when = { topic = 'products$', header = "h", tombstone = false, operation = ["update", "create"], not = { table = '^x' } }
config = { field = "price" }
[[transforms]]
plugin = "prices"
name = "second"
when = { operation = "delete", not = true }
[transforms.config]
field = "cost"

[sink]
plugin = "console"
[sink.config]
style = "compact"
color = true
target = { path = "out.txt" }

[errors]
tolerance = "all"
on_reject = "drop"
max_rejected = 5
window = "2m"
[errors.retry]
initial = "100ms"
max = "10s"
timeout = "1m"

[restart]
policy = "never"
initial = "2s"
max = "1m"
max_restarts = 3
window = "30m"

[limits]
memory = "64 MiB"
cpu = 1.5
call_timeout = "1m"
shutdown = "10s"

[plugins]
reload = "never"
"#;

#[test]
fn every_key_arrives() {
    let seconds = Duration::from_secs;
    let connector = only(EVERYTHING);
    assert_eq!(connector.name, "a");
    assert!(connector.file.ends_with("connectors.d/a.toml"));
    assert_eq!(connector.description.as_deref(), Some("Customers, upserted by primary key"));
    assert_eq!((connector.enabled, connector.tasks, connector.isolation), (false, 2, Isolation::Process));

    let source = &connector.source;
    let pattern = TopicPattern::parse(r"^cdc\.public\.").unwrap();
    assert_eq!(source.subscription, Subscription::Pattern(pattern));
    assert_eq!((source.bootstrap_servers.as_str(), source.group_id.as_str()), ("kafka:9092", "mine"));
    assert_eq!((source.start, source.group_protocol), (Start::Latest, GroupProtocol::Range));
    assert_eq!(source.group_instance_id.as_deref(), Some("host-a"));
    assert_eq!(source.on_lost_position, OnLostPosition::Earliest);
    assert_eq!(source.change_events, ChangeEvents::Flattened);
    assert_eq!(source.flattened_prefix.as_deref(), Some("cdc_"));
    assert!(source.pass_control_events);
    assert_eq!(source.unavailable_value_placeholder.as_deref(), Some("n/a"));
    assert_eq!((source.key_format, source.value_format), (Format::String, Format::Bytes));
    assert_eq!(source.header_format, HeaderFormat::Simple);
    assert_eq!(source.invalid_unicode, InvalidUnicode::Replace);
    let columns: Vec<_> = source.columns.iter().map(|(name, hint)| (name.as_str(), *hint)).collect();
    assert_eq!(
        columns,
        [
            ("odd.bits", ColumnHint::Uuid),
            ("odd.decimal", ColumnHint::Json),
            ("permissions.flags", ColumnHint::Bits { length: Some(16) }),
            ("permissions.mask", ColumnHint::Bits { length: None }),
            ("products.id", ColumnHint::Uuid),
            ("products.price", ColumnHint::Decimal { scale: 2 }),
            ("public.products.added", ColumnHint::TimestampMicros),
            ("sales.total", ColumnHint::Decimal { scale: 4 }),
        ]
    );
    assert_eq!(
        source.properties.iter().collect::<Vec<_>>(),
        [("fetch.min.bytes", "1048576"), ("sasl.password", "hunter2"), ("socket.keepalive.enable", "true")]
    );

    let limits = connector.batch.resolve(BatchDefaults::default());
    assert_eq!((limits.max_records, limits.max_bytes), (500, 2 << 20));
    assert_eq!((limits.max_wait, limits.max_record_bytes), (Duration::from_millis(250), 8 << 20));
    assert_eq!(connector.sink.plugin, "console");
    assert_eq!(
        connector.sink.config,
        json!({ "style": "compact", "color": true, "target": { "path": "out.txt" } })
    );
    let retry = RetryPolicy { initial: Duration::from_millis(100), max: seconds(10), timeout: seconds(60) };
    let errors = ErrorPolicy { on_reject: OnReject::Drop, max_rejected: 5, window: seconds(120), retry };
    assert_eq!(connector.errors, errors);
    let restart = RestartPolicy {
        policy: RestartWhen::Never,
        initial: seconds(2),
        max: seconds(60),
        max_restarts: 3,
        window: seconds(1800),
    };
    assert_eq!(connector.restart, restart);
    let limits =
        Limits { memory: 64 << 20, cpu: Some(1500), call_timeout: seconds(60), shutdown: seconds(10) };
    assert_eq!(connector.limits, limits);
}

#[test]
fn transforms_and_their_predicates_arrive() {
    let connector = only(EVERYTHING);
    let [first, second] = connector.transforms.as_slice() else { panic!("{connector:?}") };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("prices", "second"));
    assert_eq!(second.plugin.config, json!({ "field": "cost" }));
    let when = first.when.as_ref().unwrap();
    assert!(when.topic.as_ref().unwrap().is_match("cdc.public.products") && when.table.is_none());
    assert_eq!((when.header.as_deref(), when.tombstone, when.negated), (Some("h"), Some(false), false));
    assert_eq!(when.operations, [ChangeKind::Update, ChangeKind::Insert]);
    assert!(when.unless.as_ref().unwrap().table.is_some());
    let when = second.when.as_ref().unwrap();
    assert!(when.negated && when.unless.is_none());
    assert_eq!(when.operations, [ChangeKind::Delete]);
}

#[test]
fn predicates_and_secrets_cross_to_another_process() {
    let connector = only(EVERYTHING);
    let when = connector.transforms[0].when.as_ref().unwrap();
    let there: Predicate = serde_json::from_value(serde_json::to_value(when).unwrap()).unwrap();
    assert_eq!(format!("{there:?}"), format!("{when:?}"));
    assert!(there.topic.unwrap().is_match("cdc.public.products"));
    let secrets: Secrets = serde_json::from_value(serde_json::to_value(&connector.secrets).unwrap()).unwrap();
    assert_eq!(secrets.scrub("it is hunter2"), "it is ***");
}

#[test]
fn what_is_left_out_has_its_default() {
    let connector = only(MINIMAL);
    assert_eq!((connector.enabled, connector.tasks, connector.transforms.len()), (true, 1, 0));
    let source = &connector.source;
    assert_eq!(source.subscription, Subscription::Topics(vec!["cdc.public.customers".into()]));
    assert_eq!(
        (source.bootstrap_servers.as_str(), source.group_id.as_str()),
        ("localhost:9092", "connect-a")
    );
    assert_eq!((source.start, source.group_protocol), (Start::Earliest, GroupProtocol::CooperativeSticky));
    assert_eq!((source.group_instance_id.as_ref(), source.on_lost_position), (None, OnLostPosition::Fail));
    assert_eq!((source.key_format, source.value_format), (Format::Json, Format::Json));
    assert_eq!(source.header_format, HeaderFormat::Raw);
    assert_eq!((source.change_events, source.flattened_prefix.as_ref()), (ChangeEvents::Auto, None));
    assert!(source.key_columns.is_empty() && !source.pass_control_events);
    assert_eq!(source.unavailable_value_placeholder, None);
    assert_eq!(source.invalid_unicode, InvalidUnicode::Reject);
    assert_eq!(connector.sink.config, json!({}));
    assert_eq!((connector.errors.on_reject, connector.errors.max_rejected), (OnReject::Fail, 1000));
    assert_eq!(connector.errors.window, Duration::from_secs(60));
    let retry = connector.errors.retry;
    assert_eq!((retry.initial, retry.max), (Duration::from_millis(200), Duration::from_secs(60)));
    assert_eq!(retry.timeout, Duration::from_secs(900));
    assert_eq!((connector.restart.policy, connector.restart.max_restarts), (RestartWhen::OnFailure, 10));
    assert_eq!(
        (connector.restart.initial, connector.restart.max),
        (Duration::from_secs(1), Duration::from_secs(300))
    );
    let limits = connector.limits;
    assert_eq!((connector.isolation, limits.cpu), (Isolation::Thread, None));
    assert_eq!((limits.memory, limits.call_timeout), (128 << 20, Duration::from_secs(300)));
    assert_eq!(limits.shutdown, Duration::from_secs(30));
}

#[test]
fn a_single_topic_needs_no_list() {
    let connector = only("source.topics = \"one\"\nsink.plugin = \"discard\"");
    assert_eq!(connector.source.subscription, Subscription::Topics(vec!["one".into()]));
}

#[test]
fn the_longest_wait_moves_the_first_and_the_other_way_round() {
    let retry = |extra: &str| only(&format!("{MINIMAL}[errors.retry]\n{extra}")).errors.retry;
    let short = retry("max = \"100ms\"");
    assert_eq!((short.initial, short.max), (Duration::from_millis(100), Duration::from_millis(100)));
    let long = retry("initial = \"2m\"");
    assert_eq!((long.initial, long.max), (Duration::from_secs(120), Duration::from_secs(120)));
}

#[test]
fn the_hosts_file_arrives() {
    let (host, findings) = Folder::new()
        .host(
            r#"
            [kafka]
            bootstrap_servers = "a:1,b:2"
            properties = { "security.protocol" = "ssl" }
            [plugins]
            dirs = ["target/debug", "/usr/lib/tidegate"]
            [connectors]
            dir = "elsewhere"
            [log]
            format = "json"
            level = "debug"
            batch_interval = "1m"
            repeat_interval = "2m"
            [otlp]
            endpoint = "http://localhost:4318/"
            protocol = "http/json"
            headers = { x-api-key = "hunter2" }
            trace_ratio = 0.5
            resource_attributes = { deployment.environment.name = "prod", "host.name" = "h" }
            [host]
            state_dir = "/var/lib/tidegate"
            "#,
        )
        .read_host();
    assert_eq!(findings, [""; 0]);
    assert_eq!(host.kafka.bootstrap_servers, "a:1,b:2");
    assert_eq!(host.kafka.properties.get("security.protocol"), Some("ssl"));
    assert_eq!(host.plugin_dirs, [PathBuf::from("target/debug"), "/usr/lib/tidegate".into()]);
    assert_eq!((host.connectors, host.state_dir), (vec!["elsewhere".into()], "/var/lib/tidegate".into()));
    let otlp = host.otlp.clone().expect("it has an endpoint");
    assert_eq!((otlp.endpoint.as_str(), otlp.encoding), ("http://localhost:4318", OtlpEncoding::Json));
    assert_eq!((otlp.trace_ratio, otlp.interval), (0.5, Duration::from_secs(60)));
    let attributes: Vec<&str> = otlp.resource_attributes.keys().map(String::as_str).collect();
    assert_eq!(attributes, ["deployment.environment.name", "host.name"]);
    assert!(!format!("{otlp:?}").contains("hunter2"));
    assert_eq!(host.secrets.scrub("hunter2"), "***");
    assert_eq!(
        host.log,
        LogConfig {
            format: Some(LogFormat::Json),
            level: LogLevel::Debug,
            batch_interval: Duration::from_secs(60),
            repeat_interval: Duration::from_secs(120),
        }
    );
}

#[test]
fn without_a_file_the_host_has_its_defaults() {
    let (host, findings) = Folder::new().read_host();
    assert_eq!(findings, [""; 0]);
    assert_eq!(host.kafka.bootstrap_servers, "localhost:9092");
    assert_eq!((host.connectors, host.state_dir), (vec!["connectors.d".into()], "state".into()));
    assert_eq!((host.plugin_dirs, host.log), (vec![], LogConfig::default()));
}

#[test]
fn key_columns() {
    let folder = Folder::new().connector(
        "a",
        r#"
[source]
topics = ["t"]
change_events = "canal"
[source.key_columns]
"shop.orders" = ["region", "no"]
items = "id"
shop.lines = ["order", "line"]
"*" = ["id"]
[sink]
plugin = "discard"
"#,
    );
    let loaded = folder.load();
    assert_eq!(folder.lines(&loaded.diagnostics), [""; 0]);
    let keys: Vec<_> = loaded.valid[0]
        .source
        .key_columns
        .iter()
        .map(|(table, key)| (table.as_str(), key.join(",")))
        .collect();
    let expected = [("*", "id"), ("items", "id"), ("shop.lines", "order,line"), ("shop.orders", "region,no")];
    assert_eq!(keys, expected.map(|(table, key)| (table, key.to_owned())));
}
