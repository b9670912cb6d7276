//! End-to-end tests of the Snowflake sink: the built host and plugin, a broker over TCP, and a Snowflake.
//!
//! That is a stand-in, which needs Python 3.11 or newer, or a real account: see `tests/src/snowflake.rs`. Without either they
//! say that they are skipped.

mod bench;
mod faults;
mod kills;
mod reports;
mod sets;
mod stand_in;
