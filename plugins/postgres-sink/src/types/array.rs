//! Arrays: which lists fit, and their text.
//!
//! Source: "Array Input and Output Syntax" in PostgreSQL's documentation.

use tidegate_cdc::types::loses_fraction;
use tidegate_plugin::{List, ValueRef};

use super::{ColumnType, fit::fit, write::write};

/// Fractional digits of a second that PostgreSQL keeps.
const MICROSECONDS: u8 = 6;

type Fit = tidegate_cdc::types::Fit<ColumnType>;

/// Whether a list fits an array with elements of this type. Lists within lists do not: PostgreSQL's arrays have the same number of
/// elements in each dimension, and lists need not.
pub(super) fn fit_elements(element: &ColumnType, list: List<'_>) -> Fit {
    let mut wider: Option<ColumnType> = None;
    for value in list.iter() {
        let is_nested = matches!(value.view(), ValueRef::List(_) | ValueRef::Struct(_));
        if (is_nested && !is_document(element)) || loses_fraction(MICROSECONDS, value.view()) {
            return Fit::Mismatch;
        }
        let mut found = fit(wider.as_ref().unwrap_or(element), value);
        // A number may need more than one step, such as from smallint to bigint.
        while let Fit::Widens(kind) = found {
            found = fit(&kind, value);
            wider = Some(kind);
        }
        if found == Fit::Mismatch {
            return Fit::Mismatch;
        }
    }
    wider.map_or(Fit::Fits, |kind| Fit::Widens(ColumnType::Array(Box::new(kind))))
}

fn is_document(element: &ColumnType) -> bool {
    matches!(element, ColumnType::Json | ColumnType::Jsonb)
}

/// Appends the text of a list that fits, for COPY. All elements but nulls are quoted, so that none is read as NULL or as a delimiter.
pub(super) fn write_elements(element: &ColumnType, list: List<'_>, out: &mut String) {
    out.push('{');
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if matches!(value.view(), ValueRef::Null | ValueRef::Unavailable) {
            out.push_str("NULL");
            continue;
        }
        out.push('"');
        let start = out.len();
        write(element, value, out);
        quote(out, start);
        out.push('"');
    }
    out.push('}');
}

/// Escapes what an element has written, which is escaped for COPY already: a backslash is two, and must be four. Line breaks and tabs
/// are escaped for COPY alone.
fn quote(out: &mut String, start: usize) {
    if !out.get(start..).is_some_and(|text| text.contains(['\\', '"'])) {
        return;
    }
    let text = out.split_off(start);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => out.push_str("\\\\\""),
            '\\' => match characters.next() {
                Some('\\') => out.push_str("\\\\\\\\"),
                escaped => out.extend([Some('\\'), escaped].into_iter().flatten()),
            },
            other => out.push(other),
        }
    }
}
