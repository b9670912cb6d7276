//! Rows whose key changes: where their values come from, and which position they have until the event that changes the
//! key arrives.
//!
//! For such a change, Debezium sends a delete of the old key and a create of the new one. The create omits large values that
//! did not change, so the delete copies the row to its new key, where it stays unchanged until the create arrives. Its
//! position there is right before that of the change: every earlier event of the key is older, and the create is newer.

use tidegate_plugin::{Operation, Value};

use super::event::Event;
use crate::position::Position;

/// Digits of an offset in the text of a position.
const OFFSET_DIGITS: usize = 19;
/// Maximum distance of the offsets of delete and create: there may be a tombstone in between.
const BETWEEN: i64 = 2;

/// Where the values of a row come from that no event of the batch contains.
#[derive(Clone, Debug)]
pub enum Base<'b> {
    /// The row of the table with the same key.
    Row,
    /// A row that was inserted, or moved to a new key.
    Inserted(Inserted<'b>),
}

/// How a row was inserted under its key.
#[derive(Clone, Debug)]
pub struct Inserted<'b> {
    /// The event that inserted it.
    pub by: Event<'b>,
    /// The rows of the table that it may have been before the batch, the most likely one first. Which one exists in the
    /// table depends on how much of the batch was written before.
    pub origins: Vec<Origin<'b>>,
}

/// A row of the table with the key that it had before the batch.
#[derive(Clone, Debug)]
pub struct Origin<'b> {
    /// Values of the key.
    pub key: Box<[Value<'b>]>,
    /// The event that moved it away from that key.
    pub left_by: Event<'b>,
    /// Whether it may still change under that key, because the partition of its delete lags behind.
    pub is_early: bool,
    /// The event of the batch that moved it to that key, if there is one.
    pub came_by: Option<Event<'b>>,
}

impl Inserted<'_> {
    /// Whether it was inserted by an insert or by the delete of its old key, which a create follows; not by an update.
    #[must_use]
    pub fn is_insert(&self) -> bool {
        self.by.change.operation() != Operation::Update
    }

    /// The position of the row under its new key until the event that changed the key arrives.
    #[must_use]
    pub fn moved_row_position(&self) -> String {
        moved_row_position(self.by.position)
    }

    /// The oldest position that the row can have in the table. An older row is another row that had the same key before.
    #[must_use]
    pub fn min_position(&self) -> String {
        moved_row_min_position(self.by.position)
    }
}

impl Origin<'_> {
    /// The newest position that the row can have. A newer row is another row with the same key.
    pub fn until(&self) -> String {
        let position = self.left_by.position.to_string();
        // A soft-deleted row has the position of its delete, which may be equal to that of the create.
        if self.left_by.change.operation().is_insert() { position } else { just_before(position) }
    }

    /// The oldest position that the row can have. An older row is another row that had the same key before.
    pub fn after(&self) -> String {
        self.came_by.map_or_else(String::new, |event| moved_row_min_position(event.position))
    }

    /// The oldest position of a soft-deleted row that is this one, and not another row that had the same key before.
    pub fn since(&self) -> String {
        moved_row_min_position(self.left_by.position)
    }
}

/// The position of a row under its new key until the event that changed the key arrives. Kafka's offset is not part of it,
/// because the two events of a change have different offsets.
pub(super) fn moved_row_position(position: Position) -> String {
    let text = position.to_string();
    let place = without_offset(&text).map(str::to_owned);
    just_before(place.unwrap_or(text))
}

/// A position that is not after the position of the moved row that an event at `position` completes, and after all earlier
/// rows with its key.
fn moved_row_min_position(position: Position) -> String {
    let text = position.to_string();
    if let Some(place) = without_offset(&text) {
        return just_before(place.to_owned());
    }
    // There is only an offset: the delete is right before it, possibly with a tombstone in between.
    let digits = text.len().saturating_sub(OFFSET_DIGITS);
    match text.get(digits..).and_then(|offset| offset.parse::<i64>().ok()) {
        Some(offset) if text.get(..digits).is_some_and(|before| before.ends_with(['.', '~'])) => {
            let before = text.get(..digits).unwrap_or_default();
            just_before(format!("{before}{:019}", offset.saturating_sub(BETWEEN).max(0)))
        }
        _ => just_before(text),
    }
}

/// The part of a position's text before the offset, if there is one and it contains a position.
fn without_offset(text: &str) -> Option<&str> {
    let (place, offset) = text.rsplit_once('.')?;
    // A generation alone, which ends with a colon, is not a position.
    let has_place = !place.is_empty() && !place.ends_with(':');
    (has_place && offset.len() == OFFSET_DIGITS).then_some(place)
}

/// A text that sorts before that of a position and after those of all earlier positions: their digits are followed by
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
    fn the_position_of_a_moved_row_is_right_before_the_change() {
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
    fn the_offset_is_removed_if_there_is_a_position() {
        assert_eq!(without_offset("00000000000000C8.0000000000000000012"), Some("00000000000000C8"));
        assert_eq!(without_offset("00000000000000C8"), None);
        assert_eq!(without_offset(".0000000000000000012"), None);
        assert_eq!(without_offset("~0000000000000000012"), None);
        assert_eq!(without_offset("g00000001:.0000000000000000012"), None);
    }
}
