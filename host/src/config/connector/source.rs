//! `[source]`: what a connector reads, as which group, from where on, and in which formats.

use std::collections::BTreeMap;

use super::LoadContext;
use super::columns;
use super::key_columns;
use super::reader_schema;
use super::topic_samples;
use crate::config::properties::ClientProperties;
use crate::config::registry;
use crate::config::section::Section;
use crate::formats::registry::RegistrySettings;
use crate::formats::{
    ChangeEvents, ColumnHint, DecodeLimits, Format, HeaderFormat, InvalidUnicode, placeholder_text,
};
use crate::kafka::TopicPattern;

/// More levels than this do not fit the stack of a task's thread.
const MAX_DEPTH: u64 = 256;

/// The topics that a connector subscribes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// These topics, each named once.
    Topics(Vec<String>),
    /// Every topic that this pattern matches, also those that are created later. It begins with `^`.
    Pattern(TopicPattern),
}

impl Subscription {
    /// Whether a topic is read.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        match self {
            Self::Topics(topics) => topics.iter().any(|known| known == topic),
            Self::Pattern(pattern) => pattern.takes(topic),
        }
    }
}

/// Where a group without a committed offset starts. Default: the earliest record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record that is still there.
    Earliest,
    /// With the next record that is written.
    Latest,
}

/// How the members of a group share partitions. Default: cooperative-sticky.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// Members keep their partitions during a rebalance.
    CooperativeSticky,
    /// Consecutive partitions per member; every rebalance revokes all partitions.
    Range,
    /// Partitions in turn; every rebalance revokes all partitions.
    RoundRobin,
    /// The broker assigns, member by member (KIP-848): Apache Kafka 4.0 and newer.
    Consumer,
}

/// What happens when a partition's position is outside its log. Default: the task fails and names the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLostPosition {
    /// The task fails.
    Fail,
    /// Reading continues at the earliest offset.
    Earliest,
    /// Reading continues at the latest offset.
    Latest,
}

/// What happens to a batch that unpacks to more than a task's share of `limits.memory`. Default: the task fails and names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOversizedBatch {
    /// The task fails.
    Fail,
    /// It is reported, and reading continues behind it.
    Skip,
}

/// `[source]` of a connector file.
#[derive(Clone, Debug)]
pub struct SourceDefinition {
    /// `topics` or `topics_regex`; one of the two is required.
    pub subscription: Subscription,
    /// `bootstrap_servers`: brokers as `host:port`, comma-separated. Default: those of `--bootstrap-servers`, of the
    /// environment (`KAFKA_BOOTSTRAP_SERVERS`) or of the host.
    pub bootstrap_servers: String,
    /// `group_id`: the consumer group. Default: `connect-<name>`, or `<CONSUMER_GROUP_ID>-<name>`.
    pub group_id: String,
    /// `shared_group`: another connector of this host may use the same group, and the two split the partitions. Default:
    /// false.
    pub shared_group: bool,
    /// `start`: where a new group starts.
    pub start: Start,
    /// `key_format`.
    pub key_format: Format,
    /// `value_format`.
    pub value_format: Format,
    /// `header_format`: whether the values of headers have types.
    pub header_format: HeaderFormat,
    /// `change_events`: which values are change events, and in which form. Default: those in Debezium's envelope, and
    /// rows with the metadata fields of a flattening transform.
    pub change_events: ChangeEvents,
    /// `flattened_prefix`: the prefix of the metadata fields that were added to flattened rows. Default: `__`.
    pub flattened_prefix: Option<String>,
    /// `[source.key_columns]`: primary keys by `table` or `schema.table`, where messages do not name them. Default: none.
    pub key_columns: BTreeMap<String, Vec<String>>,
    /// `pass_control_events`: transforms and sinks get control events, such as heartbeats. Default: false, they are
    /// filtered.
    pub pass_control_events: bool,
    /// `unavailable_value_placeholder`: what the source connector sends for a large value that an update left alone.
    /// Default: `__debezium_unavailable_value`.
    pub unavailable_value_placeholder: Option<String>,
    /// `invalid_unicode`: what happens to bytes that are not valid UTF-8, and to unpaired surrogates. Default: the
    /// record is rejected.
    pub invalid_unicode: InvalidUnicode,
    /// `group_protocol`.
    pub group_protocol: GroupProtocol,
    /// `group_instance_id`: makes the members of the group static; task number `n` of this host is `<value>-<n>`.
    /// Default: none.
    pub group_instance_id: Option<String>,
    /// `on_lost_position`.
    pub on_lost_position: OnLostPosition,
    /// `on_oversized_batch`.
    pub on_oversized_batch: OnOversizedBatch,
    /// `[source.schema_registry]`: the registry of the topics' schemas. Default: that of the environment or of the host.
    pub registry: Option<RegistrySettings>,
    /// `key_reader_schema`: the Avro schema that keys are resolved to. Default: that of their writer.
    pub key_reader_schema: Option<String>,
    /// `value_reader_schema`: the Avro schema that values are resolved to. Default: that of their writer.
    pub value_reader_schema: Option<String>,
    /// `max_depth` and `max_items`: bounds of binary formats.
    pub decode_limits: DecodeLimits,
    /// `[source.columns]`: type hints by `table.column` or `schema.table.column`. Default: none.
    pub columns: BTreeMap<String, ColumnHint>,
    /// `[source.properties]` over `[kafka.properties]` of the host: everything else for librdkafka.
    pub properties: ClientProperties,
}

