//! What the reference says about the keys of a connector file.

use super::{Entry, Group};

/// The tables of the reference, by the name of their place in `docs/connector-files.md`.
pub(super) const GROUPS: &[Group] = &[
    Group { name: "top-level", path: "", entries: TOP_LEVEL },
    Group { name: "source", path: "source", entries: SOURCE },
    Group { name: "source.schema_registry", path: "source.schema_registry", entries: SCHEMA_REGISTRY },
    Group { name: "batch", path: "batch", entries: BATCH },
    Group { name: "flush", path: "flush", entries: FLUSH },
    Group { name: "transforms", path: "transforms[]", entries: TRANSFORMS },
    Group { name: "when", path: "transforms[].when", entries: WHEN },
    Group { name: "sink", path: "sink", entries: SINK },
    Group { name: "errors", path: "errors", entries: ERRORS },
    Group { name: "errors.retry", path: "errors.retry", entries: RETRY },
    Group { name: "restart", path: "restart", entries: RESTART },
    Group { name: "limits", path: "limits", entries: LIMITS },
    Group { name: "plugins", path: "plugins", entries: PLUGINS },
];

const TOP_LEVEL: &[Entry] = &[
    Entry { key: "description", default: "", about: "a description for users" },
    Entry {
        key: "enabled",
        default: "`true`",
        about: "whether the host runs the connector; a disabled file is validated as well",
    },
    Entry {
        key: "tasks",
        default: "`1`",
        about: "number of consumers in the connector's group; each has its own threads",
    },
    Entry {
        key: "isolation",
        default: "`\"thread\"`",
        about: "`\"process\"`: all tasks of the connector run in one child process; see [Isolation](operations.md#isolation)",
    },
    Entry { key: "source", default: "", about: "what the connector reads" },
    Entry { key: "batch", default: "", about: "when a batch is written" },
    Entry { key: "flush", default: "", about: "when a sink that is durable on flush is flushed" },
    Entry { key: "transforms", default: "", about: "transforms, in order" },
    Entry { key: "sink", default: "", about: "where records are written; required" },
    Entry { key: "errors", default: "", about: "what happens to rejected records and failed calls" },
    Entry { key: "restart", default: "", about: "when failed tasks are restarted" },
    Entry { key: "limits", default: "", about: "limits of the connector" },
    Entry { key: "plugins", default: "", about: "how plugins are loaded" },
    Entry {
        key: "connect",
        default: "",
        about: "options of Kafka Connect that this file was written from, for the [REST API](rest-api.md#connector-configuration). The connector does not read them",
    },
];

