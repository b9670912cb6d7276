//! The grammar of JSON (RFC 8259), token by token, without memory of its own.

use tidegate_abi::{Value, value::plain_text_end};

use super::{
    InvalidUnicode, MAX_DEPTH,
    error::{Fault, JsonError},
    number,
};

/// A place in a JSON text.
pub(crate) struct Lexer<'b> {
    text: &'b str,
    at: usize,
    /// What was cut off in front of `text`: errors count from the start of the payload.
    offset: usize,
    depth: u32,
    invalid_unicode: InvalidUnicode,
    replaced: u64,
}

/// A string as the lexer found it.
pub(super) enum Text<'b> {
    /// As it stands.
    Plain(&'b str),
    /// With a backslash; it starts here and wants [`Lexer::unescape`].
    Escaped(usize),
}

impl<'b> Lexer<'b> {
    /// Begins at the start of `text`, which is `offset` bytes into the payload.
    pub(crate) const fn new(text: &'b str, offset: usize, invalid_unicode: InvalidUnicode) -> Self {
        Self { text, at: 0, offset, depth: 0, invalid_unicode, replaced: 0 }
    }

    /// How many halves of surrogate pairs were replaced.
    pub(crate) const fn replaced(&self) -> u64 {
        self.replaced
    }

    /// How many bytes of the text are behind.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// A lexer of the same text, at its start.
    pub(crate) const fn fork(&self) -> Self {
        Self::new(self.text, self.offset, self.invalid_unicode)
    }

