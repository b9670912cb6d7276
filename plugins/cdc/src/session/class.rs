//! Classes of errors.

/// Class of an error, which determines how it is handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// The session has ended, and its transaction with it: open another one and repeat the transaction.
    Session,
    /// User, password, key or network policy are wrong: the user must change something.
    Credentials,
    /// A login is invalid because of clock skew.
    Clock,
    /// The same may succeed later.
    Transient,
    /// The database has no capacity, time or credit.
    Capacity,
    /// The statement or a value is too large.
    TooBig,
    /// A table or column is not as expected: reload the definition.
    Schema,
    /// A value does not fit its column.
    Data,
    /// The user lacks a privilege.
    Rights,
    /// What the connection needs does not exist or cannot be used, such as the schema.
    Missing,
    /// Any other error, which indicates a bug.
    Bug,
}

/// What exactly went wrong, where the sink does more than its class says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cause {
    /// Nothing of the following.
    #[default]
    Other,
    /// A conflict with another transaction, or a lock timeout: the transaction may be repeated at once.
    Conflict,
    /// A table or column to be created exists already: another client has created it.
    Exists,
    /// A table does not exist, or the user may not see it.
    UnknownObject,
    /// The statement took too long, and was cancelled.
    Timeout,
    /// Rows cannot be stored in a file: they have to be bound.
    NotStored,
}