const SOURCE: &[Entry] = &[
    Entry { key: "topics", default: "", about: "topics to read; required unless `topics_regex` is set" },
    Entry {
        key: "topics_regex",
        default: "",
        about: "pattern that starts with `^`; also matches topics that are created later. See [Topics by pattern](#topics-by-pattern)",
    },
    Entry {
        key: "bootstrap_servers",
        default: "that of the host",
        about: "brokers as `host:port`, separated by commas. `--bootstrap-servers` does not change what a file sets here",
    },
    Entry {
        key: "group_id",
        default: "`connect-<name>`",
        about: "consumer group. Two connectors with the same group on the same brokers are rejected, because each would deliver only a part of the records",
    },
    Entry {
        key: "shared_group",
        default: "`false`",
        about: "allows other connectors to use the same group: they split the partitions on purpose. Set it in all of them",
    },
    Entry {
        key: "start",
        default: "`\"earliest\"`",
        about: "where a new group starts. Partitions that are added later start at their beginning",
    },
    Entry { key: "key_format", default: "`\"json\"`", about: "format of keys; see [Formats](formats.md)" },
    Entry { key: "value_format", default: "`\"json\"`", about: "format of values" },
    Entry {
        key: "key_reader_schema",
        default: "",
        about: "Avro schema that keys are [resolved to](formats.md#readers-schema): the path of a file, or the schema itself",
    },
    Entry { key: "value_reader_schema", default: "", about: "the same for values" },
    Entry {
        key: "header_format",
        default: "`\"raw\"`",
        about: "values of [headers](formats.md#headers). `\"raw\"`: text. `\"simple\"`: typed, as Kafka Connect's `SimpleHeaderConverter` reads them",
    },
    Entry {
        key: "max_depth",
        default: "`128`",
        about: "nested levels of a value in a binary format; a record with more is rejected",
    },
    Entry {
        key: "max_items",
        default: "`1000000`",
        about: "nested records and items of lists and maps of a value in a binary format; a record with more is rejected",
    },
    Entry {
        key: "change_events",
        default: "`\"auto\"`",
        about: "which values are [change events](change-events.md). `\"auto\"`: Debezium envelopes, and rows with fields that only flattening adds. `\"flattened\"`: every object is a [flattened row](change-events.md#flattened-rows), and every tombstone is a delete, unless the rows of the topic have `__deleted`. `\"upsert\"`: every object is a [row whose primary key is the message's key](change-events.md#rows-by-key), and every tombstone is a delete. `\"maxwell\"`, `\"canal\"`, `\"ticdc\"`, `\"dms\"`, `\"goldengate\"`, `\"cloudevents\"`: messages of [other tools](change-events.md#other-tools). `\"none\"`: no value is a change event",
    },
    Entry {
        key: "key_columns",
        default: "",
        about: "primary keys, by `table`, `schema.table` or `*`, for messages that [do not name their columns](change-events.md#primary-keys); see below",
    },
    Entry {
        key: "pass_control_events",
        default: "`false`",
        about: "transforms and sinks get [control events](change-events.md#control-events), such as heartbeats and transaction markers, as messages. By default they are counted and filtered",
    },
    Entry {
        key: "unavailable_value_placeholder",
        default: "`__debezium_unavailable_value`",
        about: "`unavailable.value.placeholder` of the source connector: what it sends for a large value that an update did not change",
    },
    Entry {
        key: "flattened_prefix",
        default: "`__`",
        about: "prefix of the fields that flattening adds to rows (`add.fields.prefix`, `add.headers.prefix`)",
    },
    Entry {
        key: "invalid_unicode",
        default: "`\"reject\"`",
        about: "a record with text that is not valid Unicode (invalid UTF-8, an unpaired surrogate) is rejected. `\"replace\"`: the invalid part is replaced by U+FFFD and a warning is logged",
    },
    Entry {
        key: "group_protocol",
        default: "`\"cooperative-sticky\"`",
        about: "all members of a group must use the same. `\"consumer\"`: the broker assigns partitions (KIP-848, Apache Kafka 4.0 and newer) and determines the session timeout",
    },
    Entry {
        key: "group_instance_id",
        default: "",
        about: "makes the members of the group [static](operations.md#rebalances): task `n` is the member `<value>-<n>`. Use a different value on each host",
    },
    Entry {
        key: "on_lost_position",
        default: "`\"fail\"`",
        about: "what to do when a [position is outside the log](operations.md#where-reading-starts): `\"fail\"` fails the task, `\"earliest\"` and `\"latest\"` continue at the beginning or the end of the log",
    },
    Entry {
        key: "on_oversized_batch",
        default: "`\"fail\"`",
        about: "what to do with a compressed batch that [unpacks](operations.md#memory) to more than a task's share of `limits.memory`: `\"fail\"` fails the task and names the batch, `\"skip\"` logs a warning, counts it in `tidegate_skipped_batches_total` and continues behind it: its records are not delivered",
    },
    Entry {
        key: "columns",
        default: "",
        about: "types of columns, by `table.column` or `schema.table.column`; see below",
    },
    Entry {
        key: "schema_registry",
        default: "that of the host",
        about: "the [schema registry](formats.md#schema-registry) of the topics; see below",
    },
    Entry { key: "properties", default: "", about: "properties for librdkafka; see below" },
];

