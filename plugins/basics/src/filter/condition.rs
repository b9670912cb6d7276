//! One condition: all that it names has to hold.

use regex::Regex;
use serde::Serialize;
use tidegate_plugin::prelude::*;

use super::field::{FieldTest, Scalar};
use crate::path::find;

/// A condition. All that it names has to hold; what it leaves out does not matter.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Condition {
    /// Turns the condition around.
    not: bool,
    /// Regular expression that the whole topic matches.
    topic: Option<String>,
    /// Regular expression that the whole table of a change event matches.
    table: Option<String>,
    /// Operations of a change event, one of which it is.
    operation: Vec<OperationName>,
    /// Whether the record is a tombstone.
    tombstone: Option<bool>,
    /// Name of a header that the record has.
    header: Option<String>,
    /// Field to look at; a path such as `address.city` reaches into nested structs.
    field: Option<String>,
    /// Where the field is.
    of: Place,
    /// Whether the field is there at all, be it null. With no test of its content, a field has to be there and not null.
    exists: Option<bool>,
    /// Value that the field equals.
    equals: Option<Scalar>,
    /// Values, one of which the field equals.
    one_of: Vec<Scalar>,
    /// Regular expression that is found in the field's text; anchor it with `^` and `$` to match the whole.
    matches: Option<String>,
    /// Smallest number that the field may hold.
    minimum: Option<f64>,
    /// Largest number that the field may hold.
    maximum: Option<f64>,
}

/// Where a field is looked for.
#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Place {
    /// In the row of a change event as it last was (after, or before for a delete); in the value of anything else.
    #[default]
    Row,
    /// In the row before.
    Before,
    /// In the row after.
    After,
    /// In the key.
    Key,
    /// In the whole value as it came, envelope included.
    Value,
}

/// An operation, as people name it.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OperationName {
    Insert,
    Read,
    Update,
    Delete,
    Truncate,
    Message,
}

impl OperationName {
    fn is(self, operation: Operation) -> bool {
        let own = match self {
            Self::Insert => Operation::Create,
            Self::Read => Operation::Read,
            Self::Update => Operation::Update,
            Self::Delete => Operation::Delete,
            Self::Truncate => Operation::Truncate,
            Self::Message => Operation::Message,
        };
        own == operation
    }
}

/// A condition, checked and ready.
pub(crate) struct Test {
    not: bool,
    topic: Option<Regex>,
    table: Option<Regex>,
    operations: Vec<OperationName>,
    tombstone: Option<bool>,
    header: Option<String>,
    field: Option<(Place, String, FieldTest)>,
}

impl Test {
    /// Checks a condition.
    pub(crate) fn new(condition: Condition) -> Result<Self> {
        let field_test = FieldTest {
            exists: condition.exists,
            equals: condition.equals,
            one_of: condition.one_of,
            matches: condition.matches.map(|pattern| regex("matches", &pattern)).transpose()?,
            minimum: condition.minimum,
            maximum: condition.maximum,
        };
        let field = match condition.field {
            Some(field) => Some((condition.of, field, field_test.check()?)),
            None if field_test.asks_anything() => {
                return Err(Error::fatal("which field? name it with `field`"));
            }
            None => None,
        };
        let whole = |key, pattern: Option<String>| {
            pattern.map(|pattern| regex(key, &format!("^(?:{pattern})$"))).transpose()
        };
        let test = Self {
            not: condition.not,
            topic: whole("topic", condition.topic)?,
            table: whole("table", condition.table)?,
            operations: condition.operation,
            tombstone: condition.tombstone,
            header: condition.header,
            field,
        };
        if test.is_empty() {
            return Err(Error::fatal(
                "says nothing: give `field`, `operation`, `table`, `topic`, `header` or `tombstone`",
            ));
        }
        Ok(test)
    }

    fn is_empty(&self) -> bool {
        let names = self.topic.is_none() && self.table.is_none() && self.header.is_none();
        names && self.operations.is_empty() && self.tombstone.is_none() && self.field.is_none()
    }

    /// Whether the record meets the condition.
    pub(crate) fn holds(&self, record: Record<'_>) -> bool {
        self.all_hold(record) != self.not
    }

    fn all_hold(&self, record: Record<'_>) -> bool {
        let change = record.change();
        let operation = |change: Change<'_>| self.operations.iter().any(|name| name.is(change.operation()));
        self.topic.as_ref().is_none_or(|topic| topic.is_match(record.topic()))
            && self.tombstone.is_none_or(|tombstone| tombstone == record.is_tombstone())
            && self.header.as_ref().is_none_or(|header| record.headers().get(header).is_some())
            && self
                .table
                .as_ref()
                .is_none_or(|table| change.is_some_and(|change| table.is_match(change.table())))
            && (self.operations.is_empty() || change.is_some_and(operation))
            && self
                .field
                .as_ref()
                .is_none_or(|(place, path, test)| test.holds(find(at(*place, record), path)))
    }
}

fn regex(key: &str, pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|error| Error::fatal(format_args!("{key}: {error}")))
}

/// The struct that a field is looked for in; null where there is none.
fn at(place: Place, record: Record<'_>) -> Value<'_> {
    let change = record.change();
    match place {
        Place::Row => change.map_or(record.value(), |change| change.row().to_value()),
        Place::Before => change.map_or(Value::NULL, |change| change.before_value()),
        Place::After => change.map_or(Value::NULL, |change| change.after_value()),
        Place::Key => record.key(),
        Place::Value => record.value(),
    }
}
