//! The tokens of statements.

/// A token of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A quoted name, unescaped.
    Name(String),
    /// A string literal, unescaped.
    Text(String),
    /// A bind.
    Bind,
    /// A word or a number.
    Word(String),
    /// Any other character except white space.
    Sign(char),
}

/// What differs in the SQL of databases.
#[derive(Clone, Copy, Debug)]
pub struct Syntax {
    /// The character of a bind. `$` is followed by a number.
    pub bind: char,
    /// Whether a backslash in a text escapes the next character.
    pub has_escapes: bool,
    /// Characters that must not be outside of quotes, because they would begin a comment or another kind of quotes.
    pub forbidden: &'static str,
}

impl Syntax {
    /// The tokens of a statement, or of several.
    ///
    /// # Panics
    /// At unclosed quotes, comments and forbidden characters.
    #[must_use]
    pub fn tokens(&self, statement: &str) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut rest = statement.chars().peekable();
        while let Some(first) = rest.next() {
            match first {
                '"' => tokens.push(Token::Name(self.quoted(&mut rest, '"'))),
                '\'' => tokens.push(Token::Text(self.quoted(&mut rest, '\''))),
                bind if bind == self.bind => {
                    while rest.next_if(char::is_ascii_digit).is_some() {}
                    tokens.push(Token::Bind);
                }
                _ if first.is_whitespace() => {}
                _ if is_word(first) => {
                    let mut word = first.to_string();
                    while let Some(next) = rest.next_if(|next| is_word(*next)) {
                        word.push(next);
                    }
                    tokens.push(Token::Word(word));
                }
                _ if self.forbidden.contains(first) => panic!("{first:?} outside of quotes: {statement}"),
                '-' if rest.peek() == Some(&'-') => panic!("a comment outside of quotes: {statement}"),
                _ => tokens.push(Token::Sign(first)),
            }
        }
        tokens
    }

    /// Number of different binds of a statement.
    ///
    /// # Panics
    /// As for [`Syntax::tokens`].
    #[must_use]
    pub fn binds(&self, statement: &str) -> usize {
        if self.bind == '$' {
            return (1..100).filter(|place| statement.contains(&format!("${place}"))).count();
        }
        self.tokens(statement).iter().filter(|token| **token == Token::Bind).count()
    }

    fn quoted(&self, rest: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char) -> String {
        let mut text = String::new();
        loop {
            match rest.next().expect("the quote is closed") {
                end if end == quote => match rest.next_if_eq(&quote) {
                    Some(doubled) => text.push(doubled),
                    None => return text,
                },
                '\\' if quote == '\'' && self.has_escapes => {
                    text.push(rest.next().expect("an escape has a second half"));
                }
                other => text.push(other),
            }
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
