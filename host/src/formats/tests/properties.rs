//! Arbitrary documents: the decoder agrees with serde_json, keeps every number, and survives anything.

use proptest::prelude::*;

use super::{decode, decode_with, json_decoder, only, to_json};

/// A document, as the test knows it.
#[derive(Clone, Debug)]
enum Doc {
    Word(&'static str),
    Number(String),
    Text(String),
    List(Vec<Doc>),
    Object(Vec<(String, Doc)>),
}

fn doc() -> impl Strategy<Value = Doc> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(Doc::Word),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?".prop_map(Doc::Number),
        any::<i64>().prop_map(|number| Doc::Number(number.to_string())),
        any::<f64>()
            .prop_filter("JSON has no other", |float| float.is_finite())
            .prop_map(|float| Doc::Number(format!("{float:?}"))),
        text().prop_map(Doc::Text),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Doc::List),
            prop::collection::vec((text(), inner), 0..8).prop_map(Doc::Object),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_]{0,24}",
        "\\PC{0,12}",
        prop::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter)
    ]
}

impl Doc {
    /// The document as text, with the spaces and escapes that `choice` picks.
    fn render(&self, choice: &mut impl FnMut() -> u32, out: &mut String) {
        space(choice, out);
        match self {
            Self::Word(word) => out.push_str(word),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => quote(text, choice, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    item.render(choice, out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    space(choice, out);
                    quote(name, choice, out);
                    space(choice, out);
                    out.push(':');
                    value.render(choice, out);
                }
                out.push('}');
            }
        }
        space(choice, out);
    }

    /// The document in one way of writing, each number by what it denotes.
    fn canonical(&self) -> String {
        match self {
            Self::Word(word) => (*word).to_owned(),
            Self::Number(text) => denoted(text),
            Self::Text(text) => format!("{text:?}"),
            Self::List(items) => format!("{:?}", items.iter().map(Self::canonical).collect::<Vec<_>>()),
            Self::Object(fields) => {
                // Of a name that comes twice, the last value counts, at the place of the first.
                let mut kept: Vec<(&String, String)> = Vec::new();
                for (name, value) in fields {
                    match kept.iter_mut().find(|(known, _)| *known == name) {
                        Some(known) => known.1 = value.canonical(),
                        None => kept.push((name, value.canonical())),
                    }
                }
                format!("{kept:?}")
            }
        }
    }
}

fn space(choice: &mut impl FnMut() -> u32, out: &mut String) {
    out.push_str(["", "", "", "", " ", "\n", "\t\r "][choice() as usize % 7]);
}

fn quote(text: &str, choice: &mut impl FnMut() -> u32, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        let short = "\"\\/\u{8}\u{c}\n\r\t"
            .find(character)
            .map(|at| ["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"][at.min(7)]);
        match choice() % 8 {
            0 => character
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| out.push_str(&format!("\\u{unit:04X}"))),
            1 if short.is_some() => out.push_str(short.unwrap_or_default()),
            _ if matches!(character, '"' | '\\' | '\0'..' ') => {
                out.push_str(&format!("\\u{:04x}", character as u32))
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn canonical(value: tidegate_abi::Value<'_>) -> String {
    use tidegate_abi::ValueRef;
    match value.view() {
        ValueRef::Null => "null".into(),
        ValueRef::Bool(value) => value.to_string(),
        ValueRef::String(text) => format!("{text:?}"),
        ValueRef::List(items) => format!("{:?}", items.iter().map(canonical).collect::<Vec<_>>()),
        ValueRef::Struct(row) => {
            format!("{:?}", row.iter().map(|(name, value)| (name, canonical(value))).collect::<Vec<_>>())
        }
        _ => denoted(&to_json(value)),
    }
}

/// What a number's text denotes: its digits without zeros around them, and the power of ten of the last.
fn denoted(text: &str) -> String {
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |unsigned| ("-", unsigned));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_start_matches('0').trim_end_matches('0');
    if trimmed.is_empty() {
        return format!("{sign}0");
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let power = exponent.parse::<i64>().unwrap() - fraction.len() as i64 + zeros as i64;
    format!("{sign}{trimmed}e{power}")
}

/// Whether serde_json reads the text, without a byte order mark; `None` when it stopped at a number that is too large for
/// it, though not for us.
fn serde_accepts(text: &[u8]) -> Option<bool> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    match serde_json::from_slice::<serde_json::Value>(text) {
        Ok(_) => Some(true),
        Err(error) if error.to_string().starts_with("number out of range") => None,
        Err(_) => Some(false),
    }
}

fn accepts(text: &[u8]) -> bool {
    decode_with(&mut json_decoder(), &[(None, Some(text))]).rejected().is_empty()
}

/// A sequence of choices that a seed decides.
fn choices(mut seed: u64) -> impl FnMut() -> u32 {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32
    }
}

/// What stands in front of a payload: a schema with a decimal, a map and a list.
const SCHEMA: &str = r#"{"schema":{"type":"struct","fields":[{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"d"},{"type":"map","keys":{"type":"int32"},"values":{"type":"string"},"field":"m"},{"type":"array","items":{"type":"float"},"default":[1.5],"field":"a"}]},"payload":"#;

proptest! {
    #[test]
    fn documents_are_read_with_every_digit_and_character(doc in doc(), seed: u64) {
        let mut text = String::new();
        doc.render(&mut choices(seed), &mut text);
        prop_assert_ne!(serde_accepts(text.as_bytes()), Some(false));
        let batch = decode(&[&text]);
        prop_assert_eq!(canonical(only(&batch).value()), doc.canonical());
        let written = to_json(only(&batch).value());
        let again = decode(&[&written]);
        prop_assert_eq!(canonical(only(&again).value()), doc.canonical());
    }

    #[test]
    fn what_serde_json_refuses_is_refused_and_nothing_else(doc in doc(), seed: u64, at: prop::sample::Index, byte: u8, how in 0..3) {
        let mut text = String::new();
        doc.render(&mut choices(seed), &mut text);
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        let likely = b"{}[]\",:\\0-+.eEu \n\0x"[usize::from(byte) % 19];
        match how {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, likely),
            _ => bytes[at] = byte,
        }
        if let Some(expected) = serde_accepts(&bytes) {
            prop_assert_eq!(accepts(&bytes), expected, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn anything_at_all_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(Some(accepts(&bytes)), serde_accepts(&bytes));
    }

    // Only the payload is broken here: each broken schema that is still one would be kept for ever.
    #[test]
    fn a_broken_payload_under_a_schema_is_read_or_refused(at: prop::sample::Index, byte: u8) {
        let mut payload = br#"{"d":"A/w=","m":[[1,"x"]],"a":[1.25,"NaN"]}}"#.to_vec();
        let at = at.index(payload.len());
        payload[at] = byte;
        let bytes = [SCHEMA.as_bytes(), &payload].concat();
        prop_assert!(!accepts(&bytes) || serde_accepts(&bytes) != Some(false));
    }
}

#[test]
fn documents_of_any_depth_are_read_or_refused() {
    for (depth, fine) in [(1, true), (127, true), (128, true), (129, false), (100_000, false)] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(accepts(text.as_bytes()), fine, "{depth} {open}");
        }
    }
}
