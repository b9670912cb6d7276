//! The value of a header, as Kafka Connect's `SimpleHeaderConverter` reads it.
//!
//! Rules: `org.apache.kafka.connect.data.Values.parseString`. Text is split at `:`, `,`, `"`, brackets and braces, unless a
//! backslash precedes them. There are three differences, because Connect's rules lose information: text after a complete
//! value makes the whole a string, where Connect reads `1,2` as 1; dates and times must be valid; and numbers keep all their
//! digits, where Connect rounds to 32 bits.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::{self, Write},
};

use crate::{
    arena::Arena,
    raw::Kind,
    value::{Date, Field, Time, Timestamp, Value, write_json_string},
};

/// Lists and maps in each other at most; what is nested deeper is a string.
const MAX_DEPTH: usize = 32;

/// Decimal digits that a double always keeps.
const DIGITS_OF_DOUBLE: usize = 15;

/// The value of a header. Only lists and maps need memory.
pub(crate) enum Simple<'t> {
    Scalar(Value<'t>),
    List(Vec<Self>),
    Map(Vec<(Cow<'t, str>, Self)>),
}

impl<'t> Simple<'t> {
    /// Parses the text of a header. Text that is no other value is a string.
    pub(crate) fn parse(text: &'t str) -> Self {
        let mut parser = Parser { text, at: 0 };
        match parser.value(MAX_DEPTH, false) {
            Some(value) if parser.rest().trim().is_empty() => value,
            _ => Self::Scalar(Value::string(text)),
        }
    }

    pub(crate) fn to_value(&self, arena: Arena<'t>) -> Value<'t> {
        match self {
            Self::Scalar(value) => *value,
            Self::List(items) => Value::list(arena.collect(items.iter().map(|item| item.to_value(arena)))),
            Self::Map(entries) => {
                let field = |(name, value): &(Cow<'t, str>, Self)| {
                    let name = match name {
                        Cow::Borrowed(name) => *name,
                        Cow::Owned(name) => arena.str(name),
                    };
                    Field::new(name, value.to_value(arena))
                };
                Value::object(arena.collect(entries.iter().map(field)))
            }
        }
    }

    pub(crate) fn write_json(&self, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::Scalar(value) => value.write_json(out),
            Self::List(items) => {
                out.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    out.write_str(if index == 0 { "" } else { "," })?;
                    item.write_json(out)?;
                }
                out.write_char(']')
            }
            Self::Map(entries) => {
                out.write_char('{')?;
                for (index, (name, value)) in entries.iter().enumerate() {
                    out.write_str(if index == 0 { "" } else { "," })?;
                    write_json_string(out, name)?;
                    out.write_char(':')?;
                    value.write_json(out)?;
                }
                out.write_char('}')
            }
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Scalar(value) if value.as_f64().is_some() => Kind::NUMBER,
            Self::Scalar(value) => value.kind(),
            Self::List(_) => Kind::LIST,
            Self::Map(_) => Kind::STRUCT,
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    /// Start of the next token.
    at: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next token: a delimiter, or the text up to the next one.
    fn next(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let mut is_escaped = false;
        let is_delimiter = |byte: u8| {
            let found = matches!(byte, b':' | b',' | b'{' | b'}' | b'[' | b']' | b'"') && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            found
        };
        let end = rest.bytes().position(is_delimiter).unwrap_or(rest.len());
        let token = rest.get(..end.max(1)).unwrap_or(rest);
        self.at += token.len();
        (!token.is_empty()).then_some(token)
    }

    /// The next token that is not only whitespace.
    fn next_solid(&mut self) -> Option<&'t str> {
        loop {
            let token = self.next()?;
            if !token.trim().is_empty() {
                return Some(token);
            }
        }
    }

    fn consume(&mut self, expected: &str) -> bool {
        let start = self.at;
        if self.next_solid().is_some_and(|token| token.trim() == expected) {
            return true;
        }
        self.at = start;
        false
    }

    /// A value; `None` if there is none. Only values in lists and maps have quotes around strings.
    fn value(&mut self, depth: usize, embedded: bool) -> Option<Simple<'t>> {
        let token = self.next_solid()?;
        let scalar = match token.trim() {
            "[" => return self.list(depth.checked_sub(1)?),
            "{" => return self.map(depth.checked_sub(1)?),
            "\"" if embedded => self.quoted(),
            "null" => Some(Value::NULL),
            "true" => Some(Value::bool(true)),
            "false" => Some(Value::bool(false)),
            trimmed if trimmed.starts_with(|first: char| first.is_ascii_digit()) => {
                self.long_temporal(token).or_else(|| temporal(trimmed)).or_else(|| number(trimmed))
            }
            trimmed => number(trimmed),
        };
        scalar.map(Simple::Scalar)
    }

    /// A time or timestamp whose colons have split it into five tokens, of which `first` was read.
    fn long_temporal(&mut self, first: &'t str) -> Option<Value<'t>> {
        let after = self.at;
        for _ in 0..4 {
            self.next();
        }
        let found = self.text.get(after - first.len()..self.at).and_then(|text| temporal(text.trim()));
        if found.is_none() {
            self.at = after;
        }
        found
    }

    /// The text up to the closing quote, with its backslashes. It may be a date or time.
    fn quoted(&mut self) -> Option<Value<'t>> {
        let start = self.at;
        while let Some(token) = self.next() {
            if token == "\"" {
                let content = self.text.get(start..self.at - 1)?;
                return Some(temporal(content).unwrap_or(Value::string(content)));
            }
        }
        None
    }

    fn list(&mut self, depth: usize) -> Option<Simple<'t>> {
        let mut items = Vec::new();
        let mut is_first = true;
        loop {
            let has_comma = std::mem::take(&mut is_first) || self.consume(",");
            if self.consume("]") {
                return has_one_type(items.iter()).then_some(Simple::List(items));
            }
            if !has_comma {
                return None;
            }
            items.push(self.value(depth, true)?);
        }
    }

    fn map(&mut self, depth: usize) -> Option<Simple<'t>> {
        let mut entries: Vec<(Cow<'t, str>, Simple<'t>)> = Vec::new();
        let mut places: HashMap<Cow<'t, str>, usize> = HashMap::new();
        loop {
            if self.consume("}") {
                let values = entries.iter().map(|(_, value)| value);
                return has_one_type(values).then_some(Simple::Map(entries));
            }
            let name = self.key(depth)?;
            if !self.consume(":") {
                return None;
            }
            let value = self.value(depth, true)?;
            // Of two entries with the same key, the last value counts, in the place of the first.
            match places.get(&name).and_then(|place| entries.get_mut(*place)) {
                Some((_, known)) => *known = value,
                None => {
                    places.insert(name.clone(), entries.len());
                    entries.push((name, value));
                }
            }
            // Connect requires no comma between entries.
            self.consume(",");
        }
    }

    /// The key of a map's entry, which may be any value but null.
    fn key(&mut self, depth: usize) -> Option<Cow<'t, str>> {
        let mut text = String::new();
        match self.value(depth, true)? {
            Simple::Scalar(key) if key.is_null() => None,
            Simple::Scalar(key) => match key.as_str() {
                Some(key) => Some(Cow::Borrowed(key)),
                None => Some(Cow::Owned(key.to_string())),
            },
            key => key.write_json(&mut text).is_ok().then_some(Cow::Owned(text)),
        }
    }
}

