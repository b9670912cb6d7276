//! Where a source stands: comparable words, and a text for people.

use std::fmt::Write;

use tidegate_abi::{Arena, Struct, Value, ValueRef};

/// A position in the source's log.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct LogPosition<'b> {
    pub(super) words: Option<[u64; 4]>,
    pub(super) text: &'b str,
}

/// The position in a source block that is not PostgreSQL's. A source is recognised by the fields that it sends, so forks and
/// relatives of a connector work as well. docs/change-events.md lists the fields.
pub(super) fn of_source<'b>(
    source: Struct<'b>,
    connector: Value<'b>,
    arena: Arena<'b>,
    scratch: &mut String,
) -> LogPosition<'b> {
    let number = |name: &str| source.get(name).and_then(|value| number(value)).unwrap_or(0);
    let text = |name: &str| source.get(name).and_then(|value| value.as_str());
    if let Some(file) = text("file").filter(|file| !file.is_empty()) {
        let at = number("pos");
        scratch.clear();
        // Writing to a String cannot fail.
        let written = write!(scratch, "{file}:{at}").map_or("", |()| arena.str(scratch));
        // Every node of a Cassandra cluster has its own log, and events do not name the node.
        let is_comparable = connector.as_str() != Some("cassandra");
        let words = [file_number(file), at, number("row"), 0];
        return LogPosition { words: is_comparable.then_some(words), text: written };
    }
    // TiDB's timestamp of the commit, in TiCDC's own protocols and in its form of Debezium's, where `file` is
    // empty.
    if let Some(commit) = source.get("commit_ts").and_then(|value| self::number(value)) {
        return LogPosition { words: Some([commit, 0, 0, 0]), text: decimal_text(commit, arena) };
    }
    if let Some(commit) = text("commit_lsn") {
        return of_lsns(commit, text("change_lsn"), number("event_serial_no"));
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
    if let Some(vgtid) = text("vgtid") {
        let gtid = text("shard").and_then(|shard| gtid_of_shard(vgtid, shard)).unwrap_or_default();
        return LogPosition { words: rank(gtid).map(|rank| [rank, 0, 0, 0]), text: gtid };
    }
    if let Some(trail) = text("trail_pos") {
        return LogPosition { words: trail_words(trail), text: trail };
    }
    // The position of a change, which says nothing of the order of commits.
    LogPosition { words: None, text: text("stream_position").unwrap_or_default() }
}

/// LSNs of a commit and of a change in it: SQL Server's of 10 bytes, Db2's of up to 16, in hexadecimal, Informix's as a
/// decimal number. There is no change in snapshots, which come before all changes of their commit.
fn of_lsns<'b>(commit: &'b str, change: Option<&'b str>, serial: u64) -> LogPosition<'b> {
    let words = match hex_parts(commit) {
        Some([a, b, c]) if c >> 16 == 0 && commit.len() <= SQL_SERVER_LSN => {
            let [d, e, f] = change.and_then(hex_parts).unwrap_or_default();
            Some([a << 32 | b, c << 32 | d, e << 16 | f, serial])
        }
        Some([a, b, c]) => {
            let [d, e, f] = change.and_then(hex_parts).unwrap_or_default();
            Some([a << 32 | b, c, d << 32 | e, f])
        }
        None => commit
            .parse()
            .ok()
            .map(|commit| [commit, change.and_then(|change| change.parse().ok()).unwrap_or(0), 0, 0]),
    };
    LogPosition { words, text: commit }
}

/// The GTIDs of a shard in Vitess's `[{"keyspace":..,"shard":"-80","gtid":"MySQL56/.."},..]`.
fn gtid_of_shard<'b>(vgtid: &'b str, shard: &str) -> Option<&'b str> {
    let field = |object: &'b str, name: &str| {
        let (_, rest) = object.split_once(name)?;
        let (_, rest) = rest.split_once('"')?;
        rest.split_once('"').map(|(value, _)| value)
    };
    let mut shards = vgtid.split('{').filter(|object| field(object, "\"shard\":") == Some(shard));
    shards.next().and_then(|object| field(object, "\"gtid\":"))
}

/// How many transactions a set of GTIDs has, `MySQL56/<uuid>:1-5,<uuid>:7`, as Debezium ranks them.
fn rank(gtid: &str) -> Option<u64> {
    let (_, sets) = gtid.split_once('/')?;
    sets.split(',').try_fold(0u64, |rank, set| {
        let last = set.rsplit([':', '-']).next()?;
        rank.checked_add(last.parse().ok()?)
    })
}

/// A position in GoldenGate's trail: the number of the file, and 10 digits for the place in it.
fn trail_words(trail: &str) -> Option<[u64; 4]> {
    let is_number = !trail.is_empty() && trail.bytes().all(|byte| byte.is_ascii_digit());
    let (file, place) = is_number.then(|| trail.split_at(trail.len().saturating_sub(10)))?;
    let file = if file.is_empty() { 0 } else { file.parse().ok()? };
    Some([file, place.parse().ok()?, 0, 0])
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

/// Characters of SQL Server's LSN.
const SQL_SERVER_LSN: usize = "00000027:00000758:0005".len();

/// The three parts of an LSN such as `00000027:00000758:0005`: 32 and 32 bits, and the rest.
fn hex_parts(lsn: &str) -> Option<[u64; 3]> {
    let mut parts = lsn.split(':');
    let mut part = |bits: u32| {
        let part = u64::from_str_radix(parts.next()?, 16).ok()?;
        (bits == 64 || part >> bits == 0).then_some(part)
    };
    let found = [part(32)?, part(32)?, part(64)?];
    parts.next().is_none().then_some(found)
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
        assert_eq!(hex_parts("27:758"), None);
        let words = |commit, change| of_lsns(commit, change, 2).words;
        let sql_server = words("00000027:00000758:0005", Some("00000027:00000758:0003"));
        assert_eq!(sql_server, Some([0x27 << 32 | 0x758, 5 << 32 | 0x27, 0x758 << 16 | 3, 2]));
        let db2 = words("00000000:00000000:0000000000004d8b", Some("00000000:00000000:0000000000004d80"));
        assert_eq!(db2, Some([0, 0x4d8b, 0, 0x4d80]));
        assert_eq!(words("77309411328", Some("77309411400")), Some([77_309_411_328, 77_309_411_400, 0, 0]));
        assert_eq!(words("nothing", None), None);
    }

    #[test]
    fn a_shard_of_vitess_is_ranked_by_its_transactions() {
        let vgtid = r#"[{"keyspace":"ks","shard":"-80","gtid":"MySQL56/a-b-c:1-40,d-e-f:2"},{"keyspace":"ks","shard":"80-","gtid":"MySQL56/a-b-c:1-7"}]"#;
        assert_eq!(gtid_of_shard(vgtid, "-80").and_then(rank), Some(42));
        assert_eq!(gtid_of_shard(vgtid, "80-").and_then(rank), Some(7));
        assert_eq!(gtid_of_shard(vgtid, "0"), None);
        assert_eq!(rank("current"), None);
    }

    #[test]
    fn trails_order_by_file_and_place() {
        assert_eq!(trail_words("00000000010000009138"), Some([1, 9138, 0, 0]));
        assert_eq!(trail_words("00000000000000002122"), Some([0, 2122, 0, 0]));
        assert_eq!(trail_words("143"), Some([0, 143, 0, 0]));
        assert_eq!((trail_words(""), trail_words("1:2")), (None, None));
    }
}