impl SourceDefinition {
    /// Reads `[source]`; `None` without topics to subscribe to.
    pub(super) fn read(mut section: Section<'_>, name: &str, context: &LoadContext<'_>) -> Option<Self> {
        let subscription = read_subscription(&mut section);
        let source = Self {
            bootstrap_servers: read_servers(&mut section, context),
            group_id: read_group(&mut section, name, context),
            shared_group: section.boolean("shared_group").unwrap_or(false),
            start: section
                .choice("start", vec![("earliest", Start::Earliest), ("latest", Start::Latest)])
                .unwrap_or(Start::Earliest),
            key_format: section.choice("key_format", formats()).unwrap_or(Format::Json),
            value_format: section.choice("value_format", formats()).unwrap_or(Format::Json),
            header_format: read_header_format(&mut section),
            change_events: read_change_events(&mut section),
            flattened_prefix: section.name("flattened_prefix"),
            key_columns: key_columns::read(&section.section("key_columns")),
            pass_control_events: section.boolean("pass_control_events").unwrap_or(false),
            unavailable_value_placeholder: read_placeholder(&mut section),
            invalid_unicode: read_invalid_unicode(&mut section),
            group_protocol: read_protocol(&mut section),
            group_instance_id: section.name("group_instance_id"),
            on_lost_position: read_on_lost_position(&mut section),
            on_oversized_batch: section
                .choice(
                    "on_oversized_batch",
                    vec![("fail", OnOversizedBatch::Fail), ("skip", OnOversizedBatch::Skip)],
                )
                .unwrap_or(OnOversizedBatch::Fail),
            registry: registry::read_source(
                section.section("schema_registry"),
                &context.host.overrides.registry,
                &context.host.registry,
            ),
            key_reader_schema: reader_schema::read(&mut section, "key_reader_schema"),
            value_reader_schema: reader_schema::read(&mut section, "value_reader_schema"),
            decode_limits: read_decode_limits(&mut section),
            columns: columns::read(&section.section("columns")),
            properties: ClientProperties::read(
                &section.section("properties"),
                &context.host.kafka.properties,
            ),
            subscription: subscription.unwrap_or(Subscription::Topics(vec![])),
        };
        check_protocol(&section, &source);
        check_formats(&section, &source);
        check_change_events(&section, &source);
        section.finish();
        Some(source).filter(|source| source.subscription != Subscription::Topics(vec![]))
    }
}

fn read_placeholder(section: &mut Section<'_>) -> Option<String> {
    let key = "unavailable_value_placeholder";
    let placeholder = section.name(key)?;
    if let Err(error) = placeholder_text(&placeholder) {
        let help = "write the value of unavailable.value.placeholder in the source connector".to_owned();
        section.error(key, format!("{placeholder:?} cannot be a placeholder: {error}"), Some(help));
        return None;
    }
    Some(placeholder)
}

fn read_header_format(section: &mut Section<'_>) -> HeaderFormat {
    let choices = vec![("raw", HeaderFormat::Raw), ("simple", HeaderFormat::Simple)];
    section.choice("header_format", choices).unwrap_or_default()
}

fn read_invalid_unicode(section: &mut Section<'_>) -> InvalidUnicode {
    let choices = vec![("reject", InvalidUnicode::Reject), ("replace", InvalidUnicode::Replace)];
    section.choice("invalid_unicode", choices).unwrap_or_default()
}

fn read_protocol(section: &mut Section<'_>) -> GroupProtocol {
    let protocols = vec![
        ("cooperative-sticky", GroupProtocol::CooperativeSticky),
        ("range", GroupProtocol::Range),
        ("roundrobin", GroupProtocol::RoundRobin),
        ("consumer", GroupProtocol::Consumer),
    ];
    section.choice("group_protocol", protocols).unwrap_or(GroupProtocol::CooperativeSticky)
}

/// librdkafka would reject these only when the connector starts.
fn check_protocol(section: &Section<'_>, source: &SourceDefinition) {
    if source.group_protocol != GroupProtocol::Consumer {
        return;
    }
    for name in ["session.timeout.ms", "heartbeat.interval.ms"] {
        if source.properties.get(name).is_some() {
            let message = format!("{name} is set by the broker when it assigns the partitions");
            section.error("properties", message, Some("remove it, or use another group_protocol".to_owned()));
        }
    }
}

