//! JSON documents in a canonical form: no whitespace, members sorted by name, numbers normalised without loss of
//! digits.

use std::collections::BTreeMap;

use super::canonical::number;

/// The canonical form of a document.
///
/// # Errors
/// If it is invalid.
pub(crate) fn canonical(text: &str) -> Result<String, String> {
    let mut parser = Parser { rest: text.trim_start() };
    let value = parser.value().ok_or_else(|| format!("no JSON: {text}"))?;
    if parser.rest.is_empty() { Ok(value) } else { Err(format!("no JSON: {text}")) }
}

/// A text as a JSON string.
pub(crate) fn string(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

struct Parser<'t> {
    /// The rest of the text. Whitespace after a token is skipped.
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn value(&mut self) -> Option<String> {
        match self.rest.as_bytes().first()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.text().map(|text| string(&text)),
            b't' | b'f' | b'n' => self.word(),
            _ => self.number(),
        }
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?.trim_start();
        Some(())
    }

    fn split(&mut self, length: usize) -> &'t str {
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest.trim_start();
        token
    }

    fn object(&mut self) -> Option<String> {
        self.take("{")?;
        let mut members = BTreeMap::new();
        while self.take("}").is_none() {
            if !members.is_empty() {
                self.take(",")?;
            }
            let name = self.text()?;
            self.take(":")?;
            members.insert(name, self.value()?);
        }
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("{}:{value}", string(name))).collect();
        Some(format!("{{{}}}", members.join(",")))
    }

    fn array(&mut self) -> Option<String> {
        self.take("[")?;
        let mut elements = Vec::new();
        while self.take("]").is_none() {
            if !elements.is_empty() {
                self.take(",")?;
            }
            elements.push(self.value()?);
        }
        Some(format!("[{}]", elements.join(",")))
    }

    fn text(&mut self) -> Option<String> {
        let bytes = self.rest.as_bytes();
        let mut end = 1;
        while *bytes.get(end)? != b'"' {
            end += if bytes.get(end) == Some(&b'\\') { 2 } else { 1 };
        }
        serde_json::from_str(self.split(end + 1)).ok()
    }

    fn word(&mut self) -> Option<String> {
        let word = ["true", "false", "null"].into_iter().find(|word| self.rest.starts_with(word))?;
        Some(self.split(word.len()).to_owned())
    }

    fn number(&mut self) -> Option<String> {
        let end = self.rest.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)));
        let token = self.split(end.unwrap_or(self.rest.len()));
        number(token).ok()
    }
}