/// Also the keys of the host file's `[schema_registry]`.
pub(super) const SCHEMA_REGISTRY: &[Entry] = &[
    Entry {
        key: "url",
        default: "",
        about: "base URL, or several of the same registry, as a list or separated by commas. If one does not answer, the next one is used. For Apicurio: `http://host:8080/apis/ccompat/v7` or `http://host:8080/apis/registry/v2`. Environment: `SCHEMA_REGISTRY_URL`",
    },
    Entry {
        key: "username",
        default: "",
        about: "user for basic authentication. Environment: `SCHEMA_REGISTRY_USERNAME`",
    },
    Entry {
        key: "password",
        default: "",
        about: "password for basic authentication. Environment: `SCHEMA_REGISTRY_PASSWORD`",
    },
    Entry { key: "bearer_token", default: "", about: "bearer token, instead of `username`" },
    Entry {
        key: "tls_ca_file",
        default: "the system's",
        about: "PEM file with the certificate authorities to trust",
    },
    Entry {
        key: "tls_certificate_file",
        default: "",
        about: "PEM file with the client certificate and its chain",
    },
    Entry {
        key: "tls_key_file",
        default: "the certificate file",
        about: "PEM file with the private key of the client certificate",
    },
    Entry { key: "tls_key_password", default: "", about: "password of the private key" },
    Entry {
        key: "apicurio_id",
        default: "`\"auto\"`",
        about: "kind of the ids in payloads that Apicurio's serializers wrote (`apicurio.registry.use-id`). `\"auto\"`: ids of 4 bytes are content ids, ids of 8 bytes are global ids",
    },
];

const BATCH: &[Entry] = &[
    Entry { key: "max_records", default: "`100`", about: "number of records. Environment: `BATCH_SIZE`" },
    Entry {
        key: "max_bytes",
        default: "`\"1 MiB\"`",
        about: "bytes of keys, values and headers, without the schemas that JSON with a schema repeats in every record; three batches must fit into the share of `limits.memory` of a task. A larger record is the only one in its batch",
    },
    Entry {
        key: "max_wait",
        default: "that of the sink",
        about: "how long a batch waits for more records. If neither the file nor the sink sets it, a batch is passed to the sink as soon as the sink is idle and no further record has arrived. Environment: `POLL_TIMEOUT`, in seconds",
    },
    Entry {
        key: "max_record_bytes",
        default: "`\"32 MiB\"`",
        about: "a larger record is rejected like one that cannot be decoded; it is still copied to the dead-letter topic, if there is one",
    },
];

const FLUSH: &[Entry] = &[
    Entry {
        key: "max_records",
        default: "that of the sink, or `100000`",
        about: "number of records written since the last flush",
    },
    Entry {
        key: "max_bytes",
        default: "that of the sink, or `\"64 MiB\"`",
        about: "bytes of keys, values and headers of the records read since the last flush",
    },
    Entry {
        key: "max_wait",
        default: "that of the sink, or `\"10s\"`",
        about: "time since the first record was written that is not flushed yet",
    },
];

const TRANSFORMS: &[Entry] = &[
    Entry { key: "plugin", default: "", about: "name of a transform; required" },
    Entry {
        key: "name",
        default: "the plugin's name",
        about: "for logs and errors; unique in the connector",
    },
    Entry {
        key: "when",
        default: "all records",
        about: "the records that the transform processes; other records bypass it",
    },
    Entry {
        key: "config",
        default: "",
        about: "options of the plugin: a table `[transforms.config]`, or `config.option = ..`",
    },
];

const WHEN: &[Entry] = &[
    Entry { key: "topic", default: "", about: "pattern that matches anywhere in the topic's name" },
    Entry {
        key: "table",
        default: "",
        about: "pattern that matches anywhere in the name of the changed table; records that are not change events do not match",
    },
    Entry { key: "header", default: "", about: "name of a header that the record has" },
    Entry { key: "tombstone", default: "", about: "whether the record has no value" },
    Entry {
        key: "operation",
        default: "",
        about: "one or more operations of change events; `create` is the same as `insert`, and `read` the same as `snapshot`",
    },
    Entry {
        key: "not",
        default: "",
        about: "`true` negates the whole predicate; a table contains conditions that must not all hold",
    },
];

