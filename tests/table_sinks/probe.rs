//! What the tests need of a database.

use tidegate_tests::{Proxy, Rows};

/// A new database for one test, which the tests read without the sink.
///
/// SQL in the tests is that of the standard, with names in double quotes.
pub(crate) trait Probe: Sized {
    /// The package of the sink.
    const LIBRARY: &'static str;
    /// The folder of its deviations, in that of each captured set.
    const DEVIATIONS: &'static str;

    /// Additions to `[batch]`.
    const BATCH: &'static str = "";

    /// An empty database; `None`, with a message, where there is no server for it.
    fn new(test: &str) -> Option<Self>;

    /// The `[sink]` table of a connector that writes into it. `more` is added to `[sink.config]`.
    fn sink(&self, more: &str) -> String;

    /// A proxy that can lose the answers to COMMIT, and the `[sink]` table of a connector that writes through it; `None` if there is no
    /// connection that could be lost.
    fn proxied(&self, _more: &str) -> Option<(Proxy, String)> {
        None
    }

    /// Runs a statement without a result.
    fn execute(&self, sql: &str);

    /// The rows of a query, as text.
    fn query(&self, sql: &str) -> Vec<Vec<Option<String>>>;

    /// The names of all tables, including those that the sink adds.
    fn tables(&self) -> Vec<String>;

    /// All rows of a table, in the canonical form of `compare`.
    fn table(&self, name: &str) -> Rows;

    /// Makes each insert into these tables take some 20 ms, and those into others no longer than usual.
    fn slow_down(&self, tables: &[String]);

    /// Whether a transaction is writing now.
    fn is_writing(&self) -> bool;
}