/// What formats need, and what is of no use without them.
fn check_formats(section: &Section<'_>, source: &SourceDefinition) {
    let sides = [
        ("key_format", source.key_format, "key_reader_schema"),
        ("value_format", source.value_format, "value_reader_schema"),
    ];
    for (key, format, reader_schema) in sides {
        if format.needs_registry() && source.registry.is_none() {
            let help = "set url in [schema_registry] of the host file or in [source.schema_registry], or SCHEMA_REGISTRY_URL";
            let message = format!("{:?} needs a schema registry", format.name());
            section.error(key, message, Some(help.to_owned()));
        }
        if format != Format::Avro && section.has(reader_schema) && !section.is_default(reader_schema) {
            section.conflict(
                reader_schema,
                "a reader's schema is for Avro",
                &format!("remove it, or set {key}"),
            );
        }
    }
}

/// What other tools than Debezium need, and what is of no use with or without them. Messages of a tool are objects, and so
/// are rows.
fn check_change_events(section: &Section<'_>, source: &SourceDefinition) {
    let needs_objects =
        !matches!(source.change_events, ChangeEvents::Auto | ChangeEvents::Flattened | ChangeEvents::None);
    if needs_objects && matches!(source.value_format, Format::String | Format::Bytes) {
        let message = format!("values of the format {:?} have no fields", source.value_format.name());
        let help = "set value_format to \"json\", \"avro\", \"json-schema\" or \"protobuf\"";
        section.conflict("change_events", message, help);
    }
    let is_debezium = matches!(
        source.change_events,
        ChangeEvents::Auto | ChangeEvents::Flattened | ChangeEvents::CloudEvents
    );
    // What [defaults] sets is for the connectors that it has an effect in.
    let is_own = |key| section.has(key) && !section.is_default(key);
    if !source.key_columns.is_empty()
        && is_own("key_columns")
        && (is_debezium || source.change_events == ChangeEvents::None)
    {
        let message = "has no effect with this value of change_events: Debezium's keys name their columns";
        section.conflict(
            "key_columns",
            message,
            "remove it, or set change_events to the tool of the messages",
        );
    }
    if is_own("unavailable_value_placeholder") && !is_debezium {
        let message = "has no effect with this value of change_events: only Debezium sends placeholders";
        section.conflict(
            "unavailable_value_placeholder",
            message,
            "remove it, or set change_events to \"auto\", \"flattened\" or \"cloudevents\"",
        );
    }
}

fn read_decode_limits(section: &mut Section<'_>) -> DecodeLimits {
    let default = DecodeLimits::default();
    let depth = section.integer("max_depth", 1..=MAX_DEPTH).and_then(|depth| u32::try_from(depth).ok());
    DecodeLimits {
        max_depth: depth.unwrap_or(default.max_depth),
        max_items: section.integer("max_items", 1..=1_000_000_000).unwrap_or(default.max_items),
    }
}

fn read_change_events(section: &mut Section<'_>) -> ChangeEvents {
    let choices = vec![
        ("auto", ChangeEvents::Auto),
        ("flattened", ChangeEvents::Flattened),
        ("upsert", ChangeEvents::Upsert),
        ("maxwell", ChangeEvents::Maxwell),
        ("canal", ChangeEvents::Canal),
        ("ticdc", ChangeEvents::TiCdc),
        ("dms", ChangeEvents::Dms),
        ("goldengate", ChangeEvents::GoldenGate),
        ("cloudevents", ChangeEvents::CloudEvents),
        ("none", ChangeEvents::None),
    ];
    section.choice("change_events", choices).unwrap_or_default()
}

fn read_on_lost_position(section: &mut Section<'_>) -> OnLostPosition {
    let choices = vec![
        ("fail", OnLostPosition::Fail),
        ("earliest", OnLostPosition::Earliest),
        ("latest", OnLostPosition::Latest),
    ];
    section.choice("on_lost_position", choices).unwrap_or(OnLostPosition::Fail)
}

fn formats() -> Vec<(&'static str, Format)> {
    vec![
        ("json", Format::Json),
        ("string", Format::String),
        ("bytes", Format::Bytes),
        ("avro", Format::Avro),
        ("json-schema", Format::JsonSchema),
        ("protobuf", Format::Protobuf),
    ]
}

