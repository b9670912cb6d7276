//! Regular expressions in options.

use regex::Regex;
use tidegate_plugin::prelude::*;

/// Compiles the pattern of the option `key`. The pattern may match anywhere.
pub(crate) fn anywhere(key: &str, pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|error| {
        // The last line of the error has the reason; the lines before show the pattern.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Error::invalid_option(key, format_args!("not a valid pattern: {reason}"))
    })
}

/// Compiles the pattern of the option `key`. The pattern must match the whole text.
pub(crate) fn whole(key: &str, pattern: &str) -> Result<Regex> {
    // By itself first: `a)(b` would be valid only inside of the group.
    anywhere(key, pattern)?;
    anywhere(key, &format!("^(?:{pattern})$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_pattern_is_reported_in_one_line() {
        for pattern in ["a)(b", "(", "[z-a]", r"\p{Nonsense}"] {
            let error = whole("topic", pattern).unwrap_err().to_string();
            assert!(error.starts_with("topic: not a valid pattern: ") && !error.contains('\n'), "{error}");
        }
        assert!(whole("topic", "a|b").unwrap().is_match("b"));
        assert!(!whole("topic", "a|b").unwrap().is_match("ab"));
    }
}
