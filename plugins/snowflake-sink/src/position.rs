//! What decides which of two events of a row is the newer: the source's position and, where that says nothing, Kafka's
//! offset.
//!
//! It is stored with every row as text that sorts as the position does, `_cdc_source_lsn`: the words of the position in
//! hexadecimal, joined by `/`, zeros at the end left out; then, where it counts, `.` and the offset. As `.` sorts below
//! `/`, and both below the digits, longer texts sort right behind their prefixes. Events of a later log of the source, as
//! after a failover or a restore, have `g`, the log's generation in hexadecimal and `:` before that: `g` sorts above all
//! digits. Where the offset alone counts, the text is `~` and the offset: it sorts above all others, so that a table can be
//! switched to that.

use std::fmt::{self, Write};

use tidegate_plugin::{Change, Record};

use crate::config::OrderBy;

/// Sources that give each change of a row a position of its own. For these, two events at one position are one event that
/// the source sent twice; for others, Kafka's offset says which came later.
/// MongoDB is none of them: a transaction may change a document twice at one position.
const EXACT: [&str; 4] = ["postgresql", "mysql", "mariadb", "sqlserver"];

/// When an event happened, in the order of its row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Position {
    /// Whether the offset alone counts, by the connector file.
    by_offset: bool,
    /// Which of the source's logs.
    generation: u64,
    words: [u64; 4],
    offset: Option<i64>,
}

impl Position {
    /// The position of an event.
    pub(crate) fn of(record: Record<'_>, change: &Change<'_>, order: OrderBy) -> Self {
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

    /// Whether Kafka's offset is part of it, so that an event which is sent again counts as a newer one.
    pub(crate) fn has_offset(&self) -> bool {
        self.offset.is_some()
    }

    /// The position of an event whose row goes by another key than the source's: one change of the source may then be two
    /// events of one row.
    pub(crate) fn with_offset(self, record: Record<'_>) -> Self {
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
        fn the_text_sorts_as_the_position(left in positions(), right in positions()) {
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
