//! Sinks: write batches, durably when `write` returns, or when `flush` does.

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

/// Writes records to a destination. There is one instance per task, called by one thread at a time.
pub trait Sink: Send + Sized + 'static {
    /// Type of `[sink.config]` in the connector file; `()` if there are no options.
    type Config: PluginConfig;

    /// One-line description. If it is empty, the description of the crate is used.
    const DESCRIPTION: &'static str = "";

    /// Whether this sink reads decoded keys and values, or change events. If no stage of a task does, nothing is decoded:
    /// keys and values are null, and only their bytes are present.
    const READS_VALUES: bool = true;

    /// Whether this sink writes partitions independently, for example because each topic has its own destination, which
    /// may be unavailable. After a retriable error, the host then writes the records of each partition separately,
    /// continues with the partitions that succeed, and reads the others again later. Leave it `false` if errors affect
    /// all partitions.
    const ISOLATES_PARTITIONS: bool = false;

    /// Whether written records are durable only when [`Sink::flush`] has returned, because the destination takes few large
    /// units, such as files or bulk loads. The host then commits no offset before.
    const DURABLE_ON_FLUSH: bool = false;

    /// Whether this sink stores offsets together with its data, and [`Sink::claim`] returns them. They count more than those of
    /// the consumer group, so the host's REST API refuses to change the group's.
    const STORES_OFFSETS: bool = false;

    /// Whether a process may have only one copy of this library, because it contains a library in C that keeps the state of a whole
    /// process in variables of its own, as SQLite keeps the locks of database files. If the library is replaced while the host runs,
    /// connectors in the host's process use the copy that is loaded until the host is restarted; those with `isolation = "process"` use
    /// the new one.
    const ONE_COPY_PER_PROCESS: bool = false;

    /// Default batch limits. The connector file can change them.
    #[must_use]
    fn batch_defaults() -> BatchDefaults {
        BatchDefaults::default()
    }

    /// Default flush limits of a sink that is [durable on flush](Sink::DURABLE_ON_FLUSH). The connector file can change them.
    #[must_use]
    fn flush_defaults() -> FlushDefaults {
        FlushDefaults::default()
    }

    /// Checks options that are valid by their types but not by their content, such as a template. Nothing may be changed or
    /// connected to. `tidegate validate` calls it, and reports errors at the lines of their options; the host also calls it
    /// before every `open`. [`Error::join`] reports several errors at once.
    ///
    /// # Errors
    /// [`Error::invalid_option`], with the option: the task fails and is not restarted. Other errors are handled as those of
    /// `open`.
    fn check(config: &Self::Config) -> Result<()> {
        let _ = config;
        Ok(())
    }

    /// Creates an instance.
    ///
    /// # Errors
    /// If the sink cannot work. The task fails, or retries after a retriable error.
    fn open(config: Self::Config, context: &Context) -> Result<Self>;

    /// Writes all of a batch or nothing. `Ok` with a report without rejected records means that every record is durable, or,
    /// with [`Sink::DURABLE_ON_FLUSH`], that the next flush makes it durable.
    ///
    /// A sink that cannot write some records applies nothing and reports them as rejected. The host handles them as
    /// configured and writes the rest again. A sink that stores offsets stores [`Batch::positions`] with the rows.
    ///
    /// # Errors
    /// Retriable: the host writes the same batch again. Rejected: the host splits the batch. Fenced and fatal: the task
    /// ends. After an error, nothing of the batch may be applied.
    fn write(&mut self, batch: &Batch<'_>) -> Result<Report>;

    /// Takes ownership of partitions, and fences every earlier owner. Returns one [`Claim`] per partition. A sink that
    /// stores no offsets need not implement it. With [`Sink::DURABLE_ON_FLUSH`], what is not flushed of them must be dropped: it
    /// is read again.
    ///
    /// # Errors
    /// As for `write`.
    fn claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>> {
        Ok(vec![Claim::default(); partitions.len()])
    }

    /// Releases partitions, after the last write to them. With [`Sink::DURABLE_ON_FLUSH`], what is not flushed of them must be
    /// dropped: their next owner reads it again.
    ///
    /// # Errors
    /// The host logs them.
    fn release(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        let _ = partitions;
        Ok(())
    }

    /// Deletes the stored offsets of these claimed partitions, but not their states. The offsets belong to a log that no
    /// longer exists, for example because the topic was deleted and recreated, and `source.on_lost_position` says to
    /// continue with the new log. The next write stores offsets again, lower than before. Only called for sinks that
    /// store offsets.
    ///
    /// # Errors
    /// As for `write`. The default implementation returns a fatal error that asks the user to delete the offsets.
    fn reset_offsets(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        Err(cannot_reset_offsets(partitions))
    }

    /// Makes everything durable that was written since the last flush, all or nothing. Only called with
    /// [`Sink::DURABLE_ON_FLUSH`], between two writes. A sink that stores offsets stores the last [`Batch::positions`] of each
    /// partition in the same transaction.
    ///
    /// A sink that cannot flush some records applies nothing, drops these records, keeps the others, and returns a report that
    /// rejects them. The host handles them as configured and calls `flush` again.
    ///
    /// # Errors
    /// Retriable: the host calls `flush` again, so the sink keeps everything. After all other errors the task ends, and the
    /// records since the last flush are read again.
    fn flush(&mut self) -> Result<FlushReport> {
        Ok(FlushReport::flushed())
    }

    /// Closes the sink.
    ///
    /// # Errors
    /// The host logs them.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The default error of [`Sink::reset_offsets`].
pub(crate) fn cannot_reset_offsets(partitions: &[Partition<'_>]) -> Error {
    let names: Vec<String> = partitions.iter().map(|at| format!("{}[{}]", at.topic, at.partition)).collect();
    Error::fatal(format_args!(
        "this sink cannot reset the offsets that it has stored for {}: delete them manually",
        names.join(", ")
    ))
}

/// Default batch limits of a sink; `None` keeps the host's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchDefaults {
    /// Maximum number of records.
    pub max_records: Option<u64>,
    /// Maximum bytes of keys and values.
    pub max_bytes: Option<u64>,
    /// Maximum time since the first record.
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

/// Default flush limits of a sink; `None` keeps the host's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushDefaults {
    /// Maximum number of written records.
    pub max_records: Option<u64>,
    /// Maximum bytes of keys, values and headers of the consumed records.
    pub max_bytes: Option<u64>,
    /// Maximum time since the first written record.
    pub max_wait: Option<Duration>,
}

impl FlushDefaults {
    pub(crate) fn into_raw(self) -> raw::FlushDefaults {
        raw::FlushDefaults {
            max_records: self.max_records.unwrap_or(0),
            max_bytes: self.max_bytes.unwrap_or(0),
            max_wait_ms: self.max_wait.map_or(0, |wait| wait.as_millis() as u64),
            reserved: [0; 5],
        }
    }
}

/// A partition that is assigned to the task or revoked from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
}

