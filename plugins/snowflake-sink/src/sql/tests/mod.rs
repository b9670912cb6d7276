//! Tests of the statements' texts.

mod golden;
mod names;
mod sample;
mod tokens;
