//! The rule for which topics a pattern matches, used by `validate`, the subscription and `--once`.

use std::collections::BTreeMap;
use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Prefix of the internal topics of Kafka and many tools.
const RESERVED: &str = "__";
/// Kafka's internal topics, which no pattern matches. Brokers mark them as internal, but librdkafka does not return
/// that.
const INTERNAL: [&str; 5] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
    "__cluster_metadata",
    "__remote_log_metadata",
];
/// Placeholder for the source topic in the name of a dead-letter topic.
const TOPIC: &str = "{topic}";

/// A pattern for topic names: a Rust regex over ASCII that matches anywhere in the name.
///
/// It never matches Kafka's internal topics, topics that begin with `__` unless the pattern itself begins with `^__`,
/// and the connector's own dead-letter topics.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct TopicPattern {
    regex: Regex,
    dead_letters: Option<String>,
}

/// The serialised form of a pattern.
#[derive(Serialize, Deserialize)]
struct Parts {
    pattern: String,
    dead_letters: Option<String>,
}

/// Whether a topic is subscribed to, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TopicMatch {
    Selected,
    NotMatched,
    /// One of Kafka's internal topics.
    Internal,
    /// It begins with `__`, and the pattern does not.
    Reserved,
    /// The connector's own dead letters are written there.
    OwnDeadLetters,
}

/// The existing topics that a pattern matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The topics, with their partition counts.
    pub topics: BTreeMap<String, usize>,
    /// Topics that match and are left out because they begin with `__`; none of Kafka's own.
    pub reserved: Vec<String>,
    /// Topics that match and are excluded because the connector's own dead letters are written there.
    pub own_dead_letter_topics: Vec<String>,
}

impl TopicPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is not a regular expression.
    pub fn parse(pattern: &str) -> Result<Self, regex::Error> {
        // Topic names are ASCII, so \d and \w only need to match ASCII, and (?i) needs no Unicode tables.
        let regex = RegexBuilder::new(pattern).unicode(false).build()?;
        Ok(Self { regex, dead_letters: None })
    }

    /// The same pattern for a connector whose dead letters are written to `template`, in which `{topic}` is replaced by
    /// the source topic of each.
    #[must_use]
    pub fn without_dead_letter_topics(self, template: &str) -> Self {
        Self { dead_letters: Some(template.to_owned()), ..self }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    /// Whether the topic is subscribed to.
    #[must_use]
    pub fn takes(&self, topic: &str) -> bool {
        self.match_topic(topic) == TopicMatch::Selected
    }

    /// Selects the matching topics of `topics`, which maps names to partition counts.
    #[must_use]
    pub fn select(&self, topics: &BTreeMap<String, usize>) -> Selection {
        let mut selection = Selection::default();
        for (topic, partitions) in topics {
            match self.match_topic(topic) {
                TopicMatch::Selected => drop(selection.topics.insert(topic.clone(), *partitions)),
                TopicMatch::Reserved => selection.reserved.push(topic.clone()),
                TopicMatch::OwnDeadLetters => selection.own_dead_letter_topics.push(topic.clone()),
                TopicMatch::Internal | TopicMatch::NotMatched => {}
            }
        }
        selection
    }

    fn match_topic(&self, topic: &str) -> TopicMatch {
        match self.match_name(topic) {
            TopicMatch::Selected if self.is_own_dead_letter_topic(topic) => TopicMatch::OwnDeadLetters,
            other => other,
        }
    }

    fn match_name(&self, topic: &str) -> TopicMatch {
        if !self.regex.is_match(topic.as_bytes()) {
            return TopicMatch::NotMatched;
        }
        if INTERNAL.contains(&topic) {
            return TopicMatch::Internal;
        }
        let names_reserved = self.as_str().strip_prefix('^').is_some_and(|rest| rest.starts_with(RESERVED));
        if topic.starts_with(RESERVED) && !names_reserved {
            TopicMatch::Reserved
        } else {
            TopicMatch::Selected
        }
    }

    /// Whether dead letters of a topic that the pattern matches are written to `topic`.
    fn is_own_dead_letter_topic(&self, topic: &str) -> bool {
        let Some(template) = &self.dead_letters else { return false };
        let Some(start) = template.find(TOPIC) else { return template == topic };
        let count = template.matches(TOPIC).count();
        let Some(rest) = topic.len().checked_sub(template.len() - count * TOPIC.len()) else { return false };
        let source = topic.get(start..start + rest / count).unwrap_or_default();
        !source.is_empty()
            && template.replace(TOPIC, source) == topic
            && self.match_name(source) == TopicMatch::Selected
    }
}

impl TryFrom<Parts> for TopicPattern {
    type Error = regex::Error;

    fn try_from(parts: Parts) -> Result<Self, regex::Error> {
        Ok(Self { dead_letters: parts.dead_letters, ..Self::parse(&parts.pattern)? })
    }
}

impl From<TopicPattern> for Parts {
    fn from(pattern: TopicPattern) -> Self {
        Self { pattern: pattern.as_str().to_owned(), dead_letters: pattern.dead_letters }
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() && self.dead_letters == other.dead_letters
    }
}

impl Eq for TopicPattern {}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TopicPattern").field(&self.as_str()).finish()
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
