//! Tests of the whole sink, with a database file.

mod history;
