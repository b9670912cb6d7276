//! Sinks: batches in, durable when `write` returns.

use std::time::Duration;

use tidegate_abi::{
    Batch,
    object::RawSink,
    raw::{self, AbiError, PartitionView, ReportHandle, TableRows},
};

use crate::{
    config::PluginConfig,
    context::Context,
    error::{Error, Result},
    guard::{Guarded, guarded},
};

/// Writes records somewhere. One instance per task; calls come from one thread at a time.
pub trait Sink: Send + Sized + 'static {
    /// What the connector file's `[sink.config]` holds; `()` for nothing.
    type Config: PluginConfig;

    /// One line for people; empty takes the crate's description.
    const DESCRIPTION: &'static str = "";

    /// Whether this sink looks at decoded keys and values, or at change events. Where no stage of a task does, nothing
    /// is decoded: keys and values are null, and only their bytes are there.
    const READS_VALUES: bool = true;

    /// Whether this sink can go on with other partitions while the writes of one fail: a write of one partition's records
    /// alone is as good as one of several, as where each topic has a place of its own that may be out of order. After a
    /// retriable error the host then writes partition by partition, goes on with those that work, and reads the others
    /// again later. Sinks whose errors concern all partitions alike leave it off.
    const PARTITIONS_APART: bool = false;

    /// Batch limits that suit this sink; the connector file changes them.
    #[must_use]
    fn batch_defaults() -> BatchDefaults {
        BatchDefaults::default()
    }

    /// Makes an instance.
    ///
    /// # Errors
    /// Whatever keeps it from working; the task fails, or retries a retriable error.
    fn open(config: Self::Config, context: &Context) -> Result<Self>;

    /// Writes a batch, all or nothing: `Ok` with a report that rejects nothing means that every record is durable.
    ///
    /// A sink that cannot take some records applies nothing and names them in the report; the host settles them and
    /// writes the rest again. [`Batch::positions`] is what a sink that keeps offsets stores together with the rows.
    ///
    /// # Errors
    /// Retriable: the host writes the same batch again. Rejected: the host splits the batch. Fenced and fatal: the task
    /// ends; nothing of the batch is applied.
    fn write(&mut self, batch: &Batch<'_>) -> Result<Report>;

    /// Takes partitions over, fencing every earlier owner. The answer has one [`Claim`] per partition; a sink that keeps
    /// no offsets has nothing to do here.
    ///
    /// # Errors
    /// As for `write`.
    fn claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>> {
        Ok(vec![Claim::default(); partitions.len()])
    }

    /// Lets partitions go, after the last write to them.
    ///
    /// # Errors
    /// Whatever is worth a log line.
    fn release(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        let _ = partitions;
        Ok(())
    }

    /// Forgets what offsets it has stored of these partitions, which it has claimed, but not the state beside them: they are of a log that is gone, such
    /// as that of a topic that was created anew, and `source.on_lost_position` says to go on with the new one. The next
    /// write stores offsets again, lower ones than before. Called for sinks that store offsets alone.
    ///
    /// # Errors
    /// As for `write`. The default is a fatal error that tells the user to do it by hand.
    fn start_over(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        Err(cannot_start_over(partitions))
    }

    /// Reserved for sinks that are not durable per write.
    ///
    /// # Errors
    /// As for `write`.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends the work.
    ///
    /// # Errors
    /// Whatever is worth a log line.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What a sink says that stores offsets and was not told how to forget them.
pub(crate) fn cannot_start_over(partitions: &[Partition<'_>]) -> Error {
    let places: Vec<String> = partitions.iter().map(|at| format!("{}[{}]", at.topic, at.partition)).collect();
    Error::fatal(format_args!(
        "this sink cannot forget the offsets that it has stored of {}: remove them by hand",
        places.join(", ")
    ))
}

/// Batch limits that a sink wishes for; `None` leaves one to the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchDefaults {
    /// Records.
    pub max_records: Option<u64>,
    /// Bytes of keys and values.
    pub max_bytes: Option<u64>,
    /// Time since the first record.
    pub max_wait: Option<Duration>,
}

impl BatchDefaults {
    pub(crate) fn into_raw(self) -> raw::BatchDefaults {
        raw::BatchDefaults {
            max_records: self.max_records.unwrap_or(0),
            max_bytes: self.max_bytes.unwrap_or(0),
            max_wait_ms: self.max_wait.map_or(0, |wait| wait.as_millis() as u64),
            reserved: [0; 5],
        }
    }
}

/// A partition that the task is about to own, or lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
}

