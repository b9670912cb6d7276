//! Classification of Snowflake's error codes.

/// Class of an error, which determines how it is handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// The session has ended, and its transaction with it: open another one and repeat the transaction.
    Session,
    /// User, password, key or network policy are wrong: the user must change something.
    Credentials,
    /// The token of the key is invalid because of clock skew.
    Clock,
    /// The same may succeed later.
    Transient,
    /// The warehouse has no capacity, time or credit.
    Capacity,
    /// The statement or a value is too large.
    TooBig,
    /// A table or column is not as expected: reload the definition.
    Schema,
    /// A value does not fit its column.
    Data,
    /// The role lacks a privilege.
    Rights,
    /// Database, schema, warehouse, role or account does not exist or cannot be used.
    Missing,
    /// Any other error, which indicates a bug.
    Bug,
}

impl Class {
    /// The class of an error of a statement.
    pub(crate) fn of_statement(code: &str, state: &str) -> Self {
        match code {
            "000603" | "000604" | "000625" | "333333" | "333334" => Self::Transient,
            "000606" | "000630" | "001042" | "090073" => Self::Capacity,
            "001795" | "100069" | "100082" => Self::TooBig,
            "000904" | "001430" | "002003" | "002043" => Self::Schema,
            "100035" | "100038" | "100039" | "100040" | "100071" | "100072" | "100078" => Self::Data,
            "001003" | "100090" => Self::Bug,
            "003001" => Self::Rights,
            // The statement does not match the table, whose columns have changed.
            _ if code.starts_with("002") => Self::Schema,
            // For any token error of a query, log in again.
            _ if code.starts_with("390") || code.starts_with("394") => Self::Session,
            _ => Self::of_state(state),
        }
    }

    /// The class of an error of a login.
    pub(crate) fn of_login(code: &str) -> Self {
        match code {
            "394301" | "394302" => Self::Clock,
            "390186" | "390189" | "390201" => Self::Missing,
            _ if code.starts_with("390") || code.starts_with("394") => Self::Credentials,
            _ => Self::of_statement(code, ""),
        }
    }

    /// The class of an HTTP status without a response of Snowflake.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            408 | 429 | 500..=599 => Self::Transient,
            401 | 403 => Self::Rights,
            _ => Self::Bug,
        }
    }

    /// The class of an unknown code, by its SQLSTATE.
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
