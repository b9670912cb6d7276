//! The calls that the fixture sink `recorder` recorded.

use std::{fs, path::PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

/// The file of a recorder's calls.
#[derive(Clone, Debug)]
pub struct Recording {
    path: PathBuf,
}

/// A call of the host.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Call {
    /// `open`, `claim`, `write`, `release` or `close`.
    pub call: String,
    /// Connector.
    pub connector: String,
    /// Task.
    pub task: u32,
    /// Records of a write.
    pub records: Vec<Recorded>,
    /// Positions of a write.
    pub positions: Vec<Stored>,
    /// Outcome of a write: `written`, `rejected` or `failed`.
    pub outcome: String,
    /// Partitions of a claim or a release, such as `events[0]`.
    pub partitions: Vec<String>,
}

/// One record of a write.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Recorded {
    /// Index in the batch.
    pub index: u32,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Key.
    pub key: Json,
    /// Value.
    pub value: Json,
}

/// A position of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Stored {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Next offset.
    pub next: i64,
    /// Epoch of the claim.
    pub epoch: u64,
}

impl Recording {
    /// The calls in a file, which may not exist yet.
    #[must_use]
    pub fn of(path: PathBuf) -> Self {
        Self { path }
    }

    /// All calls so far.
    ///
    /// # Panics
    /// When the file holds something else.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        // The last line may be incomplete.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(|line| serde_json::from_str(line).expect("a call")).collect()
    }

    /// The names of all calls so far, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.call).collect()
    }

    /// All writes so far.
    #[must_use]
    pub fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.call == "write").collect()
    }

    /// The records that were written successfully, in order.
    #[must_use]
    pub fn written(&self) -> Vec<Recorded> {
        let writes = self.writes().into_iter().filter(|call| call.outcome == "written");
        writes.flat_map(|call| call.records).collect()
    }

    /// The offsets of the records that were written successfully, in order, for topics with one partition.
    #[must_use]
    pub fn offsets(&self) -> Vec<i64> {
        self.written().into_iter().map(|record| record.offset).collect()
    }
}
