//! What happens to rejected records: `tolerance`, `on_reject` and `dead_letter_topic` of `[errors]`.

use serde::{Deserialize, Serialize};

use super::source::{Subscription, check_topic};
use super::topic_samples;
use crate::config::section::Section;

const HELP: &str = "add dead_letter_topic = \"dlq.{topic}\" to keep bad records, or on_reject = \"drop\" to log, count \
                    and skip them";

/// What happens to a record that cannot be decoded, transformed or written. Default: the task fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    /// `tolerance = "none"`: the task fails and names the record.
    Fail,
    /// `tolerance = "all"` with `on_reject = "drop"`: the record is logged, counted and skipped.
    Drop,
    /// `tolerance = "all"` with `dead_letter_topic`: the record is written there unchanged, and skipped.
    DeadLetter(DeadLetterPolicy),
}

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterPolicy {
    /// `dead_letter_topic`.
    pub topic: TopicTemplate,
    /// `dead_letter_partitions`: partitions of a topic that has to be created. Default: 1.
    pub partitions: u32,
    /// `dead_letter_replication`: its replicas. Default: the brokers' default.
    pub replication: Option<u32>,
}

/// The name of a dead-letter topic, in which `{topic}` stands for the topic that a record came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicTemplate(String);

const TOPIC: &str = "{topic}";

impl TopicTemplate {
    /// The template `text` in the file of `connector`.
    ///
    /// # Errors
    /// An unknown placeholder.
    fn parse(text: &str, connector: &str) -> Result<Self, String> {
        let text = text.replace("{connector}", connector);
        let rest = text.replace(TOPIC, "");
        match rest.find(['{', '}']) {
            None => Ok(Self(text)),
            Some(at) => {
                let placeholder = rest[at..].split_inclusive('}').next().unwrap_or_default();
                Err(format!("unknown placeholder {placeholder:?}"))
            }
        }
    }

    /// The dead-letter topic of records from `source`.
    #[must_use]
    pub fn topic(&self, source: &str) -> String {
        self.0.replace(TOPIC, source)
    }

    /// The source whose dead-letter topic this is; `None` if it is none of this template, or the same for all sources.
    #[must_use]
    pub fn source<'t>(&self, topic: &'t str) -> Option<&'t str> {
        let (before, after) = self.0.split_once(TOPIC)?;
        topic.strip_prefix(before)?.strip_suffix(after).filter(|source| !source.is_empty())
    }

    /// The template, in which `{topic}` stands for the source.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic, if it is the same for all sources.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        (!self.0.contains(TOPIC)).then_some(&self.0)
    }
}

impl OnReject {
    /// Reads the keys of `[errors]` for rejected records, of a connector that reads `subscription`.
    pub(super) fn read(
        section: &mut Section<'_>,
        connector: &str,
        subscription: Option<&Subscription>,
    ) -> Self {
        let tolerance = section.choice("tolerance", vec![("none", false), ("all", true)]);
        let drop = section.choice("on_reject", vec![("drop", ())]);
        let topic = section.name("dead_letter_topic");
        let [on_reject, to_topic] = which(section);
        let dead_letters = DeadLetterPolicy::read(section, connector, subscription, topic, to_topic);
        match tolerance {
            Some(true) if to_topic => dead_letters.map_or(Self::Fail, Self::DeadLetter),
            Some(true) if drop.is_some() => Self::Drop,
            Some(true) if !on_reject => {
                let message = "\"all\" would lose records unless the file says so";
                section.error("tolerance", message, Some(HELP.to_owned()));
                Self::Fail
            }
            Some(true) => Self::Fail,
            Some(false) | None => {
                for key in ["on_reject", "dead_letter_topic"] {
                    // An invalid tolerance was reported above.
                    if section.has(key)
                        && !section.is_default(key)
                        && (tolerance.is_some() || !section.has("tolerance"))
                    {
                        let help = format!("add tolerance = \"all\", or remove {key}");
                        section.error(key, "has no effect with tolerance = \"none\"", Some(help));
                    }
                }
                Self::Fail
            }
        }
    }