    /// A part of the text.
    pub(crate) fn text(&self, range: std::ops::Range<usize>) -> Option<&'b str> {
        self.text.get(range)
    }

    /// Goes to another place of the text, which lies outside all arrays and objects.
    pub(crate) const fn jump(&mut self, at: usize) {
        self.at = at;
        self.depth = 0;
    }

    #[cold]
    pub(crate) fn error(&self, fault: Fault) -> JsonError {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let fault = match fault {
            Fault::Empty => fault,
            _ if rest.is_empty() => Fault::End,
            Fault::Value | Fault::Number if rest.starts_with("NaN") || rest.starts_with("Infinity") => {
                Fault::NotFinite
            }
            _ => fault,
        };
        JsonError::Syntax { fault, at: self.offset + self.at }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space, which is not consumed.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let byte = self.byte();
        if byte.is_some_and(|byte| byte > b' ') {
            return byte;
        }
        self.skip_white_space();
        self.byte()
    }

    fn skip_white_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Consumes `byte`, white space before it included, if it is the next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Consumes `byte` or fails with `fault`.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8, fault: Fault) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(fault)) }
    }

    /// Consumes `prefix` if the text goes on with exactly these bytes.
    #[inline(always)]
    pub(crate) fn take_exact(&mut self, prefix: &str) -> bool {
        let found =
            self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(prefix.as_bytes()));
        if found {
            self.at += prefix.len();
        }
        found
    }

    /// Only white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        if self.peek().is_some() { Err(self.error(Fault::Trailing)) } else { Ok(()) }
    }

    /// Consumes the bracket that opens an array or object.
    #[inline]
    pub(crate) fn open(&mut self) -> Result<(), JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(Fault::Depth));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Leaves the array or object whose last bracket was consumed.
    #[inline]
    pub(crate) const fn close(&mut self) {
        self.depth -= 1;
    }

    /// After an item: whether another follows a comma, or `end` closes the collection.
    #[inline]
    pub(crate) fn another(&mut self, end: u8, fault: Fault) -> Result<bool, JsonError> {
        let byte = self.peek();
        if byte == Some(b',') {
            self.at += 1;
            return Ok(true);
        }
        if byte == Some(end) {
            self.at += 1;
            self.close();
            return Ok(false);
        }
        Err(self.error(fault))
    }

    /// Consumes `true`, `false`, `null` or a number: what needs no memory.
    // Inlined by force, as `string` is: left to itself the compiler changes its mind, and a sixth of the speed goes with it.
    #[inline(always)]
    pub(super) fn scalar(&mut self, first: u8) -> Result<Value<'b>, JsonError> {
        // One comparison of constant length each, which becomes one of integers.
        let (found, value) = match first {
            b'-' | b'0'..=b'9' => return self.number(),
            b'n' => (self.take_exact("null"), Value::NULL),
            b't' => (self.take_exact("true"), Value::bool(true)),
            b'f' => (self.take_exact("false"), Value::bool(false)),
            _ => (false, Value::NULL),
        };
        if found { Ok(value) } else { Err(self.error(Fault::Value)) }
    }

    #[inline]
    fn number(&mut self) -> Result<Value<'b>, JsonError> {
        match number::read(self.text, self.at) {
            Ok((value, end)) => {
                self.at = end;
                Ok(value)
            }
            Err(at) => {
                self.at = at;
                Err(self.error(Fault::Number))
            }
        }
    }

    /// Consumes a string whose opening quote is the next byte. A string with escapes is consumed only up to the first.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Text<'b>, JsonError> {
        let start = self.at + 1;
        self.at = plain_text_end::<false>(self.text.as_bytes(), start);
        match self.byte() {
            Some(b'"') => {
                let text = &self.text[start..self.at];
                self.at += 1;
                Ok(Text::Plain(text))
            }
            Some(b'\\') => Ok(Text::Escaped(start)),
            _ => Err(self.error(Fault::Control)),
        }
    }

    /// Consumes the rest of a string from its first backslash on, and appends all of it to `out`.
    pub(super) fn unescape(&mut self, start: usize, out: &mut String) -> Result<(), JsonError> {
        let mut plain = start;
        loop {
            out.push_str(&self.text[plain..self.at]);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.error(Fault::Control)),
            }
            plain = self.at;
            self.at = plain_text_end::<false>(self.text.as_bytes(), plain);
        }
    }

    /// Consumes one escape.
    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let character = match self.byte() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.error(Fault::Escape)),
        };
        self.at += 1;
        Ok(character)
    }

    /// Consumes `uXXXX`, and a second escape where the first is half of a pair.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.hex()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        let behind = self.at;
        // A low half alone, or a high half with nothing behind it.
        if first >= 0xdc00 || !self.take_exact("\\") || self.byte() != Some(b'u') {
            return self.half_pair(behind);
        }
        let second = self.hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return self.half_pair(behind);
        }
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(code).ok_or_else(|| self.error(Fault::Surrogate))
    }

    /// Half of a surrogate pair, which ends at `behind`; what stands there is no part of it.
    fn half_pair(&mut self, behind: usize) -> Result<char, JsonError> {
        if self.invalid_unicode == InvalidUnicode::Reject {
            return Err(self.error(Fault::Surrogate));
        }
        self.at = behind;
        self.replaced += 1;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    /// Consumes `uXXXX`.
    fn hex(&mut self) -> Result<u32, JsonError> {
        self.at += 1;
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| (byte as char).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.error(Fault::Escape))?;
            self.at += 1;
        }
        Ok(code)
    }

    /// Consumes a value of any kind, checking its grammar as strictly as when it is built.
    pub(crate) fn skip(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'{') => self.skip_items(b'}', Fault::ObjectEnd),
            Some(b'[') => self.skip_items(b']', Fault::ArrayEnd),
            Some(first) => self.scalar(first).map(drop),
            None => Err(self.error(Fault::End)),
        }
    }

    fn skip_items(&mut self, end: u8, fault: Fault) -> Result<(), JsonError> {
        self.open()?;
        if self.take(end) {
            self.close();
            return Ok(());
        }
        loop {
            if end == b'}' {
                self.name_follows()?;
                self.skip_string()?;
                self.expect(b':', Fault::Colon)?;
            }
            self.skip()?;
            if !self.another(end, fault)? {
                return Ok(());
            }
        }
    }

    fn skip_string(&mut self) -> Result<(), JsonError> {
        let Text::Escaped(_) = self.string()? else {
            return Ok(());
        };
        loop {
            self.escape()?;
            self.at = plain_text_end::<false>(self.text.as_bytes(), self.at);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {}
                _ => return Err(self.error(Fault::Control)),
            }
        }
    }

    /// Fails unless a quote is next, where an object's field must begin.
    #[inline]
    pub(super) fn name_follows(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'"') { Ok(()) } else { Err(self.error(Fault::Name)) }
    }

    /// Consumes a string without escapes; `None` for anything else.
    pub(crate) fn plain_string(&mut self) -> Option<&'b str> {
        self.name_follows().ok()?;
        match self.string().ok()? {
            Text::Plain(text) => Some(text),
            Text::Escaped(_) => None,
        }
    }
}
