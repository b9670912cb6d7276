//! End-to-end tests of the Snowflake sink, with the built host and plugin, a broker over TCP, and a Snowflake service.
//!
//! The service is a stand-in, which needs Python 3.11 or newer, or a real account: see `tests/src/snowflake/mod.rs`.
//! Without either, the tests are skipped with a message.

mod bench;
mod faults;
mod kills;
mod reports;
mod sets;
mod slow;
mod stand_in;
