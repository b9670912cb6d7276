//! Rows whose key changes: where their values come from, and which place they have while they wait for the event that
//! changed the key.
//!
//! Debezium sends a delete of the old key and a create of the new one, and the create leaves out large values that did not
//! change. So the delete takes the row along to its new key, where it stays as it was until the create comes. Its place
//! there is right before that of the change: every earlier event of the key is older, and the create is newer.

use tidegate_plugin::{Operation, Value};

use super::event::Event;
use crate::position::Position;

/// Digits of an offset in a position's text.
const OFFSET_DIGITS: usize = 19;
/// A tombstone may lie between the delete and the create.
const BETWEEN: i64 = 2;

/// Where values of a row come from that no event of the batch has.
#[derive(Clone, Debug)]
pub(crate) enum Base<'b> {
    /// The row that the table has under the same key.
    Row,
    /// A row that came with an insert, or under a new key.
    Inserted(Inserted<'b>),
}

/// How a row came to its key.
#[derive(Clone, Debug)]
pub(crate) struct Inserted<'b> {
    /// The event that brought it.
    pub(crate) by: Event<'b>,
    /// The rows of the table that it may have been before the batch, the likelier ones first: under which key the table
    /// has it depends on what of the batch was written before.
    pub(crate) origins: Vec<Origin<'b>>,
}

/// A row of the table, under the key that it had before the batch.
#[derive(Clone, Debug)]
pub(crate) struct Origin<'b> {
    /// The key's values.
    pub(crate) key: Box<[Value<'b>]>,
    /// The event by which it left that key.
    pub(crate) left_by: Event<'b>,
    /// Whether it may still change under that key, since the partition of its delete is behind.
    pub(crate) is_early: bool,
    /// The event by which it came to that key, where that is one of the batch.
    pub(crate) came_by: Option<Event<'b>>,
}

impl Inserted<'_> {
    /// Whether it came with an insert, or with the delete of its old key, which one follows; and not with an update.
    pub(crate) fn is_insert(&self) -> bool {
        self.by.change.operation() != Operation::Update
    }
}

impl Origin<'_> {
    /// The newest position that the row may have: a newer one is another row that has the key since.
    pub(crate) fn until(&self) -> String {
        let position = self.left_by.position.to_string();
        // A row that is marked as deleted has the position of its delete, which may be that of the create, too.
        if self.left_by.change.operation().is_insert() { position } else { just_before(position) }
    }

    /// The oldest position that the row may have: an older one is another row that had the key before.
    pub(crate) fn after(&self) -> String {
        self.came_by.map_or_else(String::new, |event| moved_since(event.position))
    }

    /// From which position on a row that is marked as deleted is this one, and not one that had the key earlier.
    pub(crate) fn since(&self) -> String {
        moved_since(self.left_by.position)
    }
}

/// The place of a row under its new key, until the event comes that changed the key. Kafka's offset is left out, since
/// the two halves of a change have different ones.
pub(crate) fn arrival(position: Position) -> String {
    let text = position.to_string();
    let place = without_offset(&text).map(str::to_owned);
    just_before(place.unwrap_or(text))
}

/// A place that is not behind the arrival of the row that an event at `position` completes, and behind all that its key
/// had before.
pub(crate) fn moved_since(position: Position) -> String {
    let text = position.to_string();
    if let Some(place) = without_offset(&text) {
        return just_before(place.to_owned());
    }
    // Only an offset: the delete comes right before, perhaps with its tombstone.
    let digits = text.len().saturating_sub(OFFSET_DIGITS);
    match text.get(digits..).and_then(|offset| offset.parse::<i64>().ok()) {
        Some(offset) if text.get(..digits).is_some_and(|before| before.ends_with(['.', '~'])) => {
            let before = text.get(..digits).unwrap_or_default();
            just_before(format!("{before}{:019}", offset.saturating_sub(BETWEEN).max(0)))
        }
        _ => just_before(text),
    }
}

/// The source's part of a position's text, if it has one and an offset behind it.
fn without_offset(text: &str) -> Option<&str> {
    let (place, offset) = text.rsplit_once('.')?;
    // A log's generation alone, which ends in a colon, is no place in it.
    let has_place = !place.is_empty() && !place.ends_with(':');
    (has_place && offset.len() == OFFSET_DIGITS).then_some(place)
}

/// A text that sorts before the one of a position, and behind those of all earlier positions: their digits are followed by
/// nothing, `.` or `/`, all of which sort below `~`.
fn just_before(mut text: String) -> String {
    if let Some(last) = text.pop() {
        let code = u32::from(last).saturating_sub(1);
        text.push(char::from_u32(code).unwrap_or('/'));
        text.push('~');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_arrival_is_right_before_the_change() {
        for (earlier, position) in [
            ("00000000000000C7", "00000000000000C8"),
            ("00000000000000C7/0000000000000001", "00000000000000C8"),
            ("00000000000000C7.0000000000000000009", "00000000000000C8"),
            ("000000000000009F", "00000000000000A0"),
            ("0000000000000099", "000000000000009A"),
            ("0000000000000001/000000000000000F", "0000000000000001/0000000000000010"),
            ("~0000000000000000009", "~0000000000000000010"),
            (".0000000000000000010", ".0000000000000000011"),
            ("FFFFFFFFFFFFFFFF", "g00000001:0000000000000001"),
            ("g00000001:.0000000000000000010", "g00000001:.0000000000000000011"),
        ] {
            let place = just_before(position.to_owned());
            assert!(earlier < place.as_str() && place.as_str() < position, "{earlier} {place} {position}");
        }
    }

    #[test]
    fn an_offset_does_not_count_where_the_source_has_a_position() {
        assert_eq!(without_offset("00000000000000C8.0000000000000000012"), Some("00000000000000C8"));
        assert_eq!(without_offset("00000000000000C8"), None);
        assert_eq!(without_offset(".0000000000000000012"), None);
        assert_eq!(without_offset("~0000000000000000012"), None);
        assert_eq!(without_offset("g00000001:.0000000000000000012"), None);
    }
}