const SINK: &[Entry] = &[
    Entry { key: "plugin", default: "", about: "name of a sink; required" },
    Entry { key: "config", default: "", about: "options of the plugin" },
];

const ERRORS: &[Entry] = &[
    Entry {
        key: "tolerance",
        default: "`\"none\"`",
        about: "a rejected record fails the task. `\"all\"` requires `dead_letter_topic` or `on_reject`",
    },
    Entry {
        key: "dead_letter_topic",
        default: "",
        about: "topic for rejected records, which are written unchanged; see [Dead letters](operations.md#dead-letters). `{topic}` is replaced by the topic of the record, `{connector}` by the name of the connector. The connector must not read this topic",
    },
    Entry {
        key: "dead_letter_partitions",
        default: "`1`",
        about: "number of partitions when a dead-letter topic is created",
    },
    Entry {
        key: "dead_letter_replication",
        default: "that of the brokers",
        about: "replication factor when it is created",
    },
    Entry {
        key: "on_reject",
        default: "",
        about: "`\"drop\"`, instead of `dead_letter_topic`: rejected records are logged, counted and skipped",
    },
    Entry {
        key: "max_rejected",
        default: "`1000`",
        about: "the task fails when it rejects more records than this within `window`, in all stages together",
    },
    Entry { key: "window", default: "`\"1m\"`", about: "time in which rejected records are counted" },
    Entry { key: "retry", default: "", about: "how errors that may pass are retried" },
];

const RETRY: &[Entry] = &[
    Entry {
        key: "initial",
        default: "`\"200ms\"`",
        about: "first delay; each further delay is twice as long, minus random jitter",
    },
    Entry { key: "max", default: "`\"60s\"`", about: "longest delay" },
    Entry { key: "timeout", default: "`\"15m\"`", about: "the task fails after this time" },
];

const RESTART: &[Entry] = &[
    Entry { key: "policy", default: "`\"on-failure\"`", about: "whether failed tasks are restarted" },
    Entry { key: "initial", default: "`\"1s\"`", about: "first delay, which doubles as above" },
    Entry { key: "max", default: "`\"5m\"`", about: "longest delay" },
    Entry {
        key: "max_restarts",
        default: "`10`",
        about: "restarts within `window`; after that, the task stays failed until you run `tidegate restart` or `resume`",
    },
    Entry { key: "window", default: "`\"1h\"`", about: "time in which restarts are counted" },
];

const LIMITS: &[Entry] = &[
    Entry {
        key: "memory",
        default: "`\"128 MiB\"`",
        about: "memory of all tasks together for batches, outputs of transforms and prefetched records. With `isolation = \"process\"`, memory of the whole child process: at least 22.5 MiB for one task and 6.5 MiB for each further task",
    },
    Entry {
        key: "cpu",
        default: "",
        about: "number of CPU cores that the child process may use on average, such as `0.5`; only with `isolation = \"process\"`",
    },
    Entry {
        key: "call_timeout",
        default: "`\"5m\"`",
        about: "when a plugin call takes longer without reporting progress, the task is STALLED. After twice that time the task fails and its thread is abandoned or, with `isolation = \"process\"`, its process is killed",
    },
    Entry {
        key: "shutdown",
        default: "`\"30s\"`",
        about: "how long stopping a task, or handing over its partitions, may take before it is cut short",
    },
];

const PLUGINS: &[Entry] = &[Entry {
    key: "reload",
    default: "`\"reopen\"`",
    about: "what happens when the library of one of its plugins is replaced: `reopen` opens the plugins of the new library between two batches, `restart` restarts the tasks, `never` keeps the library until the connector is restarted. If the new library fails to open or fails within its first batches, the copy that ran before is used again",
}];
