//! What unit tests of a dialect need: every statement, and its tokens.
//!
//! A sink compares the statements with golden files, and checks with names of all kinds that they differ in nothing but the names:
//! see `sql/tests` of the shipped sinks.

mod golden;
mod statements;
mod tokens;

pub use golden::expect_golden;
pub use statements::{Case, Kinds, Sample};
pub use tokens::{Syntax, Token};