/// The result of claiming one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Next offset to read, if the sink has stored it.
    pub next_offset: Option<i64>,
    /// Epoch of this ownership, which [`Batch::positions`] returns later. 0 for a sink without fencing.
    pub epoch: u64,
    /// The [`NextOffset::state`](crate::NextOffset::state) that was stored with the offset, unchanged; empty if there is
    /// none. [`Sink::reset_offsets`] deletes only the offset and keeps the state.
    pub state: Vec<u8>,
}

/// The result of writing a batch.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rejected: Vec<(u32, String)>,
    rows: Vec<Rows>,
}

/// Number of rows that a write changed in one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Name of the table in the destination.
    pub table: String,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Events that were skipped because the table has a newer version of the row.
    pub skipped: u64,
}

impl Report {
    /// A report without rejected records: every record is durable.
    #[must_use]
    pub fn written() -> Self {
        Self::default()
    }

    /// Rejects the record at `index` (see [`crate::Record::index`]). The sink must not have applied anything of the batch.
    pub fn reject(&mut self, index: u32, reason: impl Into<String>) {
        self.rejected.push((index, reason.into()));
    }

    /// Reports how many rows changed, for the log and the metrics.
    pub fn rows(&mut self, rows: Rows) {
        self.rows.push(rows);
    }

