//! What the reference says about the keys of the host's file.

use super::{Entry, Group};

/// The tables of the reference, by the name of their place in `docs/connector-files.md`.
pub(super) const GROUPS: &[Group] = &[
    Group {
        name: "host",
        path: "",
        entries: &[
            Entry { key: "kafka", default: "", about: "the cluster" },
            Entry {
                key: "schema_registry",
                default: "",
                about: "the schema registry of all connectors that do not set their own",
            },
            Entry { key: "connectors", default: "", about: "where connector files are" },
            Entry { key: "plugins", default: "", about: "where plugin libraries are" },
            Entry { key: "api", default: "", about: "the [REST API](rest-api.md)" },
            Entry { key: "log", default: "", about: "the log" },
            Entry { key: "metrics", default: "", about: "which metrics are exported" },
            Entry {
                key: "otlp",
                default: "",
                about: "the [export to an OpenTelemetry collector](operations.md#opentelemetry)",
            },
            Entry { key: "host", default: "", about: "the host itself" },
            Entry { key: "limits", default: "", about: "limits of the host with all its connectors" },
            Entry {
                key: "defaults",
                default: "",
                about: "defaults for any key of a connector file; the keys of the connector take precedence",
            },
        ],
    },
    Group {
        name: "host.kafka",
        path: "kafka",
        entries: &[
            Entry {
                key: "bootstrap_servers",
                default: "`\"localhost:9092\"`",
                about: "brokers of all connectors that do not set their own. Environment: `KAFKA_BOOTSTRAP_SERVERS`",
            },
            Entry { key: "properties", default: "", about: "librdkafka properties for all connectors" },
        ],
    },
    Group {
        name: "host.schema_registry",
        path: "schema_registry",
        entries: super::connector_text::SCHEMA_REGISTRY,
    },
    Group {
        name: "host.api",
        path: "api",
        entries: &[
            Entry {
                key: "listen",
                default: "`\"127.0.0.1:8083\"`",
                about: "address of the REST API; `\"off\"` for none. Option of the command line: `--api`",
            },
            Entry {
                key: "hosts",
                default: "",
                about: "names that clients may use in URLs, beside `localhost` and IP addresses",
            },
            Entry { key: "tokens", default: "", about: "bearer tokens" },
            Entry { key: "users", default: "", about: "users with passwords" },
            Entry {
                key: "tls_certificate_file",
                default: "",
                about: "PEM file with the certificate and its chain, for HTTPS. It is read again when it changes",
            },
            Entry { key: "tls_key_file", default: "", about: "PEM file with its private key" },
            Entry {
                key: "tls_client_ca_file",
                default: "",
                about: "PEM file with a certificate authority: clients with a certificate of it may read and write",
            },
            Entry {
                key: "allow_files",
                default: "",
                about: "files, and folders of files, that `${file:..}` may name in configurations that come over the API",
            },
            Entry {
                key: "allow_env",
                default: "",
                about: "variables that `${env:..}` may name there; `*` at the end of a name stands for any text",
            },
        ],
    },
    Group {
        name: "host.api.tokens",
        path: "api.tokens[]",
        entries: &[
            Entry { key: "name", default: "", about: "name in the log; required" },
            Entry {
                key: "token",
                default: "",
                about: "the token, of at least 16 characters, such as `\"${file:/run/secrets/token}\"`; required",
            },
            Entry { key: "scope", default: "`\"read\"`", about: "what the token allows" },
        ],
    },
    Group {
        name: "host.api.users",
        path: "api.users[]",
        entries: &[
            Entry { key: "name", default: "", about: "name of the user; required" },
            Entry {
                key: "password_hash",
                default: "",
                about: "Argon2 hash of the password, as `argon2` prints it with `-e`; required",
            },
            Entry { key: "scope", default: "`\"read\"`", about: "what the user may do" },
        ],
    },
    Group {
        name: "host.connectors",
        path: "connectors",
        entries: &[
            Entry {
                key: "dir",
                default: "`\"connectors.d\"`",
                about: "folder of connector files, or a list of folders",
            },
            Entry {
                key: "watch",
                default: "`true`",
                about: "whether added, changed and deleted connector files, rotated secrets, changes of this file and replaced plugin libraries take effect while the host runs",
            },
        ],
    },
    Group {
        name: "host.plugins",
        path: "plugins",
        entries: &[Entry {
            key: "dirs",
            default: "the executable's folder, and `plugins` in it",
            about: "folders of plugin libraries",
        }],
    },
    Group {
        name: "host.log",
        path: "log",
        entries: &[
            Entry {
                key: "format",
                default: "`\"human\"`, or fields if stderr is connected to systemd's journal",
                about: "format of log lines",
            },
            Entry {
                key: "batch_interval",
                default: "`\"10s\"`",
                about: "a task logs what it has written to a table at most once in this time; `\"0s\"` logs every batch",
            },
            Entry {
                key: "repeat_interval",
                default: "`\"30s\"`",
                about: "after 100 like lines of a task in this time, further ones are counted and summarized in one line at its end; `\"0s\"` logs every line",
            },
            Entry {
                key: "level",
                default: "`\"info\"`",
                about: "`error`, `warning`, `info`, `debug` or `trace`. Environment: `LOG_LEVEL`",
            },
        ],
    },
    Group {
        name: "host.metrics",
        path: "metrics",
        entries: &[
            Entry {
                key: "partition_lag",
                default: "`true`",
                about: "whether the lag of each partition is exported, as `tidegate_partition_lag_records`",
            },
            Entry {
                key: "max_partitions",
                default: "`200`",
                about: "partitions of a connector whose lag is exported at most; the sum of all is always exported",
            },
            Entry {
                key: "kafka_connect_names",
                default: "`false`",
                about: "whether the metrics are also exported under [the names that dashboards for Kafka Connect use](operations.md#kafka-connects-names)",
            },
        ],
    },
    Group {
        name: "host.otlp",
        path: "otlp",
        entries: &[
            Entry {
                key: "endpoint",
                default: "",
                about: "base URL of the collector, such as `\"http://localhost:4318\"`; `/v1/metrics` and `/v1/traces` are appended. Without it, nothing is exported",
            },
            Entry { key: "protocol", default: "`\"http/protobuf\"`", about: "encoding of requests" },
            Entry {
                key: "headers",
                default: "",
                about: "HTTP headers of every request, such as `{ authorization = \"${file:/run/secrets/otlp}\" }`; they are secrets",
            },
            Entry { key: "metrics", default: "`true`", about: "whether metrics are exported" },
            Entry { key: "interval", default: "`\"1m\"`", about: "how often metrics are exported" },
            Entry { key: "traces", default: "`true`", about: "whether batches are traced" },
            Entry { key: "trace_ratio", default: "`1`", about: "part of the batches that are traced" },
            Entry { key: "service_name", default: "`\"tidegate\"`", about: "the attribute `service.name`" },
            Entry {
                key: "resource_attributes",
                default: "",
                about: "further attributes of the host, such as `{ \"deployment.environment.name\" = \"prod\" }`",
            },
        ],
    },
    Group {
        name: "host.host",
        path: "host",
        entries: &[Entry {
            key: "state_dir",
            default: "`\"state\"`",
            about: "folder for private copies of plugins and the control socket",
        }],
    },
    Group {
        name: "host.limits",
        path: "limits",
        entries: &[Entry {
            key: "memory",
            default: "`\"512 MiB\"`, or more if the connectors need it",
            about: "memory of all connectors together for batches, outputs of transforms and prefetched records; see [Memory](operations.md#memory). Needed: 4 MiB per \
                    task, and `limits.memory` of each connector with `isolation = \"process\"`",
        }],
    },
];
