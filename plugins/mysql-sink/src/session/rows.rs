//! Rows in statements: those of offsets, which are bound one by one, and those that are inserted where the server does not let
//! clients load files.

use mysql_async::Value;

/// How a statement asks for bound rows: `ROWS(?, 3)` is a table with the columns `c0`, `c1` and `c2`.
const ROWS: &str = "ROWS(?, ";

/// Replaces `ROWS(?, n)` by a query with a placeholder for every value. Returns the statement and all its values.
///
/// # Errors
/// If bound rows are not a JSON array of arrays of texts and nulls.
pub(super) fn expanded(text: &str, binds: &[&str]) -> Result<(String, Vec<Value>), serde_json::Error> {
    let mut binds = binds.iter();
    let (mut out, mut values) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some((before, found)) =
        rest.find(['`', '\'', '?', 'R']).and_then(|at| rest.split_at_checked(at))
    {
        out.push_str(before);
        let taken = match found.as_bytes().first() {
            Some(b'?') => {
                out.push('?');
                values.extend(binds.next().map(|bind| Value::from(*bind)));
                1
            }
            Some(b'R') => match marker(found) {
                Some((columns, length)) => {
                    let rows = binds.next().copied().unwrap_or("[]");
                    add_rows(&mut out, &mut values, columns, &serde_json::from_str::<Rows>(rows)?);
                    length
                }
                None => copied(found, 1, &mut out),
            },
            // A name or a text. One that contains its quote, doubled, is two of them.
            _ => {
                let quote = char::from(found.as_bytes().first().copied().unwrap_or_default());
                let end = found.get(1..).and_then(|inside| inside.find(quote));
                copied(found, end.map_or(found.len(), |end| end + 2), &mut out)
            }
        };
        rest = found.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok((out, values))
}

type Rows = Vec<Vec<Option<String>>>;

fn copied(text: &str, length: usize, out: &mut String) -> usize {
    out.push_str(text.get(..length).unwrap_or(text));
    length
}

/// Number of columns and length of a `ROWS(?, n)` at the beginning of a text.
fn marker(text: &str) -> Option<(usize, usize)> {
    let (columns, _) = text.strip_prefix(ROWS)?.split_once(')')?;
    Some((columns.parse().ok()?, ROWS.len() + columns.len() + 1))
}

fn add_rows(out: &mut String, values: &mut Vec<Value>, columns: usize, rows: &Rows) {
    let named: Vec<String> = (0..columns).map(|index| format!("? AS c{index}")).collect();
    if rows.is_empty() {
        let nulls = named.join(", ").replace('?', "NULL");
        out.push_str(&format!("(SELECT {nulls} FROM DUAL WHERE FALSE)"));
        return;
    }
    out.push_str(&format!("(SELECT {}", named.join(", ")));
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            out.push_str(" UNION ALL SELECT ");
            out.push_str(&vec!["?"; columns].join(", "));
        }
        values.extend((0..columns).map(|index| match row.get(index).cloned().flatten() {
            Some(text) => Value::from(text),
            None => Value::NULL,
        }));
    }
    out.push(')');
}

/// Statements that insert loaded rows. `text` is `INSERT .. VALUES (?, UNHEX(?))`, with a placeholder for each value of a row.
///
/// Each has at most `max_bytes`, but at least one row. Values are literals: a placeholder can be used only 65,535 times.
pub(super) fn inserts(text: &str, rows: &str, max_bytes: usize) -> Vec<String> {
    let at = text.rfind("VALUES ").map_or(text.len(), |at| at + "VALUES ".len());
    let (head, template) = text.split_at_checked(at).unwrap_or((text, ""));
    let parts: Vec<&str> = template.split('?').collect();
    let mut statements = Vec::new();
    let mut statement = String::new();
    for row in rows.lines() {
        let start = statement.len();
        statement.push_str(if start == 0 { head } else { ", " });
        let values = row.split('\t').map(Some).chain(std::iter::repeat(None));
        for (number, (part, value)) in parts.iter().zip(values).enumerate() {
            statement.push_str(part);
            if let Some(value) = value.filter(|_| number + 1 < parts.len()) {
                literal(value, &mut statement);
            }
        }
        if start > 0 && statement.len() > max_bytes {
            let row = statement.split_off(start);
            statements.push(std::mem::replace(&mut statement, head.to_owned()));
            statement.push_str(row.get(", ".len()..).unwrap_or_default());
        }
    }
    statements.extend((!statement.is_empty()).then_some(statement));
    statements
}

/// Writes a loaded value as a literal. Sessions set NO_BACKSLASH_ESCAPES, so only the quote is doubled.
fn literal(value: &str, out: &mut String) {
    if value == "\\N" {
        out.push_str("NULL");
        return;
    }
    out.push('\'');
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            '\'' => out.push_str("''"),
            other => out.push(other),
        }
    }
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_cdc::rows::RowFormat as _;

    use super::*;
    use crate::types::LoadRows;

    #[test]
    fn bound_rows_become_a_query_with_placeholders() {
        let text = "UPDATE `ROWS(?, 2)` t JOIN ROWS(?, 2) r ON t.`a``?` = r.c0 SET t.b = ?, t.R = '?'";
        let (text, values) = expanded(text, &[r#"[["x",null],["y","1"]]"#, "now"]).unwrap();
        assert_eq!(
            text,
            "UPDATE `ROWS(?, 2)` t JOIN (SELECT ? AS c0, ? AS c1 UNION ALL SELECT ?, ?) r ON t.`a``?` = r.c0 SET t.b = ?, t.R = '?'"
        );
        let of = |text: &str| Value::from(text);
        assert_eq!(values, [of("x"), Value::NULL, of("y"), of("1"), of("now")]);
        let (text, values) = expanded("SELECT * FROM ROWS(?, 1) r", &["[]"]).unwrap();
        assert_eq!(
            (text.as_str(), values.len()),
            ("SELECT * FROM (SELECT NULL AS c0 FROM DUAL WHERE FALSE) r", 0)
        );
    }

    #[test]
    fn loaded_rows_become_literals_in_statements_of_limited_size() {
        let text = "INSERT INTO `VALUES ?` (`a`, `b`) VALUES (?, UNHEX(?))";
        let statements = inserts(text, "it's\\n\t00\n\\N\tff\n\\\\N\t\\N\n", 70);
        assert_eq!(
            statements,
            [
                "INSERT INTO `VALUES ?` (`a`, `b`) VALUES ('it''s\n', UNHEX('00'))",
                "INSERT INTO `VALUES ?` (`a`, `b`) VALUES (NULL, UNHEX('ff'))",
                "INSERT INTO `VALUES ?` (`a`, `b`) VALUES ('\\N', UNHEX(NULL))",
            ]
        );
        assert_eq!(inserts(text, "a\t00\nb\tff\n", 1_000).len(), 1);
    }

    proptest! {
        #[test]
        fn a_text_is_one_literal(value in ".*") {
            let mut loaded = String::new();
            LoadRows::text(&mut loaded, &value);
            let mut written = String::new();
            literal(&loaded, &mut written);
            let inside = written.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
            prop_assert_eq!(inside.replace("''", "'"), value);
        }
    }
}
