//! Which letters are meant: conditions such as `stage=value`, all of which have to hold.

use super::Letter;

/// What conditions can be about.
const FIELDS: [&str; 9] =
    ["class", "connector", "name", "offset", "partition", "plugin", "reason", "stage", "topic"];

/// Conditions on letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<Condition>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    field: &'static str,
    wanted: String,
    /// `!=` instead of `=`.
    negated: bool,
}

/// A condition that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It has no `=`.
    #[error("{0:?} is no condition: write FIELD=VALUE or FIELD!=VALUE, such as stage=value")]
    NoCondition(String),
    /// There is no such field.
    #[error("letters have no field {field:?}: there are {}", FIELDS.join(", "))]
    NoField {
        /// What was asked for.
        field: String,
    },
}

impl Filter {
    /// Reads conditions: `field=value` or `field!=value`.
    ///
    /// # Errors
    /// The first one that cannot be read.
    pub fn parse(conditions: &[String]) -> Result<Self, FilterError> {
        let parse = |text: &String| {
            let (field, wanted) =
                text.split_once('=').ok_or_else(|| FilterError::NoCondition(text.clone()))?;
            let (field, negated) = field.strip_suffix('!').map_or((field, false), |field| (field, true));
            let known = FIELDS.into_iter().find(|known| *known == field.trim());
            let field = known.ok_or_else(|| FilterError::NoField { field: field.trim().to_owned() })?;
            Ok(Condition { field, wanted: wanted.trim().to_owned(), negated })
        };
        conditions.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether all letters are meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all conditions hold for a letter.
    #[must_use]
    pub fn takes(&self, letter: &Letter) -> bool {
        self.0.iter().all(|condition| condition.holds(letter))
    }
}

impl Condition {
    fn holds(&self, letter: &Letter) -> bool {
        let wanted = self.wanted.as_str();
        let place = letter.place();
        let number = |number: Option<i64>| number.is_some_and(|number| wanted.parse() == Ok(number));
        let holds = match self.field {
            "class" => letter.class() == wanted,
            "connector" => letter.connector() == wanted,
            "name" => letter.name() == wanted,
            "offset" => number(place.map(|(_, offset)| offset)),
            "partition" => number(place.map(|(partition, _)| i64::from(partition))),
            // With its version, or any version of it.
            "plugin" => letter.plugin() == wanted || letter.plugin().split('/').next() == Some(wanted),
            "reason" => letter.reason().contains(wanted),
            "stage" => letter.stage() == wanted,
            _ => letter.topic() == Some(wanted),
        };
        holds != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::{ErrorHeaders, Place};

    fn letter() -> Letter {
        let error = ErrorHeaders {
            topic: "orders",
            partition: 3,
            offset: 42,
            connector: "a",
            task: 0,
            place: Place::Sink,
            name: "files",
            plugin: "file/1.2.0",
            class: "rejected",
            reason: "the disk = full",
            attempts: 1,
            time: "",
            own_headers: 0,
        };
        let header = |(name, value): (&str, String)| (name.into(), Some(value.into_bytes()));
        Letter { headers: error.list().into_iter().map(header).collect(), ..Letter::default() }
    }

    fn takes(conditions: &[&str]) -> bool {
        let conditions: Vec<String> = conditions.iter().map(|text| (*text).to_owned()).collect();
        Filter::parse(&conditions).unwrap().takes(&letter())
    }

    #[test]
    fn all_conditions_have_to_hold() {
        for fine in [
            &["stage=sink"][..],
            &["class=rejected", "connector=a", "topic=orders", "partition=3", "offset=42"],
            &["plugin=file"],
            &["plugin=file/1.2.0", "name=files"],
            &["reason=disk = full"],
            &["stage!=value"],
            &[],
        ] {
            assert!(takes(fine), "{fine:?}");
        }
        for other in [
            &["stage=value"][..],
            &["stage=sink", "partition=4"],
            &["stage!=sink"],
            &["plugin=file/1.1.0"],
            &["offset=x"],
        ] {
            assert!(!takes(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_no_condition_is_told() {
        let error = |text: &str| Filter::parse(&[text.to_owned()]).unwrap_err().to_string();
        assert!(error("sink").contains("write FIELD=VALUE"));
        assert!(error("stages=sink").starts_with("letters have no field \"stages\": there are class, "));
    }
}
