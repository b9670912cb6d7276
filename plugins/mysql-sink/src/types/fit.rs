//! Whether a column can hold a value exactly.

use std::fmt::{self, Write};

use tidegate_cdc::types::number::{self, Size as Digits};
use tidegate_plugin::{Date, Timestamp, Value, ValueRef};

use super::{Charset, ColumnType, Kind, Size, is_missing};

type Fit = tidegate_cdc::types::Fit<Kind>;

const SECONDS_PER_DAY: i64 = 86_400;
/// Floats can hold every integer up to this size.
const WHOLE_DOUBLES: u64 = 1 << 53;
/// The last second of TIMESTAMP.
const LAST_TIMESTAMP: i64 = 2_147_483_647;

/// Whether a column of a type can hold a value without loss, or a column of a wider kind.
pub(super) fn fit(column: &ColumnType, value: Value<'_>) -> Fit {
    let view = value.view();
    if is_missing(view) {
        return Fit::Fits;
    }
    match &column.kind {
        Kind::Boolean if matches!(view, ValueRef::Bool(_)) => Fit::Fits,
        Kind::Boolean => whole(view, i8::MIN.into(), i8::MAX.into()),
        Kind::Integer { bytes, is_unsigned } => {
            let (least, most) = range(*bytes, *is_unsigned);
            whole(view, least, most)
        }
        Kind::Bit(1) if matches!(view, ValueRef::Bool(_)) => Fit::Fits,
        Kind::Bit(bits) => {
            fits(matches!(whole_number(view), Some(number) if (0..1 << bits).contains(&number)))
        }
        Kind::Year => fits(matches!(whole_number(view), Some(1901..=2155))),
        Kind::Decimal { precision, scale, is_unsigned } => decimal(view, *precision, *scale, *is_unsigned),
        Kind::Float { is_unsigned } => match double(view) {
            Some(float) if *is_unsigned && float < 0.0 => Fit::Mismatch,
            Some(float) if f64::from(float as f32) == float => Fit::Fits,
            Some(_) => Fit::Widens(Kind::Double { is_unsigned: *is_unsigned }),
            None => Fit::Mismatch,
        },
        Kind::Double { is_unsigned } => fits(double(view).is_some_and(|float| float >= 0.0 || !is_unsigned)),
        Kind::Char(_) | Kind::VarChar(_) | Kind::Text(_) | Kind::Enum(_) | Kind::Set(_) => {
            text(column, value)
        }
        Kind::Binary(length) => fits(value.as_bytes().is_some_and(|bytes| bytes.len() == *length as usize)),
        Kind::VarBinary(length) => bytes(value, *length as usize),
        Kind::Bytes(size) => bytes(value, size.bytes()),
        Kind::Document => fits(document(view, false)),
        Kind::Json => fits(document(view, true)),
        Kind::Native(_) => fits(matches!(view, ValueRef::String(_) | ValueRef::Uuid(_))),
        Kind::Date | Kind::Time(_) | Kind::DateTime(_) | Kind::Timestamp(_) => {
            fits(temporal(&column.kind, view))
        }
        Kind::Unsupported(_) => Fit::Mismatch,
    }
}

fn fits(does: bool) -> Fit {
    if does { Fit::Fits } else { Fit::Mismatch }
}

/// The least and the largest number of this many bytes.
fn range(bytes: u8, is_unsigned: bool) -> (i128, i128) {
    let size = 1_i128 << (8 * u32::from(bytes));
    if is_unsigned { (0, size - 1) } else { (-size / 2, size / 2 - 1) }
}

fn whole_number(value: ValueRef<'_>) -> Option<i128> {
    match value {
        ValueRef::Int(number) => Some(number.into()),
        ValueRef::UInt(number) => Some(number.into()),
        value => number::with_digits(value, |digits| {
            (digits.fraction() == 0).then(|| digits.to_string().parse::<i128>().unwrap_or(i128::MAX))
        })?,
    }
}

