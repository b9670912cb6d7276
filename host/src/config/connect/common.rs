//! The options that all sinks have: name, tasks, topics and the handling of errors.

use super::mapping::Mapping;

/// As many as a connector file accepts.
const MAX_TASKS: i64 = 64;
/// Kafka Connect skips any number of records.
const NO_LIMIT: i64 = 1_000_000_000;

pub(super) fn map(mapping: &mut Mapping<'_>) {
    mapping.take("name");
    map_tasks(mapping);
    map_topics(mapping);
    map_errors(mapping);
    let restarts = "connectors read changed secrets when they are restarted";
    mapping.without_effect(&["config.action.reload"], restarts);
    mapping.without_effect(&["tasks.max.enforce"], "a connector never has more tasks than tasks.max");
    let dead_letters = "dead letters are written with the connection of the consumer";
    mapping.prefix_without_effect("producer.override.", dead_letters);
    mapping.prefix_without_effect("admin.override.", dead_letters);
    mapping.prefix_without_effect("topic.creation.", "it is for source connectors");
    mapping.without_effect(&["exactly.once.support"], "it is for source connectors");
    let one = "a plugin has one version, that of its library";
    mapping.without_effect(&["connector.plugin.version"], one);
}

fn map_tasks(mapping: &mut Mapping<'_>) {
    let option = "tasks.max";
    let Some(tasks) = mapping.take_integer(option) else { return };
    match tasks {
        ..1 => mapping.invalid(option, &tasks.to_string(), "Value must be at least 1"),
        1..=MAX_TASKS => mapping.set(&["tasks"], tasks),
        _ => mapping.invalid(option, &tasks.to_string(), "a connector has at most 64 tasks"),
    }
}

fn map_topics(mapping: &mut Mapping<'_>) {
    let (topics, pattern) = (mapping.take("topics"), mapping.take("topics.regex"));
    match (topics, pattern) {
        (Some(_), Some(_)) => mapping
            .error("topics", "topics and topics.regex are mutually exclusive options, but both are set."),
        (Some(topics), None) => mapping.set(&["source", "topics"], list(topics)),
        (None, Some(pattern)) => mapping.set(&["source", "topics_regex"], whole(pattern)),
        (None, None) => {
            let own = ["source.topics", "source.topics_regex"];
            if own.iter().all(|option| mapping.peek(option).is_none()) {
                mapping.error("topics", "Must configure one of topics or topics.regex");
            }
        }
    }
}

fn map_errors(mapping: &mut Mapping<'_>) {
    let tolerance = mapping.take("errors.tolerance");
    let topic = mapping.take("errors.deadletterqueue.topic.name");
    let own_topic = ["errors.dead_letter_topic", "errors.on_reject"];
    let has_own = own_topic.iter().any(|option| mapping.peek(option).is_some());
    match tolerance {
        Some("all") => {
            mapping.set(&["errors", "tolerance"], "all");
            match topic {
                Some(topic) => mapping.set(&["errors", "dead_letter_topic"], topic),
                None if has_own => {}
                None => mapping.set(&["errors", "on_reject"], "drop"),
            }
            if !has_own {
                mapping.set(&["errors", "max_rejected"], NO_LIMIT);
            }
        }
        Some("none") | None => {
            if tolerance.is_some() {
                mapping.set(&["errors", "tolerance"], "none");
            }
            if topic.is_some() {
                let option = "errors.deadletterqueue.topic.name";
                let message = format!("{option} has no effect with errors.tolerance = none");
                mapping.warning(option, message);
            }
        }
        Some(other) => mapping.invalid("errors.tolerance", other, "String must be one of: none, all"),
    }
    map_dead_letter_details(mapping, tolerance == Some("all") && topic.is_some());
    let meaning = "rejected records are always logged, without their content";
    mapping.without_effect(&["errors.log.enable", "errors.log.include.messages"], meaning);
    map_retries(mapping);
}

fn map_dead_letter_details(mapping: &mut Mapping<'_>, has_topic: bool) {
    let option = "errors.deadletterqueue.topic.replication.factor";
    match mapping.take_integer(option) {
        Some(factor) if has_topic => mapping.set(&["errors", "dead_letter_replication"], factor),
        Some(_) => mapping.warning(option, format!("{option} has no effect without a dead letter topic")),
        None => {}
    }
    let option = "errors.deadletterqueue.context.headers.enable";
    if mapping.take_boolean(option) == Some(false) {
        mapping.warning(option, format!("{option} has no effect: dead letters always have these headers"));
    }
}

/// `errors.retry.timeout` is a number of milliseconds in Kafka Connect, and a duration with a unit in a connector file.
fn map_retries(mapping: &mut Mapping<'_>) {
    let meaning = "it is for converters and transforms, whose errors do not pass by themselves";
    for option in ["errors.retry.timeout", "errors.retry.delay.max.ms"] {
        if mapping.peek(option).is_some_and(|value| value.parse::<i64>().is_ok()) {
            mapping.without_effect(&[option], meaning);
        }
    }
}

/// The parts of a list, which commas separate.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A pattern that has to match the whole text, as patterns do in Kafka Connect.
pub(super) fn whole(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

/// The pattern in a text that [`whole`] made.
pub(super) fn inner(pattern: &str) -> Option<&str> {
    pattern.strip_prefix("^(?:")?.strip_suffix(")$")
}