/// Connect has no schema for nulls next to values of one type: what has both is a string.
fn has_one_type<'s, 't: 's>(values: impl Iterator<Item = &'s Simple<'t>>) -> bool {
    let (mut has_null, mut first, mut differ) = (false, None, false);
    for kind in values.map(Simple::kind) {
        if kind == Kind::NULL {
            has_null = true;
        } else {
            differ |= *first.get_or_insert(kind) != kind;
        }
    }
    !has_null || first.is_none() || differ
}

/// `yyyy-MM-dd`, `HH:mm:ss.SSSZ` or both with a `T` in between. Colons may have a backslash.
fn temporal<'b>(text: &str) -> Option<Value<'b>> {
    let unescaped = text.contains("\\:").then(|| text.replace("\\:", ":"));
    let text = unescaped.as_deref().unwrap_or(text);
    match text.len() {
        10 => date(text).map(Value::date),
        13 => {
            let nanoseconds = u64::from(milliseconds(text)?) * 1_000_000;
            Some(Value::time(Time { nanoseconds, offset_seconds: Some(0) }))
        }
        24 => {
            let (day, clock) = (date(text.get(..10)?)?, text.get(10..)?.strip_prefix('T')?);
            let count = day.days * 86_400_000 + i64::from(milliseconds(clock)?);
            Some(Value::timestamp(Timestamp::from_parts(count, 1000, Some(0))))
        }
        _ => None,
    }
}

