//! `predicates`: conditions on records, which become `when` of a transform.

use toml::{Table, Value};

use super::common::whole;
use super::mapping::Mapping;
use super::transforms::{MAX_TRANSFORMS, longest_first};

/// A condition of Kafka Connect.
#[derive(Clone, Debug)]
pub(super) enum Predicate {
    /// `TopicNameMatches`: the whole name has to match.
    Topic(String),
    /// `HasHeaderKey`.
    Header(String),
    /// `RecordIsTombstone`.
    Tombstone,
}

impl Predicate {
    /// The condition as a table of `when` or, with `in_filter`, of the transform `filter`, whose patterns match whole names.
    pub(super) fn table(&self, negate: bool, in_filter: bool) -> Table {
        let mut table = Table::new();
        let (key, value): (_, Value) = match self {
            Self::Topic(pattern) if in_filter => ("topic", pattern.clone().into()),
            Self::Topic(pattern) => ("topic", whole(pattern).into()),
            Self::Header(name) => ("header", name.clone().into()),
            Self::Tombstone => ("tombstone", true.into()),
        };
        table.insert(key.to_owned(), value);
        if negate {
            table.insert("not".to_owned(), true.into());
        }
        table
    }
}

/// The predicate of a transform, and whether it is negated; `None` if it has none.
pub(super) fn of_transform(mapping: &mut Mapping<'_>, transform: &str) -> Option<(Predicate, bool)> {
    let option = format!("transforms.{transform}.predicate");
    let negate_option = format!("transforms.{transform}.negate");
    let negate = mapping.take_boolean(&negate_option).unwrap_or(false);
    let name = mapping.take(&option)?;
    let known = mapping.peek("predicates").is_some_and(|list| list.split(',').any(|one| one.trim() == name));
    if !known {
        mapping.error(&option, format!("Predicate '{name}' is not defined: add it to predicates"));
        return None;
    }
    Some((read(mapping, name)?, negate))
}

fn read(mapping: &mut Mapping<'_>, name: &str) -> Option<Predicate> {
    let option = |key: &str| format!("predicates.{name}.{key}");
    let kind = option("type");
    let Some(class) = mapping.take(&kind) else {
        mapping
            .error(&kind, format!("Missing required configuration \"{kind}\" which has no default value."));
        return None;
    };
    let required = |mapping: &mut Mapping<'_>, key: &str| {
        let option = option(key);
        let value = mapping.take(&option).map(str::to_owned);
        if value.is_none() {
            let message = format!("Missing required configuration \"{option}\" which has no default value.");
            mapping.error(&option, message);
        }
        value
    };
    match class.rsplit(['.', '$']).next().unwrap_or_default() {
        "TopicNameMatches" => required(mapping, "pattern").map(Predicate::Topic),
        "HasHeaderKey" => required(mapping, "name").map(Predicate::Header),
        "RecordIsTombstone" => Some(Predicate::Tombstone),
        _ => {
            mapping.invalid(&kind, class, &format!("Class {class} could not be found."));
            None
        }
    }
}

/// Marks the options of all predicates as read; one that no transform uses is read as well, so that its errors are found.
pub(super) fn finish(mapping: &mut Mapping<'_>) {
    let names = mapping.take("predicates").map(super::common::list).unwrap_or_default();
    if names.len() > MAX_TRANSFORMS {
        mapping.error("predicates", format!("predicates: there are more than {MAX_TRANSFORMS} of them"));
        return;
    }
    for (_, name) in longest_first(&names) {
        let is_used = mapping.unread(&format!("predicates.{name}.")).is_empty();
        if !is_used {
            read(mapping, name);
        }
    }
}
