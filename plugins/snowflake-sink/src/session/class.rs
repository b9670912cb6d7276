//! What an error code of Snowflake's means for the caller: try again, log in anew, split the batch, or give up.

/// What to do about an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// The session is gone, and its transaction with it: open another and redo the transaction.
    Session,
    /// User, password, key or network policy: nothing helps but a change by somebody.
    Credentials,
    /// The clocks of this machine and of Snowflake disagree about the key's token.
    Clock,
    /// The same may succeed later.
    Transient,
    /// The warehouse has no room, no time or no credit for it.
    Capacity,
    /// The statement or a value is too large: make it smaller.
    TooBig,
    /// Table or column are not as expected: look anew.
    Schema,
    /// A value does not fit its column.
    Data,
    /// The role lacks a privilege.
    Rights,
    /// Database, schema, warehouse, role or account do not exist, or cannot be used.
    Missing,
    /// Anything else: a statement that should not have been sent.
    Bug,
}

impl Class {
    /// The class of an error that a statement was answered with.
    pub(crate) fn of_statement(code: &str, state: &str) -> Self {
        match code {
            "000603" | "000604" | "000625" | "333333" | "333334" => Self::Transient,
            "000606" | "000630" | "001042" | "090073" => Self::Capacity,
            "001795" | "100069" | "100082" => Self::TooBig,
            "000904" | "001430" | "002003" | "002043" => Self::Schema,
            "100035" | "100038" | "100039" | "100040" | "100071" | "100072" | "100078" => Self::Data,
            "001003" | "100090" => Self::Bug,
            "003001" => Self::Rights,
            // The statement does not suit the table: its columns are not what they were.
            _ if code.starts_with("002") => Self::Schema,
            // Whatever a query hears about tokens, known or not, a new login is what may help.
            _ if code.starts_with("390") || code.starts_with("394") => Self::Session,
            _ => Self::of_state(state),
        }
    }

    /// The class of an error that a login was answered with.
    pub(crate) fn of_login(code: &str) -> Self {
        match code {
            "394301" | "394302" => Self::Clock,
            "390186" | "390189" | "390201" => Self::Missing,
            _ if code.starts_with("390") || code.starts_with("394") => Self::Credentials,
            _ => Self::of_statement(code, ""),
        }
    }

    /// The class of an HTTP status that came without an answer of Snowflake's own.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            408 | 429 | 500..=599 => Self::Transient,
            401 | 403 => Self::Rights,
            _ => Self::Bug,
        }
    }

    /// Codes that no list has: the standard's states at least say which kind of error it is.
    fn of_state(state: &str) -> Self {
        match state {
            "42501" => Self::Rights,
            "42S02" | "02000" | "42704" => Self::Schema,
            _ if state.starts_with("22") => Self::Data,
            _ if state.starts_with("08") || state.starts_with("57") || state == "XX000" => Self::Transient,
            _ => Self::Bug,
        }
    }
}
