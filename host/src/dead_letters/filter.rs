//! Filters for dead-letter records: conditions such as `stage=value`, combined with AND.

use super::DeadLetter;

/// Fields that conditions can refer to.
const FIELDS: [&str; 9] =
    ["class", "connector", "name", "offset", "partition", "plugin", "reason", "stage", "topic"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<Condition>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    field: &'static str,
    wanted: String,
    /// `!=` instead of `=`.
    negated: bool,
}

/// A condition that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It has no `=`.
    #[error("{0:?} is not a condition: write FIELD=VALUE or FIELD!=VALUE, for example stage=value")]
    NoCondition(String),
    /// There is no such field.
    #[error("unknown field {field:?}: use one of {}", FIELDS.join(", "))]
    NoField {
        /// The unknown name.
        field: String,
    },
}

impl Filter {
    /// Parses conditions: `field=value` or `field!=value`.
    ///
    /// # Errors
    /// The first condition that cannot be parsed.
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

    /// Whether the filter accepts all records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all conditions hold for a record.
    #[must_use]
    pub fn takes(&self, dead_letter: &DeadLetter) -> bool {
        self.0.iter().all(|condition| condition.holds(dead_letter))
    }
}

impl Condition {
    fn holds(&self, dead_letter: &DeadLetter) -> bool {
        let wanted = self.wanted.as_str();
        let place = dead_letter.source_position();
        let number = |number: Option<i64>| number.is_some_and(|number| wanted.parse() == Ok(number));
        let holds = match self.field {
            "class" => dead_letter.class() == wanted,
            "connector" => dead_letter.connector() == wanted,
            "name" => dead_letter.name() == wanted,
            "offset" => number(place.map(|(_, offset)| offset)),
            "partition" => number(place.map(|(partition, _)| i64::from(partition))),
            // Matches with or without the version.
            "plugin" => {
                dead_letter.plugin() == wanted || dead_letter.plugin().split('/').next() == Some(wanted)
            }
            "reason" => dead_letter.reason().contains(wanted),
            "stage" => dead_letter.stage() == wanted,
            _ => dead_letter.topic() == Some(wanted),
        };
        holds != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::{DeadLetterStage, ErrorHeaders};

    fn dead_letter() -> DeadLetter {
        let error = ErrorHeaders {
            topic: "orders",
            partition: 3,
            offset: 42,
            connector: "a",
            task: 0,
            stage: DeadLetterStage::Sink,
            name: "files",
            plugin: "file/1.2.0",
            class: "rejected",
            reason: "the disk = full",
            attempts: 1,
            time: "",
            own_headers: 0,
        };
        let header = |(name, value): (&str, String)| (name.into(), Some(value.into_bytes()));
        DeadLetter { headers: error.list().into_iter().map(header).collect(), ..DeadLetter::default() }
    }

    fn takes(conditions: &[&str]) -> bool {
        let conditions: Vec<String> = conditions.iter().map(|text| (*text).to_owned()).collect();
        Filter::parse(&conditions).unwrap().takes(&dead_letter())
    }

    #[test]
    fn conditions_are_combined_with_and() {
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
    fn invalid_conditions_are_reported() {
        let error = |text: &str| Filter::parse(&[text.to_owned()]).unwrap_err().to_string();
        assert!(error("sink").contains("write FIELD=VALUE"));
        assert!(error("stages=sink").starts_with("unknown field \"stages\": use one of class, "));
    }
}
