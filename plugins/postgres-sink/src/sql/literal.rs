//! String literals in statements.

use std::fmt::{self, Display, Write};

/// A string literal, for what cannot be bound.
pub(crate) struct Literal<'t>(pub(crate) &'t str);

impl Display for Literal<'_> {
    /// One with escapes: what a backslash is in others depends on a setting of the session.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("E'")?;
        for character in self.0.chars() {
            if matches!(character, '\'' | '\\') {
                formatter.write_char(character)?;
            }
            formatter.write_char(character)?;
        }
        formatter.write_char('\'')
    }
}

/// A statement with literals in place of its placeholders `$1`, `$2` and so on. Those in quoted names and literals are none.
pub(crate) fn with_literals(text: &str, binds: &[&str]) -> String {
    let mut out = String::with_capacity(text.len() + binds.iter().map(|bind| bind.len() + 4).sum::<usize>());
    let mut rest = text;
    // A doubled quote ends and begins a part within quotes, which changes nothing.
    let mut quote = None;
    while let Some(at) = rest.find(['"', '\'', '$']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let found = from.chars().next().unwrap_or_default();
        let after = from.get(1..).unwrap_or_default();
        if let (None, Some((bind, after))) = (quote, placeholder(from, binds)) {
            // Writing to a String cannot fail.
            let _written = write!(out, "{}", Literal(bind)).is_ok();
            rest = after;
            continue;
        }
        match quote {
            None if found != '$' => quote = Some(found),
            Some(open) if open == found => quote = None,
            _ => {}
        }
        out.push(found);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The bind of the placeholder at the beginning of a text, and what follows it.
fn placeholder<'b, 't>(text: &'t str, binds: &[&'b str]) -> Option<(&'b str, &'t str)> {
    let after = text.strip_prefix('$')?;
    let digits = after.len() - after.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let (number, after) = after.split_at(digits);
    let index = number.parse::<usize>().ok()?.checked_sub(1)?;
    Some((binds.get(index)?, after))
}

#[cfg(test)]
mod tests {
    use super::{Literal, with_literals};

    #[test]
    fn literals_are_read_as_they_are() {
        assert_eq!(Literal("it's").to_string(), "E'it''s'");
        assert_eq!(Literal(r"a\b'").to_string(), r"E'a\\b'''");
    }

    #[test]
    fn only_placeholders_become_literals() {
        let text =
            r#"UPDATE "a$1""$2" SET x = CAST($1 AS text), y = '$1''$2' WHERE z = $2 AND $12 AND $3 = $0"#;
        let expected = r#"UPDATE "a$1""$2" SET x = CAST(E'$2' AS text), y = '$1''$2' WHERE z = E'"' AND $12 AND $3 = $0"#;
        assert_eq!(with_literals(text, &["$2", "\""]), expected);
    }
}
