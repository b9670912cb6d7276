//! Configuration: connector files, the host's file, the environment and flags become typed, validated definitions.
//!
//! TOML is parsed into a tree with the line of every key (`document`), a connector's tree is merged over
//! the host's `[defaults]`, placeholders are resolved (`interpolate`), and sections are read out of it
//! (`section`). Reading continues after an error: all findings of all files are returned at once as [`Diagnostics`],
//! each with file, line, key path and what to do. Precedence: connector file, flag, environment, host file, default.

mod api;
mod connect;
mod connector;
mod diagnostic;
mod document;
mod environment;
mod host_file;
mod interpolate;
mod keys;
mod load;
mod memory_limit;
mod metrics;
mod otlp;
mod plugin_config;
mod properties;
mod reference;
mod registry;
mod report;
mod secrets;
mod section;
mod suggest;
#[cfg(test)]
mod tests;

pub use api::{ApiConfig, ApiScope, ApiTls, ApiToken, ApiUser};
pub use connect::{Finding, Import, MASK, Options, References, from_file, references, to_file};
pub use connector::{
    BatchDefaults, BatchLimits, BatchOverrides, ChangeKind, ConnectorDefinition, DeadLetterPolicy,
    ErrorPolicy, FlushLimits, FlushOverrides, GroupProtocol, Isolation, Limits, OnLostPosition,
    OnOversizedBatch, OnReject, PluginReload, PluginUse, Predicate, RestartPolicy, RestartWhen, RetryPolicy,
    SourceDefinition, Start, Subscription, TextPattern, TopicTemplate, TransformDefinition,
};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use environment::Environment;
pub use host_file::{HostConfig, HostFlags, KafkaConfig, LogConfig, LogFormat, LogLevel};
pub use load::{
    FoundConnectors, LoadedConnectors, ReadConnector, find_connectors, is_connector_name, load_connectors,
    read_connector, read_connector_file, same_name_errors, shared_group_errors,
};
pub use memory_limit::MemoryLimit;
pub use metrics::MetricsConfig;
pub use otlp::{OtlpConfig, OtlpEncoding};
pub use plugin_config::{PluginCatalog, PluginKind, PluginSummary};
pub use properties::ClientProperties;
pub use reference::{connector_schema, host_file_schema};
pub use secrets::Secrets;
