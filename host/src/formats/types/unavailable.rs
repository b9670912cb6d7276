//! Debezium's placeholders for a large value that an update left alone, and so did not carry.
//!
//! `unavailable.value.placeholder` and its typed variants (Debezium's `UnchangedToastedPlaceholder`): the text, the text
//! as bytes, a list of it, its bytes as a list of numbers, the UUID made of it, a map of it to itself.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use tidegate_abi::{List, Struct, Value, ValueRef};

const TEXT: &str = "__debezium_unavailable_value";
const BASE64: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";
/// Java's `UUID.nameUUIDFromBytes` of the text, in both forms.
const UUID_TEXT: &str = "b68a35a7-17ad-35b3-af2a-ae46edb4545a";
const UUID: [u8; 16] = 0xb68a_35a7_17ad_35b3_af2a_ae46_edb4_545a_u128.to_be_bytes();

/// What begins a placeholder whose bytes are in hexadecimal, as in Debezium's option.
const HEX: &str = "hex:";

/// A placeholder that no value can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlaceholderError {
    /// It has no bytes.
    #[error("it is empty, and every empty text would be an unavailable value")]
    Empty,
    /// What follows `hex:` is not hexadecimal.
    #[error("what follows \"hex:\" must be pairs of hexadecimal digits")]
    Hex,
    /// Its bytes are not text.
    #[error("the bytes that follow \"hex:\" are not UTF-8")]
    Unicode,
}

/// The text of the option `unavailable.value.placeholder`.
///
/// # Errors
/// When it is empty, or is not hexadecimal after `hex:`.
pub fn placeholder_text(option: &str) -> Result<Box<str>, PlaceholderError> {
    let text = match option.strip_prefix(HEX) {
        Some(hex) => text_of_hex(hex)?,
        None => option.into(),
    };
    if text.is_empty() { Err(PlaceholderError::Empty) } else { Ok(text) }
}

/// Recognises the placeholder of a task in all of its forms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unavailable(Option<Arc<Placeholder>>);

/// A placeholder that is not Debezium's default.
#[derive(Debug)]
struct Placeholder {
    text: Box<str>,
    base64: Box<str>,
    uuid: [u8; 16],
    uuid_text: Box<str>,
}

impl Placeholder {
    fn new(text: &str) -> Self {
        let uuid = name_uuid(text.as_bytes());
        Self {
            text: text.into(),
            base64: STANDARD.encode(text).into(),
            uuid,
            uuid_text: Value::uuid(uuid).to_string().into(),
        }
    }
}

impl Unavailable {
    /// Recognises the placeholder `option`, as the source connector's option has it; `None`: Debezium's default. One that
    /// [`placeholder_text`] rejects, which connector files cannot have, leaves the default.
    pub(crate) fn new(option: Option<&str>) -> Self {
        let text = option.and_then(|option| placeholder_text(option).ok()).filter(|text| **text != *TEXT);
        Self(text.map(|text| Arc::new(Placeholder::new(&text))))
    }

    fn text(&self) -> &str {
        self.0.as_ref().map_or(TEXT, |own| &own.text)
    }

    /// Whether the text is the placeholder.
    #[inline]
    pub(crate) fn is_text(&self, text: &str) -> bool {
        match (&self.0, text.len()) {
            (None, 28) => text == TEXT,
            (None, 40) => text == BASE64,
            (None, _) => false,
            (Some(own), _) => text == &*own.text || text == &*own.base64,
        }
    }

    /// Whether the bytes are the placeholder.
    #[inline]
    pub(crate) fn is_bytes(&self, bytes: &[u8]) -> bool {
        bytes == self.text().as_bytes()
    }

    /// Whether the list is the placeholder.
    pub(crate) fn is_list(&self, list: List<'_>) -> bool {
        let text = self.text();
        match list.items() {
            [item] if self.is_item(item) => true,
            items => {
                items.len() == text.len()
                    && items.iter().zip(text.bytes()).all(|(item, byte)| item.as_i64() == Some(byte.into()))
            }
        }
    }

    fn is_item(&self, item: &Value<'_>) -> bool {
        let (uuid, uuid_text) = self.0.as_ref().map_or((UUID, UUID_TEXT), |own| (own.uuid, &own.uuid_text));
        match item.view() {
            ValueRef::Unavailable => true,
            ValueRef::String(text) => self.is_text(text) || text == uuid_text,
            ValueRef::Uuid(bytes) => bytes == uuid,
            _ => false,
        }
    }

