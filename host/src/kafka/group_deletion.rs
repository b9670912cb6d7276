//! Deletes consumer groups and committed offsets, in a child process: librdkafka 2.12 aborts the process if the brokers do not
//! support it (`rd_kafka_coord_req` destroys the reply queue twice).

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::error::RDKafkaErrorCode;
use serde::{Deserialize, Serialize};

use super::ffi::{Deletion, delete};
use super::group_offsets::{GroupAdmin, GroupError};

/// The hidden command of the child.
pub const DELETE_OFFSETS_COMMAND: &str = "delete-offsets";

const TIMEOUT: Duration = Duration::from_secs(30);

/// What the child deletes, as it reads it from standard input.
#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) bootstrap_servers: String,
    pub(super) group: String,
    pub(super) properties: BTreeMap<String, String>,
    /// The partitions whose offsets are deleted; `None` for the whole group.
    pub(super) partitions: Option<Vec<(String, i32)>>,
}

/// What the child prints.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    Deleted,
    HasMembers,
    Failed(String),
}

/// Runs a job in a child process, and waits for it.
///
/// # Errors
/// When the group has members, or the brokers refuse or do not support it.
pub(super) fn run(job: &Job) -> Result<(), GroupError> {
    let failed = |reason: String| GroupError::Kafka { group: job.group.clone(), reason };
    let io = |error: io::Error| failed(format!("the process that deletes them cannot run: {error}"));
    // The version of this process, even if the file was replaced.
    let mut command = Command::new("/proc/self/exe");
    command.arg(DELETE_OFFSETS_COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(io)?;
    let text = serde_json::to_vec(job).map_err(|error| failed(error.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&text).map_err(io)?;
    }
    let output = child.wait_with_output().map_err(io)?;
    match serde_json::from_slice(&output.stdout) {
        Ok(Outcome::Deleted) => Ok(()),
        Ok(Outcome::HasMembers) => Err(GroupError::HasMembers(job.group.clone())),
        Ok(Outcome::Failed(reason)) => Err(failed(reason)),
        // It was aborted.
        Err(_) => Err(GroupError::Unsupported(job.group.clone())),
    }
}

/// The child: reads a job, and prints the outcome.
///
/// # Errors
/// When standard input or output fail.
pub fn delete_offsets_main() -> io::Result<()> {
    let job: Job = serde_json::from_reader(io::stdin().lock())?;
    let outcome = execute(&job);
    serde_json::to_writer(io::stdout().lock(), &outcome)?;
    Ok(())
}

fn execute(job: &Job) -> Outcome {
    let admin = match GroupAdmin::connect(&job.bootstrap_servers, &job.group, &job.properties) {
        Ok(admin) => admin,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let mut list = TopicPartitionList::new();
    for (topic, partition) in job.partitions.iter().flatten() {
        list.add_partition(topic, *partition);
    }
    let deletion = if job.partitions.is_some() { Deletion::Offsets(&list) } else { Deletion::Group };
    match delete(admin.client(), &job.group, deletion, TIMEOUT) {
        // What is not there need not be deleted.
        Ok(()) | Err(RDKafkaErrorCode::GroupIdNotFound) => Outcome::Deleted,
        Err(RDKafkaErrorCode::NonEmptyGroup | RDKafkaErrorCode::GroupSubscribedToTopic) => {
            Outcome::HasMembers
        }
        Err(code) => Outcome::Failed(code.to_string()),
    }
}