/// A sink's answer for one partition that it was asked to claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Next offset to read, if the sink has stored one.
    pub next_offset: Option<i64>,
    /// Number of this ownership, 0 for a sink that fences nobody. It comes back in [`Batch::positions`].
    pub epoch: u64,
    /// The [`NextOffset::state`](crate::NextOffset::state) that was stored with the offset, as it was; empty if there is
    /// none. [`Sink::start_over`] forgets the offset alone and keeps the state.
    pub state: Vec<u8>,
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rejected: Vec<(u32, String)>,
    rows: Vec<Rows>,
}

/// Rows that a write changed in one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Table as the sink names it.
    pub table: String,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Events that changed nothing, since they are older than what the table holds of their row.
    pub skipped: u64,
}

impl Report {
    /// Every record is durable.
    #[must_use]
    pub fn written() -> Self {
        Self::default()
    }

    /// Refuses the record at `index` (see [`crate::Record::index`]). The sink has then applied nothing of the batch.
    pub fn reject(&mut self, index: u32, reason: impl Into<String>) {
        self.rejected.push((index, reason.into()));
    }

    /// Tells how many rows changed, for the log and the metrics.
    pub fn rows(&mut self, rows: Rows) {
        self.rows.push(rows);
    }

    /// What was refused: indexes and reasons.
    #[must_use]
    pub fn rejected(&self) -> &[(u32, String)] {
        &self.rejected
    }

    /// How many rows changed, table by table.
    #[must_use]
    pub fn changed_rows(&self) -> &[Rows] {
        &self.rows
    }

    fn send(&self, handle: &ReportHandle) {
        for (index, reason) in &self.rejected {
            (handle.vtable.reject())(handle.ctx, *index, reason.as_str().into());
        }
        for rows in &self.rows {
            let Rows { table, inserted, updated, deleted, skipped } = rows;
            let rows = TableRows {
                table: table.as_str().into(),
                inserted: *inserted,
                updated: *updated,
                deleted: *deleted,
                reserved: [*skipped as usize, 0, 0, 0],
            };
            (handle.vtable.rows())(handle.ctx, &rows);
        }
    }
}

pub(crate) struct Adapter<T> {
    sink: Guarded<T>,
    /// The states of the last claim: the host reads them after the call.
    states: Vec<Vec<u8>>,
}

impl<T> Adapter<T> {
    pub(crate) fn new(sink: T) -> Self {
        Self { sink: Guarded::new(sink), states: Vec::new() }
    }
}

fn partitions<'a>(views: &'a [PartitionView<'_>]) -> Vec<Partition<'a>> {
    views.iter().map(|view| Partition { topic: view.topic.as_str(), partition: view.partition }).collect()
}

impl<T: Sink> RawSink for Adapter<T> {
    fn write(&mut self, batch: Batch<'_>, handle: &ReportHandle) -> Result<(), AbiError> {
        let report = self.sink.call(|sink| sink.write(&batch)).map_err(Error::into_abi)?;
        guarded(|| {
            report.send(handle);
            Ok(())
        })
        .map_err(Error::into_abi)
    }

    fn claim(&mut self, views: &[PartitionView<'_>], claims: &mut [raw::Claim]) -> Result<(), AbiError> {
        let answers = self.sink.call(|sink| sink.claim(&partitions(views))).map_err(Error::into_abi)?;
        if answers.len() != claims.len() {
            let message = format!("claim answered for {} of {} partitions", answers.len(), claims.len());
            return Err(Error::fatal(message).into_abi());
        }
        self.states.clear();
        for (place, answer) in claims.iter_mut().zip(answers) {
            let Claim { next_offset, epoch, state } = answer;
            // The bytes stay where they are when their vector moves.
            *place = raw::Claim { next_offset: next_offset.unwrap_or(-1), epoch, reserved: [0; 2] }
                .with_state(&state);
            self.states.push(state);
        }
        Ok(())
    }

    fn release(&mut self, views: &[PartitionView<'_>]) -> Result<(), AbiError> {
        self.sink.call(|sink| sink.release(&partitions(views))).map_err(Error::into_abi)
    }

    fn start_over(&mut self, views: &[PartitionView<'_>]) -> Result<(), AbiError> {
        self.sink.call(|sink| sink.start_over(&partitions(views))).map_err(Error::into_abi)
    }

    fn flush(&mut self) -> Result<(), AbiError> {
        self.sink.call(Sink::flush).map_err(Error::into_abi)
    }

    fn close(&mut self) -> Result<(), AbiError> {
        self.sink.call(Sink::close).map_err(Error::into_abi)
    }
}
