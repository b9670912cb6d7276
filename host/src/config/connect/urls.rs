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
        if let Some((name, password)) = split_once(user, ':') {
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
        if let Some((name, value)) = split_once(parameter, '=').filter(|(name, _)| is_secret_name(name)) {
            result.push_str(name);
            result.push('=');
            result.push_str(&masked(value.to_owned()));
            rest = &after[parameter.len()..];
        }
    }
    result + rest
}

/// Splits at the first `at` outside of placeholders.
fn split_once(text: &str, at: char) -> Option<(&str, &str)> {
    let (before, after) = text.split_at(end(text, &[at]));
    Some((before, after.strip_prefix(at)?))
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

    use super::super::masks::MASK;
    use super::*;

    #[test]
    fn passwords_are_masked_and_the_rest_stays() {
        for (text, shown) in [
            ("https://user:pa@ss:word@host:80/a?b=c", "https://user:********@host:80/a?b=c"),
            ("https://${env:USER}:password@host", "https://${env:USER}:********@host"),
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
            "https://${env:USER}:${env:PASSWORD}@host",
            "https://h/?token=${env:TOKEN}",
            "https://h/?${file:/run/password=1}",
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
        fn only_passwords_are_masked(
            before in "[a-z \"]{0,5}", user in "([a-z]{1,5}|[$][{]env:[A-Z]{1,3}[}])",
            password in "([A-Z]{4,9}[A-Z:@]{0,5}|[$][{]file:/[a-z/@=?:]{1,9}[}])",
            path in "(/[a-z@:]{0,5}){0,2}", token in "([A-Z]{4,9}|[$][{]env:[A-Z=&]{1,5}[}])", after in "[a-z \"]{0,5}",
        ) {
            let url = |password: &str, token: &str| {
                format!("{before}https://{user}:{password}@host{path}?a=b&token={token}&c=d#{after}")
            };
            let hidden = |secret: &str| if secret.starts_with("${") { secret.to_owned() } else { MASK.to_owned() };
            let shown = mask_urls(&url(&password, &token));
            prop_assert_eq!(&shown, &url(&hidden(&password), &hidden(&token)));
            prop_assert_eq!(mask_urls(&shown), shown, "a masked text stays as it is");
        }

        #[test]
        fn masking_any_text_adds_nothing_but_masks(
            text in "([a-z]|://|@|:|[$][{]|[}]|[?&;=/\"\n]|é|password){0,30}",
        ) {
            let shown = mask_urls(&text).replace(MASK, "");
            let mut rest = text.chars();
            prop_assert!(shown.chars().all(|shown| rest.any(|original| original == shown)), "{}", shown);
        }
    }
}
