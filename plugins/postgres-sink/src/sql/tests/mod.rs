//! Tests of the statements' texts. What they do is tested with a real server, in `tests/table_sinks`.

mod golden;
mod names;
mod sample;
mod tokens;
