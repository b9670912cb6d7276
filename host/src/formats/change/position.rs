//! Where a source stands: comparable words, and a text for people.

use std::fmt::Write;

use tidegate_abi::{Arena, Struct, Value, ValueRef};

/// A position in the source's log.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LogPosition<'b> {
    pub(super) words: Option<[u64; 4]>,
    pub(super) text: &'b str,
}

/// The position in a source block that is not PostgreSQL's: MySQL's file and offset, SQL Server's LSNs, Oracle's SCNs,
/// MongoDB's order. Sources are told apart by what they send, so that forks and relatives of a connector read as well.
pub(super) fn of_source<'b>(source: Struct<'b>, arena: Arena<'b>, scratch: &mut String) -> LogPosition<'b> {
    let number = |name: &str| source.get(name).and_then(|value| number(value)).unwrap_or(0);
    let text = |name: &str| source.get(name).and_then(|value| value.as_str());
    if let Some(file) = text("file") {
        let at = number("pos");
        scratch.clear();
        // Writing to a String cannot fail.
        let written = write!(scratch, "{file}:{at}").map_or("", |()| arena.str(scratch));
        return LogPosition { words: Some([file_number(file), at, number("row"), 0]), text: written };
    }
    if let Some(commit) = text("commit_lsn") {
        let Some([a, b, c]) = hex_parts(commit) else {
            return LogPosition { words: None, text: commit };
        };
        // Null in snapshots, which come before all changes of their commit.
        let [d, e, f] = text("change_lsn").and_then(hex_parts).unwrap_or_default();
        let words = [a << 32 | b, c << 32 | d, e << 16 | f, number("event_serial_no")];
        return LogPosition { words: Some(words), text: commit };
    }
    if let Some(change) = text("scn") {
        let Ok(scn) = change.parse() else {
            return LogPosition { words: None, text: change };
        };
        let commit = text("commit_scn").and_then(|text| text.parse().ok()).unwrap_or(scn);
        return LogPosition { words: Some([commit, scn, number("ssn"), 0]), text: change };
    }
    if source.get("ord").is_some() {
        return LogPosition { words: Some([number("ts_ms"), number("ord"), 0, 0]), text: "" };
    }
    LogPosition::default()
}

/// PostgreSQL's position: `sequence` is `["<LSN of the last commit>" or null, "<LSN>"]`, `lsn` the second alone.
///
/// Transactions arrive in the order of their commits, changes within one in the order of their LSNs; hence the pair.
/// Without a last commit the LSN takes its place: it lies beyond every commit before it.
pub(super) fn of_postgres<'b>(
    sequence: Option<&'b str>,
    lsn: Option<Value<'b>>,
    arena: Arena<'b>,
) -> Option<LogPosition<'b>> {
    if let Some(position) = sequence.and_then(of_sequence) {
        return Some(position);
    }
    let lsn = number(lsn?)?;
    Some(LogPosition { words: Some([lsn, lsn, 0, 0]), text: decimal_text(lsn, arena) })
}

fn of_sequence(sequence: &str) -> Option<LogPosition<'_>> {
    let (commit, lsn) = sequence.strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
    let text = lsn.trim().strip_prefix('"')?.strip_suffix('"')?;
    let lsn = text.parse().ok()?;
    let commit = commit.trim().trim_matches('"').parse().unwrap_or(lsn);
    Some(LogPosition { words: Some([commit, lsn, 0, 0]), text })
}

/// The position of a flat event: a number, or PostgreSQL's notation `16/B374D848`.
pub(super) fn of_flat<'b>(lsn: Value<'b>, arena: Arena<'b>) -> LogPosition<'b> {
    let lsn_of_text = |text: &str| {
        let (high, low) = text.split_once('/')?;
        Some(
            u64::from(u32::from_str_radix(high, 16).ok()?) << 32
                | u64::from(u32::from_str_radix(low, 16).ok()?),
        )
    };
    if let Some(text) = lsn.as_str() {
        let lsn = lsn_of_text(text).or_else(|| text.parse().ok());
        return LogPosition { words: lsn.map(|lsn| [lsn, 0, 0, 0]), text };
    }
    match number(lsn) {
        Some(lsn) => LogPosition { words: Some([lsn, 0, 0, 0]), text: decimal_text(lsn, arena) },
        None => LogPosition::default(),
    }
}

fn number(value: Value<'_>) -> Option<u64> {
    match value.view() {
        ValueRef::String(text) => text.parse().ok(),
        _ => value.as_u64(),
    }
}

/// The number at the end of a log file's name, such as 3 of `mysql-bin.000003`.
fn file_number(file: &str) -> u64 {
    let digits = file.bytes().rev().take_while(u8::is_ascii_digit).count();
    file.get(file.len() - digits..).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The three parts of SQL Server's LSN `00000027:00000758:0005`: 32, 32 and 16 bits.
fn hex_parts(lsn: &str) -> Option<[u64; 3]> {
    let mut parts = lsn.split(':');
    let mut part = |bits: u32| {
        let part = u64::from_str_radix(parts.next()?, 16).ok()?;
        (part >> bits == 0).then_some(part)
    };
    Some([part(32)?, part(32)?, part(16)?])
}

/// The digits of a number, in the arena.
pub(super) fn decimal_text<'b>(mut number: u64, arena: Arena<'b>) -> &'b str {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    std::str::from_utf8(arena.slice(&digits[at..])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_order_by_commit_and_then_by_lsn() {
        let words = |text| of_sequence(text).and_then(|position| position.words);
        assert_eq!(words(r#"["48911408","48911928"]"#), Some([48_911_408, 48_911_928, 0, 0]));
        assert_eq!(words(r#"[null, "48630328"]"#), Some([48_630_328, 48_630_328, 0, 0]));
        assert_eq!(words(r#"["1",null]"#), None);
        assert_eq!(words("nonsense"), None);
        assert_eq!(of_sequence(r#"["1","2"]"#).map(|position| position.text), Some("2"));
    }

    #[test]
    fn parts_of_other_logs_are_read() {
        assert_eq!(file_number("mysql-bin.000003"), 3);
        assert_eq!(file_number("log"), 0);
        assert_eq!(hex_parts("00000027:00000758:0005"), Some([0x27, 0x758, 5]));
        assert_eq!(hex_parts("00000027:00000758:10005"), None);
        assert_eq!(hex_parts("27:758"), None);
    }
}
