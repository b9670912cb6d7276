//! Tests of the statements' texts, and of what they do.

mod effects;
mod golden;
mod names;
mod sample;
mod tokens;
