//! What decides which of two events of a row is the newer: the source's position and, where that says nothing, Kafka's
//! offset.
//!
//! It is stored with every row as text that sorts as the position does, `_cdc_source_lsn`: the words of the position in
//! hexadecimal, joined by `/`, zeros at the end left out; then, where it counts, `.` and the offset. As `.` sorts below
//! `/`, and both below the digits, longer texts sort right behind their prefixes.

use std::fmt::{self, Write};

use tidegate_plugin::{Change, Record};

use crate::config::OrderBy;

/// Sources that give each change of a row a position of its own. For these, two events at one position are one event that
/// the source sent twice; for others, Kafka's offset says which came later.
const EXACT: [&str; 5] = ["postgresql", "mysql", "mariadb", "sqlserver", "mongodb"];

/// When an event happened, in the order of its row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Position {
    words: [u64; 4],
    offset: Option<i64>,
}

impl Position {
    /// The position of an event.
    pub(crate) fn of(record: Record<'_>, change: &Change<'_>, order: OrderBy) -> Self {
        let by_offset = Self { words: [0; 4], offset: Some(record.offset()) };
        let known =
            change.position().filter(|position| order == OrderBy::Source && position.words() != [0; 4]);
        let Some(position) = known else { return by_offset };
        let exact = !change.inherits_position() && EXACT.contains(&change.connector());
        Self { words: position.words(), offset: (!exact).then(|| record.offset()) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        for (index, word) in self.words.iter().take(used).enumerate() {
            if index > 0 {
                formatter.write_char('/')?;
            }
            write!(formatter, "{word:016X}")?;
        }
        match self.offset {
            Some(offset) => write!(formatter, ".{offset:019}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn positions() -> impl Strategy<Value = Position> {
        let word = prop_oneof![Just(0), Just(1), Just(u64::MAX), any::<u64>()];
        let offset = proptest::option::of(prop_oneof![Just(0), Just(i64::MAX), 0..i64::MAX]);
        (proptest::array::uniform4(word), offset).prop_map(|(words, offset)| Position { words, offset })
    }

    proptest! {
        #[test]
        fn the_text_sorts_as_the_position(left in positions(), right in positions()) {
            prop_assert_eq!(left.to_string().cmp(&right.to_string()), left.cmp(&right));
        }
    }

    #[test]
    fn a_log_position_reads_as_hexadecimal() {
        let position = Position { words: [0x16E_4D80, 0x16E_4D48, 0, 0], offset: None };
        assert_eq!(position.to_string(), "00000000016E4D80/00000000016E4D48");
        let inherited = Position { offset: Some(17), ..position };
        assert_eq!(inherited.to_string(), "00000000016E4D80/00000000016E4D48.0000000000000000017");
    }
}
