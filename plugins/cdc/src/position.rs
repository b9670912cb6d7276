//! Positions, which determine the newer one of two events of a row: the source's position and, if that is not enough, the
//! Kafka offset.
//!
//! The position is stored with every row in `_cdc_source_lsn`, as text that sorts like the position: the words in
//! hexadecimal, joined by `/`, without trailing zero words; then, if needed, `.` and the offset. Because `.` sorts before
//! `/`, and both before the digits, longer texts sort right after their prefixes. Events of a later log of the source, after
//! a failover or a restore, start with `g`, the generation of the log in hexadecimal, and `:`, because `g` sorts after all
//! digits. With `order_by = "offset"`, the text is `~` and the offset, which sorts after all others, so that a table can be
//! switched to this mode.

use std::fmt::{self, Write};

use tidegate_plugin::{Change, Record};

use crate::options::OrderBy;

/// Sources in which each change of a row has its own position. For these, two events at one position are one event that
/// the source has sent twice. For other sources, the Kafka offset determines the later one.
/// MongoDB is not included: a transaction can change a document twice at one position.
const EXACT: [&str; 4] = ["postgresql", "mysql", "mariadb", "sqlserver"];

/// The position of an event among the events of its row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Position {
    /// Whether only the offset is used (`order_by = "offset"`).
    by_offset: bool,
    /// Generation of the source's log.
    generation: u64,
    words: [u64; 4],
    offset: Option<i64>,
}

impl Position {
    /// The position of an event.
    pub fn of(record: Record<'_>, change: &Change<'_>, order: OrderBy) -> Self {
        let offset = Some(record.offset());
        if order == OrderBy::Offset {
            return Self { by_offset: true, offset, ..Self::default() };
        }
        let generation = change.log_generation();
        let known = change.position().filter(|position| position.words() != [0; 4]);
        let Some(position) = known else { return Self { generation, offset, ..Self::default() } };
        let exact = !change.inherits_position() && EXACT.contains(&change.connector());
        let offset = if exact { None } else { offset };
        Self { by_offset: false, generation, words: position.words(), offset }
    }

    /// Whether the Kafka offset is part of the position, so that a resent event is a newer one.
    pub fn has_offset(&self) -> bool {
        self.offset.is_some()
    }

    /// Adds the Kafka offset, for rows with another key than that of the source: one change of the source may then be two
    /// events of one row.
    pub fn with_offset(self, record: Record<'_>) -> Self {
        Self { offset: Some(record.offset()), ..self }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.by_offset {
            return write!(formatter, "~{:019}", self.offset.unwrap_or_default());
        }
        if self.generation > 0 {
            write!(formatter, "g{:08X}:", self.generation)?;
        }
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
        let offset = prop_oneof![Just(0), Just(i64::MAX), 0..i64::MAX];
        let generation = prop_oneof![3 => Just(0), 1 => Just(1), 1 => 0..u64::from(u32::MAX)];
        let by_source = (generation, proptest::array::uniform4(word), proptest::option::of(offset.clone()))
            .prop_map(|(generation, words, offset)| Position { by_offset: false, generation, words, offset });
        let by_offset = offset.prop_map(|offset| Position {
            by_offset: true,
            offset: Some(offset),
            ..Position::default()
        });
        prop_oneof![4 => by_source, 1 => by_offset]
    }

    proptest! {
        #[test]
        fn the_text_sorts_like_the_position(left in positions(), right in positions()) {
            prop_assert_eq!(left.to_string().cmp(&right.to_string()), left.cmp(&right));
        }
    }

    #[test]
    fn a_log_position_reads_as_hexadecimal() {
        let position = Position { words: [0x16E_4D80, 0x16E_4D48, 0, 0], ..Position::default() };
        assert_eq!(position.to_string(), "00000000016E4D80/00000000016E4D48");
        let later = Position { generation: 1, ..position };
        assert_eq!(later.to_string(), "g00000001:00000000016E4D80/00000000016E4D48");
        let inherited = Position { offset: Some(17), ..position };
        assert_eq!(inherited.to_string(), "00000000016E4D80/00000000016E4D48.0000000000000000017");
    }
}
