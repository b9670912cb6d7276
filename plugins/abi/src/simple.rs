//! The value of a header, as Kafka Connect's `SimpleHeaderConverter` reads it.
//!
//! Rules: `org.apache.kafka.connect.data.Values.parseString`. Text is split at `:`, `,`, `"`, brackets and braces, unless a
//! backslash precedes them. There are three differences, because Connect's rules lose information: text after a complete
//! value makes the whole a string, where Connect reads `1,2` as 1; dates and times must be valid; and numbers keep all their
//! digits, where Connect rounds to 32 bits.

use crate::{
    arena::Arena,
    value::{Date, Field, Time, Timestamp, Value},
};

/// Lists and maps in each other at most; what is nested deeper is a string.
const MAX_DEPTH: usize = 32;

/// Decimal digits that a double always keeps.
const DIGITS_OF_DOUBLE: usize = 15;

/// The typed value of a header's text. Text that is no other value is a string.
pub(crate) fn parse<'b>(text: &'b str, arena: Arena<'b>) -> Value<'b> {
    let mut parser = Parser { text, at: 0, arena };
    match parser.value(MAX_DEPTH, false) {
        Some(value) if parser.rest().trim().is_empty() => value,
        _ => Value::string(text),
    }
}

struct Parser<'b> {
    text: &'b str,
    /// Start of the next token.
    at: usize,
    arena: Arena<'b>,
}

impl<'b> Parser<'b> {
    fn rest(&self) -> &'b str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next token: a delimiter, or the text up to the next one.
    fn next(&mut self) -> Option<&'b str> {
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
    fn next_solid(&mut self) -> Option<&'b str> {
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
    fn value(&mut self, depth: usize, embedded: bool) -> Option<Value<'b>> {
        let token = self.next_solid()?;
        match token.trim() {
            "\"" if embedded => self.quoted(),
            "null" => Some(Value::NULL),
            "true" => Some(Value::bool(true)),
            "false" => Some(Value::bool(false)),
            "[" => self.list(depth.checked_sub(1)?),
            "{" => self.map(depth.checked_sub(1)?),
            trimmed if trimmed.starts_with(|first: char| first.is_ascii_digit()) => {
                self.long_temporal(token).or_else(|| temporal(trimmed)).or_else(|| number(trimmed))
            }
            trimmed => number(trimmed),
        }
    }

    /// A time or timestamp whose colons have split it into five tokens, of which `first` was read.
    fn long_temporal(&mut self, first: &'b str) -> Option<Value<'b>> {
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
    fn quoted(&mut self) -> Option<Value<'b>> {
        let start = self.at;
        while let Some(token) = self.next() {
            if token == "\"" {
                let content = self.text.get(start..self.at - 1)?;
                return Some(temporal(content).unwrap_or(Value::string(content)));
            }
        }
        None
    }

    fn list(&mut self, depth: usize) -> Option<Value<'b>> {
        let mut items = Vec::new();
        let mut is_first = true;
        loop {
            let has_comma = std::mem::take(&mut is_first) || self.consume(",");
            if self.consume("]") {
                return has_one_type(items.iter().copied()).then(|| self.arena.list(&items));
            }
            if !has_comma {
                return None;
            }
            items.push(self.value(depth, true)?);
        }
    }

    fn map(&mut self, depth: usize) -> Option<Value<'b>> {
        let mut fields: Vec<Field<'b>> = Vec::new();
        loop {
            if self.consume("}") {
                let values = fields.iter().map(Field::value);
                return has_one_type(values).then(|| self.arena.object(&fields));
            }
            let key = self.value(depth, true).filter(|key| !key.is_null())?;
            if !self.consume(":") {
                return None;
            }
            let value = self.value(depth, true)?;
            let name = key.as_str().unwrap_or_else(|| self.arena.str(&key.to_string()));
            match fields.iter_mut().find(|field| field.name() == name) {
                Some(field) => *field = Field::new(name, value),
                None => fields.push(Field::new(name, value)),
            }
            // Connect requires no comma between entries.
            self.consume(",");
        }
    }
}

/// Connect has no schema for nulls next to values of one type: what has both is a string.
fn has_one_type<'b>(values: impl Iterator<Item = Value<'b>> + Clone) -> bool {
    if !values.clone().any(|value| value.is_null()) {
        return true;
    }
    let kind = |value: Value<'b>| if value.as_f64().is_some() { None } else { Some(value.kind()) };
    let mut kinds = values.filter(|value| !value.is_null()).map(kind);
    let Some(first) = kinds.next() else { return true };
    !kinds.all(|kind| kind == first)
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