fn read_servers(section: &mut Section<'_>, context: &LoadContext<'_>) -> String {
    let host = context.host;
    let written = section.name("bootstrap_servers");
    let (flag, variable) = (&host.overrides.flag_servers, &host.overrides.environment_servers);
    let is_own = written.is_some() && !section.is_default("bootstrap_servers");
    if is_own && flag.as_ref().is_some_and(|flag| written.as_ref() != Some(flag)) {
        let message = "the connector keeps its own brokers";
        let help = "--bootstrap-servers and --embedded-kafka apply only to connectors that name none";
        section.warning("bootstrap_servers", message, Some(help.to_owned()));
    }
    let outside = flag.clone().or_else(|| variable.clone());
    let chosen = section.or_environment("bootstrap_servers", written, outside);
    chosen.unwrap_or_else(|| host.kafka.bootstrap_servers.clone())
}

fn read_group(section: &mut Section<'_>, name: &str, context: &LoadContext<'_>) -> String {
    let written = section.name("group_id");
    let prefix = context.host.overrides.group_prefix.as_ref();
    let default = || format!("{}-{name}", prefix.map_or("connect", String::as_str));
    section.or_environment("group_id", written, prefix.map(|_| default())).unwrap_or_else(default)
}

fn read_subscription(section: &mut Section<'_>) -> Option<Subscription> {
    let given = ["topics", "topics_regex"].map(|key| section.node(key).is_some());
    match given.into() {
        (true, true) if section.is_default("topics") && !section.is_default("topics_regex") => {
            pattern(section)
        }
        (true, true) if section.is_default("topics_regex") && !section.is_default("topics") => {
            topics(section)
        }
        (true, true) => {
            section.error(
                "topics_regex",
                "both topics and topics_regex are given",
                Some("keep one of them".into()),
            );
            None
        }
        (true, false) => topics(section),
        (false, true) => pattern(section),
        (false, false) => {
            let help = "add topics = [\"...\"] or topics_regex = '^...' to [source]";
            section.error("", "topics are missing", Some(help.into()));
            None
        }
    }
}

fn topics(section: &mut Section<'_>) -> Option<Subscription> {
    let mut topics: Vec<String> = vec![];
    for topic in section.texts("topics")? {
        if let Err(reason) = check_topic(&topic) {
            section.error("topics", format!("{topic:?} is not a topic's name: {reason}"), None);
            return None;
        }
        if topics.contains(&topic) {
            section.warning("topics", format!("{topic:?} is named twice"), None);
            continue;
        }
        topics.push(topic);
    }
    if topics.is_empty() {
        section.error("topics", "must name at least one topic", None);
        return None;
    }
    Some(Subscription::Topics(topics))
}

/// Kafka's own rules: `org.apache.kafka.common.internals.Topic`.
pub(super) fn check_topic(topic: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match topic {
        "" => Err("it is empty"),
        "." | ".." => Err("\".\" and \"..\" are reserved"),
        long if long.len() > 249 => Err("it is longer than 249 characters"),
        pattern if pattern.starts_with('^') => Err("for a pattern use topics_regex"),
        other if !other.chars().all(allowed) => {
            Err("only ASCII letters, digits, \".\", \"_\" and \"-\" are allowed")
        }
        _ => Ok(()),
    }
}

fn pattern(section: &mut Section<'_>) -> Option<Subscription> {
    let pattern = section.name("topics_regex")?;
    if !pattern.starts_with('^') {
        let help = format!("write '^{pattern}', or '^.*{pattern}' to match anywhere");
        section.error("topics_regex", "must start with ^", Some(help));
        return None;
    }
    match TopicPattern::parse(&pattern) {
        Ok(taken) => {
            warn_about_pattern(section, &taken);
            Some(Subscription::Pattern(taken))
        }
        Err(error) => {
            section.error("topics_regex", regex_message(&error), None);
            None
        }
    }
}

/// Warns of a pattern that may match other topics than intended.
fn warn_about_pattern(section: &Section<'_>, pattern: &TopicPattern) {
    if topic_samples::match_anywhere(pattern.as_str()) {
        let message = "one of its alternatives does not begin with ^, and matches anywhere in a name";
        let help = "write '^(one|other)' where both are meant to begin the name".to_owned();
        section.warning("topics_regex", message, Some(help));
    }
    let reserved = |topic: &str| topic.starts_with("__") && check_topic(topic).is_ok();
    let names_reserved = pattern.as_str().contains("__");
    let samples = if names_reserved { topic_samples::of(pattern.as_str(), reserved) } else { vec![] };
    if let Some(topic) = samples.iter().find(|topic| !pattern.takes(topic)) {
        let message =
            format!("topics that begin with __, such as {topic:?}, are not read through this pattern");
        let help = "begin the pattern with ^__, or name such topics in source.topics of another connector";
        section.warning("topics_regex", message, Some(help.to_owned()));
    }
}

/// The last line of a regex error, which states the reason; the lines before it show the pattern.
pub(super) fn regex_message(error: &regex::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default();
    format!("not a valid pattern: {}", reason.trim_start_matches("error: "))
}
