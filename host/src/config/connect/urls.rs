//! Passwords inside of URLs: `https://user:password@host` and `?token=..`.

use super::masks::{is_secret_name, masked};

/// What ends the part of a URL with user and host.
const AFTER_AUTHORITY: [char; 6] = ['/', '?', '#', '"', '\'', ' '];
/// What ends the value of a parameter.
const AFTER_VALUE: [char; 7] = ['&', ';', '#', ',', '"', '\'', ' '];

/// The text with the passwords of its URLs masked, but for those that are placeholders.
pub(super) fn mask_urls(text: &str) -> String {
    if !text.contains("://") {
        return text.to_owned();
    }
    mask_parameters(&mask_users(text))
}

fn mask_users(text: &str) -> String {
    let (mut result, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("://") {
        let authority = &after[..end(after, &AFTER_AUTHORITY)];
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        result.push_str(before);
        result.push_str("://");
        if let Some((name, password)) = user.split_once(':') {
            result.push_str(name);
            result.push(':');
            result.push_str(&masked(password.to_owned()));
        } else {
            result.push_str(user);
        }
        rest = &after[user.len()..];
    }
    result + rest
}

fn mask_parameters(text: &str) -> String {
    let (mut result, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['?', '&', ';']) {
        let (before, after) = rest.split_at(at + 1);
        result.push_str(before);
        rest = after;
        let parameter = &after[..end(after, &AFTER_VALUE)];
        if let Some((name, value)) = parameter.split_once('=').filter(|(name, _)| is_secret_name(name)) {
            result.push_str(name);
            result.push('=');
            result.push_str(&masked(value.to_owned()));
            rest = &after[parameter.len()..];
        }
    }
    result + rest
}

/// The index of the first of these characters or of a line end outside of placeholders, or the length.
fn end(text: &str, ends: &[char]) -> usize {
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        if ends.contains(&character) || character.is_control() {
            return at;
        }
        at += match text[at..].strip_prefix("${").and_then(|placeholder| placeholder.find('}')) {
            Some(length) => "${".len() + length,
            None => character.len_utf8(),
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_are_masked_and_the_rest_stays() {
        for (text, shown) in [
            ("https://user:pa@ss:word@host:80/a?b=c", "https://user:********@host:80/a?b=c"),
            ("http://u:p@a,http://u:q@b", "http://u:********@a,http://u:********@b"),
            ("[\"redis://:p@a\",\"b\"]", "[\"redis://:********@a\",\"b\"]"),
            (
                "jdbc:postgresql://h/d?user=u&password=p&ssl=true",
                "jdbc:postgresql://h/d?user=u&password=********&ssl=true",
            ),
            ("https://h/x?sas_token=a,b#c", "https://h/x?sas_token=********,b#c"),
        ] {
            assert_eq!(mask_urls(text), shown);
            assert_eq!(mask_urls(shown), shown, "a masked text stays as it is");
        }
        for plain in [
            "https://host:8081/a@b",
            "https://user@host",
            "https://user:${file:/run/secrets/a@b}@host",
            "user:password@host",
            "https://h/?token=${env:TOKEN}",
            "https://h/?token_type=jwt",
        ] {
            assert_eq!(mask_urls(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn no_password_of_a_url_is_shown(
            before in "[a-z \"]{0,5}", password in "[A-Z]{4,9}[A-Z0-9:@!$%*+.;=_~-]{0,9}[A-Z]", after in "[a-z/?&=:@\"]{0,9}",
        ) {
            let shown = mask_urls(&format!("{before}https://user:{password}@host{after}"));
            prop_assert!(!shown.contains(&password), "{shown}");
        }

        #[test]
        fn any_text_can_be_masked(text in "([a-z]|://|@|:|[$][{]|[}]|[?&;=/\"]|é|password){0,30}") {
            let shown = mask_urls(&text);
            prop_assert_eq!(mask_urls(&shown), shown);
        }
    }
}
