//! Debezium's marks for a large value that an update left alone, and so did not carry.
//!
//! `unavailable.value.placeholder` and its typed variants (Debezium's `UnchangedToastedPlaceholder`): the text, the text
//! as bytes, a list of it, its bytes as a list of numbers, the UUID made of it, a map of it to itself.

use tidegate_abi::{List, Struct, Value, ValueRef};

const TEXT: &str = "__debezium_unavailable_value";
const BASE64: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";
/// Java's `UUID.nameUUIDFromBytes` of the text, in both forms.
const UUID_TEXT: &str = "b68a35a7-17ad-35b3-af2a-ae46edb4545a";
const UUID: [u8; 16] = 0xb68a_35a7_17ad_35b3_af2a_ae46_edb4_545a_u128.to_be_bytes();

/// Whether the text is a mark.
#[inline]
pub(crate) fn text_is_unavailable(text: &str) -> bool {
    match text.len() {
        28 => text == TEXT,
        40 => text == BASE64,
        _ => false,
    }
}

/// Whether the bytes are a mark.
#[inline]
pub(crate) fn bytes_are_unavailable(bytes: &[u8]) -> bool {
    bytes.len() == TEXT.len() && bytes == TEXT.as_bytes()
}

/// Whether the list is a mark.
pub(crate) fn list_is_unavailable(list: List<'_>) -> bool {
    match list.items() {
        [item] => item_is_unavailable(item),
        items => {
            items.len() == TEXT.len()
                && items.iter().zip(TEXT.bytes()).all(|(item, byte)| item.as_i64() == Some(byte.into()))
        }
    }
}

fn item_is_unavailable(item: &Value<'_>) -> bool {
    match item.view() {
        ValueRef::Unavailable => true,
        ValueRef::String(text) => text_is_unavailable(text) || text == UUID_TEXT,
        ValueRef::Uuid(bytes) => bytes == UUID,
        _ => false,
    }
}

/// Whether the struct, made of a map, is a mark.
pub(crate) fn struct_is_unavailable(row: Struct<'_>) -> bool {
    match row.fields() {
        [field] => field.name() == TEXT && item_is_unavailable(&field.value()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_abi::Field;

    use super::*;

    #[test]
    fn every_form_of_the_mark_is_known() {
        let [text, uuid] = [TEXT, UUID_TEXT].map(Value::string);
        assert!(text_is_unavailable(TEXT) && text_is_unavailable(BASE64));
        assert!(bytes_are_unavailable(TEXT.as_bytes()) && !bytes_are_unavailable(BASE64.as_bytes()));
        let numbers: Vec<Value<'_>> = TEXT.bytes().map(|byte| Value::int(byte.into())).collect();
        for list in [&[text][..], &[uuid], &[Value::UNAVAILABLE], &[Value::uuid(UUID)], &numbers] {
            assert!(Value::list(list).as_list().is_some_and(list_is_unavailable), "{list:?}");
        }
        let map = [Field::new(TEXT, text)];
        assert!(Value::object(&map).as_struct().is_some_and(struct_is_unavailable));
    }

    #[test]
    fn what_only_resembles_the_mark_is_kept() {
        assert!(!text_is_unavailable("__debezium_unavailable_valuE"));
        for list in [&[][..], &[Value::string("x")], &[Value::string(TEXT), Value::NULL], &[Value::int(95)]] {
            assert!(!Value::list(list).as_list().is_some_and(list_is_unavailable), "{list:?}");
        }
    }
}