fn date(text: &str) -> Option<Date> {
    let (year, month, day) = (digits(text, 0, 4)?, digits(text, 5, 2)?, digits(text, 8, 2)?);
    let date = Date::from_civil(i64::from(year), month, day);
    let is_valid = text.get(4..5)? == "-" && text.get(7..8)? == "-" && (1..=12).contains(&month);
    (is_valid && date.civil() == (i64::from(year), month, day)).then_some(date)
}

fn milliseconds(text: &str) -> Option<u32> {
    let [hour, minute, second] = [0, 3, 6].map(|at| digits(text, at, 2));
    let (hour, minute, second, fraction) = (hour?, minute?, second?, digits(text, 9, 3)?);
    let marks = [(2, ":"), (5, ":"), (8, "."), (12, "Z")];
    let is_valid = marks.iter().all(|(at, mark)| text.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
    let in_range = hour < 24 && minute < 60 && second < 60;
    (is_valid && in_range).then_some(((hour * 60 + minute) * 60 + second) * 1000 + fraction)
}

fn digits(text: &str, at: usize, len: usize) -> Option<u32> {
    let digits = text.get(at..at + len)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A number as Java's `BigDecimal` reads it: whole numbers are integers even if written as `1.0` or `1e3`.
fn number(text: &str) -> Option<Value<'_>> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '+' || first == '-') {
        return None;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    let signed = text.strip_prefix('+').unwrap_or(text);
    if let Some(integer) = integer(whole, fraction, exponent, text.starts_with('-')) {
        return Some(Value::int(integer));
    }
    let significant = whole.trim_start_matches('0').len() + fraction.len();
    if significant <= DIGITS_OF_DOUBLE && exponent.abs() < 200 {
        return signed.parse().ok().map(Value::float);
    }
    // The text of a number has the notation of JSON.
    let is_json = whole == "0" || (!whole.is_empty() && !whole.starts_with('0'));
    (is_json && !mantissa.ends_with('.')).then(|| Value::number(signed))
}

fn integer(whole: &str, fraction: &str, exponent: i32, is_negative: bool) -> Option<i64> {
    let fraction = fraction.trim_end_matches('0');
    let zeros = usize::try_from(exponent).ok()?.checked_sub(fraction.len())?;
    let all = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', zeros.min(20)));
    // Negative, since there is one more negative number.
    let negated = all
        .skip_while(|byte| *byte == b'0')
        .try_fold(0_i64, |number, byte| number.checked_mul(10)?.checked_sub(i64::from(byte - b'0')))?;
    let is_exact = zeros <= 20 || negated == 0;
    if is_negative { Some(negated) } else { negated.checked_neg() }.filter(|_| is_exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_json(text: &str, expected: &str) {
        let mut json = String::new();
        Simple::parse(text).write_json(&mut json).unwrap();
        assert_eq!(json, expected, "{text}");
    }

    #[track_caller]
    fn assert_string(text: &str) {
        let parsed = Simple::parse(text);
        assert!(matches!(&parsed, Simple::Scalar(value) if value.as_str() == Some(text)), "{text}");
    }

    /// The cases of Kafka's `ValuesTest`, under their names there.
    #[test]
    fn cases_of_kafka_connect() {
        // shouldParseEmptyString, shouldNotEncounterInfiniteLoop
        assert_string("");
        assert_string("a[b{c:d,e\"f");
        // shouldNotParseUnquotedEmbeddedMapKeysAsStrings and the like
        for text in [
            "{foo: 3}",
            "{3: foo}",
            "[foo]",
            "null=",
            "true}",
            "false]",
            "{6:9 4:20}",
            "[0 1 2]",
            "{null: 3}",
        ] {
            assert_string(text);
        }
        // shouldParseTrueAsBooleanIfSurroundedByWhitespace and the like
        assert_json(" \n \t \n true \n ", "true");
        assert_json("\n false \t", "false");
        assert_json(" null ", "null");
        assert_json("[true, false]", "[true,false]");
        assert_json("{true: false, false: true}", r#"{"true":false,"false":true}"#);
        assert_json("{}", "{}");
        assert_json("[]", "[]");
        assert_json("{3: null}", r#"{"3":null}"#);
        assert_json("[null]", "[null]");
        // shouldParseStringOfMapWithStringValuesWithWhitespaceAsMap and the like
        assert_json("{ \"foo\" : \"123\", \n\"bar\" : \"baz\" } ", r#"{"foo":"123","bar":"baz"}"#);
        assert_json(
            " { \"foo\" :  12345 , \"bar\" : 0,  \"baz\" : -4321 }  ",
            r#"{"foo":12345,"bar":0,"baz":-4321}"#,
        );
        // shouldParseStringListWithMultipleElementTypes, shouldParseStringMapWithMultipleKeyTypes
        assert_json("[1, 2, 300, \"four\"]", r#"[1,2,300,"four"]"#);
        assert_json("{1:1, 2:1, 300:300, \"four\":1}", r#"{"1":1,"2":1,"300":300,"four":1}"#);
        assert_json("[[]]", "[[]]");
        assert_json("[{}]", "[{}]");
        assert_json("{\"a\":{}}", r#"{"a":{}}"#);
        assert_json("{\"a\":[]}", r#"{"a":[]}"#);
        // shouldParseStringListWithExtraDelimitersAndReturnString, shouldParseStringListWithNullLastAsString
        for text in ["[1, 2, 3,,,]", "[1, null]", "[null, 1]", "[1", "[1,", "{\"a\":1,", "{ ,,  , , }"] {
            assert_string(text);
        }
        assert_json("[1, 2,]", "[1,2]");
        // shouldParseTimestampStringAsTimestamp and the like
        let timestamp = "\"2019-08-23T14:34:54.346Z\"";
        assert_json("2019-08-23T14:34:54.346Z", timestamp);
        assert_json("2019-08-23T14\\:34\\:54.346Z", timestamp);
        assert_json("14:34:54.346Z", "\"14:34:54.346Z\"");
        assert_json("2019-08-23", "\"2019-08-23\"");
        let list = "[2019-08-23T14:34:54.346Z,2019-01-23T15:12:34.567Z,   2019-04-23T19:12:34.567Z]";
        let expected =
            "[\"2019-08-23T14:34:54.346Z\",\"2019-01-23T15:12:34.567Z\",\"2019-04-23T19:12:34.567Z\"]";
        assert_json(list, expected);
        assert_json("{\"k1\":14:34:54.346Z}", r#"{"k1":"14:34:54.346Z"}"#);
    }

    #[test]
    fn temporal_values_have_their_kinds() {
        let kind = |text| Simple::parse(text).kind();
        assert_eq!(kind("2019-08-23"), Kind::DATE);
        assert_eq!(kind("14:34:54.346Z"), Kind::TIME);
        assert_eq!(kind("2019-08-23T14:34:54.346Z"), Kind::TIMESTAMP);
        for text in ["2019-02-30", "2019-13-01", "2019-08-2x", "24:00:00.000Z", "2019-08-23T14:34:54.346+"] {
            assert_string(text);
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        let cases = [
            ("17", "17"),
            ("+17", "17"),
            ("-17", "-17"),
            ("007", "7"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("-0", "0"),
            ("1.50e1", "15"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("9223372036854775808", "9223372036854775808"),
            ("0.1", "0.1"),
            ("3.14159265358979", "3.14159265358979"),
            ("3.141592653589793238462643", "3.141592653589793238462643"),
            ("1e400", "1e400"),
            ("-1.5", "-1.5"),
        ];
        cases.iter().for_each(|(text, expected)| assert_json(text, expected));
        for text in [
            "1.2.3",
            "1e",
            "-",
            "+",
            "--1",
            "1_000",
            "0x10",
            "1e99999999999",
            "NaN",
            ".5",
            "12 34",
            "1,2",
            "12:30",
            "5 [1]",
        ] {
            assert_string(text);
        }
    }

    #[test]
    fn quotes_count_only_in_lists_and_maps() {
        assert_string("\"quoted\"");
        assert_json(r#"["say \"hi\"", "a,b"]"#, r#"["say \\\"hi\\\"","a,b"]"#);
        assert_json(r#"{"a":1,"a":2,"b":3}"#, r#"{"a":2,"b":3}"#);
    }

    #[test]
    fn deep_lists_are_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(matches!(Simple::parse(&nested(MAX_DEPTH)), Simple::List(_)));
        assert_string(&nested(MAX_DEPTH + 1));
        assert_string(&nested(100_000));
    }
}