    /// The dead-letter topic and its settings, if rejected records are written to one.
    #[must_use]
    pub fn dead_letter_policy(&self) -> Option<&DeadLetterPolicy> {
        match self {
            Self::DeadLetter(dead_letters) => Some(dead_letters),
            Self::Fail | Self::Drop => None,
        }
    }
}

/// Which of `on_reject` and `dead_letter_topic` applies: the connector's own comes before that of `[defaults]`.
fn which(section: &Section<'_>) -> [bool; 2] {
    let keys = ["on_reject", "dead_letter_topic"];
    let given = keys.map(|key| section.has(key));
    if given != [true; 2] {
        return given;
    }
    let defaults = keys.map(|key| section.is_default(key));
    if defaults[0] == defaults[1] {
        let help = "keep one of them";
        section.error("on_reject", "both on_reject and dead_letter_topic are given", Some(help.to_owned()));
    }
    [!defaults[0], !defaults[1]]
}

impl DeadLetterPolicy {
    /// Reads the keys for topics that have to be created, which require that `dead_letter_topic` applies (`to_topic`).
    fn read(
        section: &mut Section<'_>,
        connector: &str,
        subscription: Option<&Subscription>,
        topic: Option<String>,
        to_topic: bool,
    ) -> Option<Self> {
        let count = |count: Option<u64>| count.and_then(|count| u32::try_from(count).ok());
        let partitions = count(section.integer("dead_letter_partitions", 1..=10_000));
        let replication = count(section.integer("dead_letter_replication", 1..=1000));
        for key in ["dead_letter_partitions", "dead_letter_replication"] {
            if !to_topic && section.has(key) && !section.is_default(key) {
                let help = format!("add dead_letter_topic, or remove {key}");
                section.error(key, "has no effect without dead_letter_topic", Some(help));
            }
        }
        let topic = TopicTemplate::parse(&topic.filter(|_| to_topic)?, connector)
            .map_err(|message| {
                let help = "use {topic} or {connector}";
                section.error("dead_letter_topic", message, Some(help.to_owned()));
            })
            .ok()?;
        if let Some((message, help)) = subscription.and_then(|read| fault(&topic, read)) {
            section.error("dead_letter_topic", message, help.map(str::to_owned));
            return None;
        }
        Some(Self { topic, partitions: partitions.unwrap_or(1), replication })
    }
}

/// What is wrong with a template, as far as known without the brokers, and the help.
fn fault(template: &TopicTemplate, subscription: &Subscription) -> Option<(String, Option<&'static str>)> {
    let bad_name = |dead_letters: &str| {
        let reason = check_topic(dead_letters).err()?;
        Some((format!("{dead_letters:?} is not a topic's name: {reason}"), None))
    };
    match subscription {
        Subscription::Topics(topics) => topics.iter().find_map(|topic| {
            let dead_letters = template.topic(topic);
            bad_name(&dead_letters).or_else(|| {
                topics.contains(&dead_letters).then(|| reads_own_dead_letters(topic, &dead_letters))
            })
        }),
        Subscription::Pattern(pattern) => {
            let eaten = |topic: String| {
                let dead_letters = template.topic(&topic);
                pattern.takes(&dead_letters).then(|| reads_own_dead_letters(&topic, &dead_letters))
            };
            let is_read = |name: &str| check_topic(name).is_ok() && pattern.takes(name);
            let samples = topic_samples::of(pattern.as_str(), is_read);
            let only = template.only().filter(|only| pattern.takes(only));
            bad_name(&template.topic("t"))
                .or_else(|| samples.into_iter().find_map(eaten))
                .or_else(|| only.map(|only| reads_own_dead_letters("any", only)))
        }
    }
}

fn reads_own_dead_letters(topic: &str, dead_letters: &str) -> (String, Option<&'static str>) {
    let message = format!(
        "the connector would read its own dead letters: those of topic {topic:?} are written to {dead_letters:?}, which it reads, too"
    );
    (message, Some("give the dead-letter topic a name that the connector does not read"))
}
