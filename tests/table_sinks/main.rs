//! End-to-end tests of the sinks that keep tables of a database: what all of them must do, and what is a database's own.
//!
//! The tests in `suite/` are the same for every such sink. A database joins them with a [`Probe`](probe::Probe) and one call of
//! `conformance!`.

mod mysql;
mod pipe;
mod postgres;
mod probe;
mod snowflake;
mod sqlite;
mod suite;

mod for_mysql {
    crate::conformance!(crate::mysql::Schema);
    crate::histories!(crate::mysql::Schema);
}

mod for_postgres {
    crate::conformance!(crate::postgres::Schema);
    crate::histories!(crate::postgres::Schema);
}

mod for_snowflake {
    crate::histories!(crate::snowflake::Account);
}

conformance!(sqlite::File);
histories!(sqlite::File);