    /// Indexes of the rejected records, with the reasons.
    #[must_use]
    pub fn rejected(&self) -> &[(u32, String)] {
        &self.rejected
    }

    /// Number of changed rows per table.
    #[must_use]
    pub fn changed_rows(&self) -> &[Rows] {
        &self.rows
    }

    fn send(&self, handle: &ReportHandle) {
        for (index, reason) in &self.rejected {
            (handle.vtable.reject())(handle.ctx, *index, reason.as_str().into());
        }
        self.rows.iter().for_each(|rows| rows.send(handle));
    }
}

impl Rows {
    fn send(&self, handle: &ReportHandle) {
        let Self { table, inserted, updated, deleted, skipped } = self;
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

/// The result of a flush.
#[derive(Clone, Debug, Default)]
pub struct FlushReport {
    rejected: Vec<RejectedAt>,
    rows: Vec<Rows>,
}

/// A record that a flush has rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedAt {
    /// Topic that the record was read from ([`crate::Record::source_topic`]).
    pub topic: String,
    /// Partition that it was read from ([`crate::Record::source_partition`]).
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Readable reason.
    pub reason: String,
}

impl FlushReport {
    /// A report without rejected records: everything that was written is durable.
    #[must_use]
    pub fn flushed() -> Self {
        Self::default()
    }

    /// Rejects the written records with this origin: [`crate::Record::source_topic`], [`crate::Record::source_partition`] and
    /// [`crate::Record::offset`]. The sink must have dropped all of them, and must not have made anything durable.
    pub fn reject(
        &mut self,
        topic: impl Into<String>,
        partition: i32,
        offset: i64,
        reason: impl Into<String>,
    ) {
        self.rejected.push(RejectedAt { topic: topic.into(), partition, offset, reason: reason.into() });
    }

    /// Reports how many rows changed, for the log and the metrics.
    pub fn rows(&mut self, rows: Rows) {
        self.rows.push(rows);
    }

    /// The rejected records.
    #[must_use]
    pub fn rejected(&self) -> &[RejectedAt] {
        &self.rejected
    }

    /// Number of changed rows per table.
    #[must_use]
    pub fn changed_rows(&self) -> &[Rows] {
        &self.rows
    }

    fn send(&self, handle: &ReportHandle) -> Result<()> {
        let Some(reject_at) = handle.vtable.reject_at() else {
            return Err(Error::fatal("the host cannot flush sinks; update tidegate"));
        };
        for RejectedAt { topic, partition, offset, reason } in &self.rejected {
            let at = PartitionView { topic: topic.as_str().into(), partition: *partition };
            reject_at(handle.ctx, &at, *offset, reason.as_str().into());
        }
        self.rows.iter().for_each(|rows| rows.send(handle));
        Ok(())
    }
}

pub(crate) struct Adapter<T> {
    sink: Guarded<T>,
    /// The states of the last claim, which the host reads after the call.
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
            let message = format!("claim returned {} claims for {} partitions", answers.len(), claims.len());
            return Err(Error::fatal(message).into_abi());
        }
        self.states.clear();
        for (slot, answer) in claims.iter_mut().zip(answers) {
            let Claim { next_offset, epoch, state } = answer;
            // Moving the vector does not move the bytes.
            *slot = raw::Claim { next_offset: next_offset.unwrap_or(-1), epoch, reserved: [0; 2] }
                .with_state(&state);
            self.states.push(state);
        }
        Ok(())
    }

    fn release(&mut self, views: &[PartitionView<'_>]) -> Result<(), AbiError> {
        self.sink.call(|sink| sink.release(&partitions(views))).map_err(Error::into_abi)
    }

    fn reset_offsets(&mut self, views: &[PartitionView<'_>]) -> Result<(), AbiError> {
        self.sink.call(|sink| sink.reset_offsets(&partitions(views))).map_err(Error::into_abi)
    }

    fn flush(&mut self, handle: &ReportHandle) -> Result<(), AbiError> {
        let report = self.sink.call(Sink::flush).map_err(Error::into_abi)?;
        guarded(|| report.send(handle)).map_err(Error::into_abi)
    }

    fn close(&mut self) -> Result<(), AbiError> {
        self.sink.call(Sink::close).map_err(Error::into_abi)
    }
}
