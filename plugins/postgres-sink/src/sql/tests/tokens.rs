//! Tokenizes statements as PostgreSQL does.

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
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

/// The tokens of statements. Panics at unclosed quotes and comments.
pub(super) fn tokens(statement: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = statement.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            '"' => tokens.push(Token::Name(quoted(&mut rest, '"'))),
            '\'' => tokens.push(Token::Text(quoted(&mut rest, '\''))),
            '$' if rest.peek().is_some_and(char::is_ascii_digit) => {
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
            '/' | '#' | '\\' | '[' | '`' | '$' => panic!("{first:?} outside of quotes: {statement}"),
            '-' if rest.peek() == Some(&'-') => panic!("a comment outside of quotes: {statement}"),
            _ => tokens.push(Token::Sign(first)),
        }
    }
    tokens
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char) -> String {
    let mut text = String::new();
    loop {
        match rest.next().expect("the quote is closed") {
            end if end == quote => match rest.next_if_eq(&quote) {
                Some(doubled) => text.push(doubled),
                None => return text,
            },
            other => text.push(other),
        }
    }
}