/// Whether a number is whole and in a range; the next wider kinds have 64 bits and 35 digits.
fn whole(value: ValueRef<'_>, least: i128, most: i128) -> Fit {
    let Some(number) = whole_number(value) else { return Fit::Mismatch };
    let (first, last) = range(8, false);
    match number {
        number if (least..=most).contains(&number) => Fit::Fits,
        number if (first..=last).contains(&number) && least >= first && most <= last => {
            Fit::Widens(Kind::BIGINT)
        }
        number if number != i128::MAX => Fit::Widens(Kind::NUMBER),
        _ => Fit::Mismatch,
    }
}

fn decimal(value: ValueRef<'_>, precision: u8, scale: u8, is_unsigned: bool) -> Fit {
    if matches!(value, ValueRef::Float(float) if !float.is_finite()) {
        return Fit::Mismatch;
    }
    let Some(Digits { integer, fraction }) = number::size(value, scale) else { return Fit::Mismatch };
    let is_negative =
        || number::with_digits(value, |digits| digits.to_string().starts_with('-')) == Some(true);
    let has = |precision: u8, scale: u8| fraction <= scale.into() && integer <= i64::from(precision - scale);
    if has(precision, scale) && !(is_unsigned && is_negative()) {
        return Fit::Fits;
    }
    // The kind with the most digits behind the point; with many before it, only those that are needed.
    let Ok(behind) = u8::try_from(fraction.max(scale.into())) else { return Fit::Mismatch };
    let wider = [(65, 30), (65, behind)]
        .into_iter()
        .find(|(precision, scale)| *scale <= 30 && *scale >= behind && has(*precision, *scale));
    match wider {
        Some((precision, scale)) => Fit::Widens(Kind::Decimal { precision, scale, is_unsigned: false }),
        None => Fit::Mismatch,
    }
}

/// The float that a value is. MySQL has no NaN, no infinity and no negative zero.
fn double(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Float(float) => {
            (float.is_finite() && !(float == 0.0 && float.is_sign_negative())).then_some(float)
        }
        ValueRef::Int(number) => (number.unsigned_abs() <= WHOLE_DOUBLES).then_some(number as f64),
        ValueRef::UInt(number) => (number <= WHOLE_DOUBLES).then_some(number as f64),
        ValueRef::Number(_) | ValueRef::Decimal(_) => number::exact_float(value),
        _ => None,
    }
}

fn bytes(value: Value<'_>, most: usize) -> Fit {
    match value.as_bytes() {
        Some(bytes) if bytes.len() <= most => Fit::Fits,
        Some(_) => Fit::Widens(Kind::Bytes(Size::Long)),
        None => Fit::Mismatch,
    }
}

fn text(column: &ColumnType, value: Value<'_>) -> Fit {
    let mut found = Found { charset: column.charset.as_ref(), ..Found::default() };
    let is_read = match value.as_str() {
        Some(text) => found.write_str(text).is_ok(),
        None => !matches!(value.view(), ValueRef::Unsupported(_)) && write!(found, "{value}").is_ok(),
    };
    if !is_read || found.has_foreign {
        return Fit::Mismatch;
    }
    let is_short = match &column.kind {
        // Spaces at the end are not kept.
        Kind::Char(length) => found.characters <= *length as usize && !found.ends_with_space,
        Kind::VarChar(length) => found.characters <= *length as usize,
        Kind::Text(size) => found.bytes <= size.bytes(),
        // The text of a number that is no member would be the number of one.
        Kind::Enum(members) => {
            return fits(value.as_str().is_some_and(|text| members.iter().any(|known| known == text)));
        }
        Kind::Set(members) => return fits(value.as_str().is_some_and(|text| is_set(text, members))),
        _ => false,
    };
    if is_short { Fit::Fits } else { Fit::Widens(Kind::Text(Size::Long)) }
}