    /// Whether the struct, made of a map, is the placeholder.
    pub(crate) fn is_struct(&self, row: Struct<'_>) -> bool {
        match row.fields() {
            [field] => field.name() == self.text() && self.is_item(&field.value()),
            _ => false,
        }
    }
}

fn text_of_hex(hex: &str) -> Result<Box<str>, PlaceholderError> {
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2)).ok_or(PlaceholderError::Hex)?;
    let bytes =
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8)).collect();
    String::from_utf8(bytes).map(Into::into).map_err(|_| PlaceholderError::Unicode)
}

/// Java's `UUID.nameUUIDFromBytes`: version 3 of RFC 9562, without a namespace.
fn name_uuid(name: &[u8]) -> [u8; 16] {
    let mut uuid = <[u8; 16]>::from(Md5::digest(name));
    uuid[6] = uuid[6] & 0x0f | 0x30;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

#[cfg(test)]
mod tests {
    use tidegate_abi::Field;

    use super::*;

    #[track_caller]
    fn assert_every_form(unavailable: &Unavailable, text: &'static str, uuid: [u8; 16]) {
        let base64 = STANDARD.encode(text);
        let uuid_text = Value::uuid(uuid).to_string();
        let [text_value, uuid_value] = [Value::string(text), Value::string(&uuid_text)];
        assert!(unavailable.is_text(text) && unavailable.is_text(&base64));
        assert!(unavailable.is_bytes(text.as_bytes()) && !unavailable.is_bytes(base64.as_bytes()));
        let numbers: Vec<Value<'_>> = text.bytes().map(|byte| Value::int(byte.into())).collect();
        for list in [&[text_value][..], &[uuid_value], &[Value::UNAVAILABLE], &[Value::uuid(uuid)], &numbers]
        {
            assert!(Value::list(list).as_list().is_some_and(|list| unavailable.is_list(list)), "{list:?}");
        }
        let map = [Field::new(text, text_value)];
        assert!(Value::object(&map).as_struct().is_some_and(|map| unavailable.is_struct(map)));
    }

    #[test]
    fn every_form_of_the_default_is_known() {
        assert_every_form(&Unavailable::default(), TEXT, UUID);
        assert_eq!((name_uuid(TEXT.as_bytes()), STANDARD.encode(TEXT)), (UUID, BASE64.to_owned()));
        assert!(Unavailable::new(Some(TEXT)).0.is_none());
    }

    #[test]
    fn every_form_of_another_placeholder_is_known_and_the_default_is_not() {
        let own = Unavailable::new(Some("n/a"));
        assert_every_form(&own, "n/a", name_uuid(b"n/a"));
        assert!(!own.is_text(TEXT) && !own.is_text(BASE64) && !own.is_bytes(TEXT.as_bytes()));
        let (one, hex) = (Unavailable::new(Some("?")), Unavailable::new(Some("hex:6e2F61")));
        assert_every_form(&one, "?", name_uuid(b"?"));
        assert_every_form(&hex, "n/a", name_uuid(b"n/a"));
    }

    #[test]
    fn a_placeholder_without_bytes_or_with_bad_digits_is_refused() {
        for (option, error) in [
            ("", PlaceholderError::Empty),
            ("hex:", PlaceholderError::Empty),
            ("hex:zz", PlaceholderError::Hex),
            ("hex:6e2", PlaceholderError::Hex),
            ("hex:ff", PlaceholderError::Unicode),
        ] {
            assert_eq!(placeholder_text(option), Err(error), "{option}");
            assert!(!Unavailable::new(Some(option)).is_text(""), "{option}");
        }
    }

    #[test]
    fn what_only_resembles_the_placeholder_is_kept() {
        let unavailable = Unavailable::default();
        assert!(!unavailable.is_text("__debezium_unavailable_valuE"));
        for list in [&[][..], &[Value::string("x")], &[Value::string(TEXT), Value::NULL], &[Value::int(95)]] {
            assert!(!Value::list(list).as_list().is_some_and(|list| unavailable.is_list(list)), "{list:?}");
        }
    }
}
