//! A condition on a record.

use regex::Regex;
use serde::Serialize;
use tidegate_plugin::{Arena, prelude::*};

use super::field::{FieldTest, Scalar};
use crate::{
    path::{find, find_header},
    pattern,
};

/// A condition. All of its tests must match.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Condition {
    /// Inverts the condition.
    not: bool,
    /// Regular expression that the whole topic must match.
    topic: Option<String>,
    /// Regular expression that the whole table name of a change event must match.
    table: Option<String>,
    /// Operations of change events; one of them must match.
    operation: Vec<OperationName>,
    /// Whether the record is a tombstone.
    tombstone: Option<bool>,
    /// Name of a header that the record must have.
    header: Option<String>,
    /// Field to test. A path such as `address.city` refers to a nested field.
    field: Option<String>,
    /// Location of the field.
    of: Location,
    /// Whether the field must exist, even if it is null. Without a test of its content, the field must exist and not be null.
    exists: Option<bool>,
    /// Value that the field must equal.
    equals: Option<Scalar>,
    /// Values, one of which the field must equal.
    one_of: Vec<Scalar>,
    /// Regular expression to find in the field's text. Use `^` and `$` to match the whole text.
    matches: Option<String>,
    /// Minimum number.
    minimum: Option<f64>,
    /// Maximum number.
    maximum: Option<f64>,
}

/// Location of a field.
#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Location {
    /// The latest row of a change event (after, or before for a delete); for other records, the value.
    #[default]
    Row,
    /// The row before the change.
    Before,
    /// The row after the change.
    After,
    /// The key.
    Key,
    /// The whole value, including the envelope.
    Value,
    /// The headers: the field is the name of one, or a path into it. With `header_format = "simple"` in `[source]`, headers
    /// have types.
    Headers,
}

/// Name of an operation.
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
        let expected = match self {
            Self::Insert => Operation::Create,
            Self::Read => Operation::Read,
            Self::Update => Operation::Update,
            Self::Delete => Operation::Delete,
            Self::Truncate => Operation::Truncate,
            Self::Message => Operation::Message,
        };
        expected == operation
    }
}

/// A validated condition.
pub(crate) struct Test {
    not: bool,
    topic: Option<Regex>,
    table: Option<Regex>,
    operations: Vec<OperationName>,
    tombstone: Option<bool>,
    header: Option<String>,
    field: Option<(Location, String, FieldTest)>,
}

impl Test {
    /// Validates a condition.
    pub(crate) fn new(condition: &Condition) -> Result<Self> {
        let matches = condition.matches.as_ref();
        let field_test = FieldTest {
            exists: condition.exists,
            equals: condition.equals.clone(),
            one_of: condition.one_of.clone(),
            matches: matches.map(|pattern| pattern::anywhere("matches", pattern)).transpose()?,
            minimum: condition.minimum,
            maximum: condition.maximum,
        };
        let field = match &condition.field {
            Some(field) => Some((condition.of, field.clone(), field_test.check()?)),
            None if field_test.needs_field() => {
                return Err(Error::invalid_config("`field` is missing"));
            }
            None => None,
        };
        let whole = |key, pattern: &Option<String>| {
            pattern.as_ref().map(|pattern| pattern::whole(key, pattern)).transpose()
        };
        let test = Self {
            not: condition.not,
            topic: whole("topic", &condition.topic)?,
            table: whole("table", &condition.table)?,
            operations: condition.operation.clone(),
            tombstone: condition.tombstone,
            header: condition.header.clone(),
            field,
        };
        if test.is_empty() {
            return Err(Error::invalid_config(
                "the condition is empty: set `field`, `operation`, `table`, `topic`, `header` or `tombstone`",
            ));
        }
        Ok(test)
    }

    fn is_empty(&self) -> bool {
        let names = self.topic.is_none() && self.table.is_none() && self.header.is_none();
        names && self.operations.is_empty() && self.tombstone.is_none() && self.field.is_none()
    }

    /// Whether the record matches the condition.
    pub(crate) fn matches<'b>(&self, record: Record<'b>, arena: Arena<'b>) -> bool {
        self.all_match(record, arena) != self.not
    }

    fn all_match<'b>(&self, record: Record<'b>, arena: Arena<'b>) -> bool {
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
                .is_none_or(|(location, path, test)| test.matches(field(*location, path, record, arena)))
    }
}

fn field<'b>(location: Location, path: &str, record: Record<'b>, arena: Arena<'b>) -> Option<Value<'b>> {
    match location {
        Location::Headers => find_header(record, path, arena),
        _ => find(at(location, record), path),
    }
}

/// The value that contains the field, or null.
fn at(location: Location, record: Record<'_>) -> Value<'_> {
    let change = record.change();
    match location {
        Location::Row => change.map_or(record.value(), |change| change.row().to_value()),
        Location::Before => change.map_or(Value::NULL, |change| change.before_value()),
        Location::After => change.map_or(Value::NULL, |change| change.after_value()),
        Location::Key => record.key(),
        Location::Value => record.value(),
        Location::Headers => Value::NULL,
    }
}