/// Whether a text has members in the order of their definition, each once: another order would not be kept.
fn is_set(text: &str, members: &[String]) -> bool {
    let mut known = members.iter();
    text.is_empty() || text.split(',').all(|part| known.any(|member| member == part))
}

/// What is in a text.
#[derive(Default)]
struct Found<'c> {
    charset: Option<&'c Charset>,
    characters: usize,
    bytes: usize,
    ends_with_space: bool,
    /// Whether it has a character that the character set does not have.
    has_foreign: bool,
}

impl fmt::Write for Found<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Some(charset) = self.charset else {
            self.characters += text.chars().count();
            self.bytes += text.len();
            self.ends_with_space = text.ends_with(' ') || (self.ends_with_space && text.is_empty());
            return Ok(());
        };
        for character in text.chars() {
            self.characters += 1;
            self.bytes += charset.bytes(character.len_utf8());
            self.ends_with_space = character == ' ';
            self.has_foreign |= !charset.has(character);
        }
        Ok(())
    }
}

/// Whether a value is a document. MySQL's JSON has only floats and integers of 64 bits.
fn document(value: ValueRef<'_>, is_narrow: bool) -> bool {
    match value {
        ValueRef::Unsupported(_) | ValueRef::Unavailable => false,
        ValueRef::Number(_) | ValueRef::Decimal(_) if is_narrow => is_narrow_number(value),
        ValueRef::Json(text) if is_narrow => has_narrow_numbers(text),
        ValueRef::List(list) => list.iter().all(|value| document(value.view(), is_narrow)),
        ValueRef::Struct(row) => row.iter().all(|(_, value)| document(value.view(), is_narrow)),
        _ => true,
    }
}

fn is_narrow_number(value: ValueRef<'_>) -> bool {
    let is_whole =
        whole_number(value).is_some_and(|number| (i64::MIN.into()..=u64::MAX.into()).contains(&number));
    is_whole || number::exact_float(value).is_some()
}

/// Whether all numbers of a JSON text are floats or integers of 64 bits.
fn has_narrow_numbers(json: &str) -> bool {
    let mut rest = json;
    while let Some(start) = rest.find(|character: char| matches!(character, '"' | '-' | '0'..='9')) {
        let (_, found) = rest.split_at_checked(start).unwrap_or_default();
        let end = if found.starts_with('"') {
            string_end(found)
        } else {
            let is_outside = |character: char| !matches!(character, '-' | '+' | '.' | 'e' | 'E' | '0'..='9');
            let end = found.find(is_outside).unwrap_or(found.len());
            if !found.get(..end).is_some_and(|number| is_narrow_number(ValueRef::Number(number))) {
                return false;
            }
            end
        };
        rest = found.get(end..).unwrap_or_default();
    }
    true
}

/// The end of a JSON string at the beginning of a text.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn temporal(kind: &Kind, value: ValueRef<'_>) -> bool {
    match (kind, value) {
        (Kind::Date | Kind::DateTime(_), ValueRef::Date(date)) => has_day(date.days),
        (Kind::Time(_), ValueRef::Time(time)) => time.offset_seconds.is_none(),
        (Kind::DateTime(_), ValueRef::Timestamp(timestamp)) => has_day(day(timestamp)),
        // A point in time; a local time is none.
        (Kind::Timestamp(_), ValueRef::Timestamp(timestamp)) => {
            timestamp.offset_seconds.is_some() && (1..=LAST_TIMESTAMP).contains(&timestamp.seconds)
        }
        _ => false,
    }
}

fn day(timestamp: Timestamp) -> i64 {
    timestamp.seconds.div_euclid(SECONDS_PER_DAY)
}

/// Years have four digits.
fn has_day(days: i64) -> bool {
    (Date::from_civil(0, 1, 1).days..=Date::from_civil(9_999, 12, 31).days).contains(&days)
}
