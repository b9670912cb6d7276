//! Opened sinks: the safe way to call one, and what it reports.
#![expect(unsafe_code, reason = "calls through the vtable of a plugin")]

use std::ops::Range;

use tidegate_abi::{
    abi_stable::{
        prefix_type::WithMetadata,
        std_types::{RResult, RSlice, RSliceMut, RStr},
    },
    host::{Batch, PartitionPosition},
    raw::{
        AbiError, Claim, PartitionView, ReportHandle, ReportVTable, ReportVTableRef, SinkObject,
        TableRows as RawTableRows,
    },
};

use super::{
    context::CallContext,
    error::CallError,
    open::{OpenError, OpenParams, wrong_kind},
    registry::Plugin,
};

/// Rows that a write changed in one table, as the sink counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRows {
    /// Table as the sink names it.
    pub table: String,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Events that changed nothing because their row is newer.
    pub skipped: u64,
}

/// What a sink stores for a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredClaim {
    /// Next offset to read, if the sink stores one.
    pub next_offset: Option<i64>,
    /// Epoch of the ownership.
    pub epoch: u64,
    /// The host's state that was stored with the offset; empty if there is none.
    pub state: Vec<u8>,
}

/// What a sink reports of one write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteReport {
    /// Rejected records: their index in the written range, and the reason. If there are any, nothing was written.
    pub rejected: Vec<(u32, String)>,
    /// Rows changed.
    pub rows: Vec<TableRows>,
}

/// A record that a flush has rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedAt {
    /// Topic that it was read from.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Reason.
    pub reason: String,
}

/// What a sink reports of one flush.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Rejected records. If there are any, nothing is durable, and the sink has dropped these.
    pub rejected: Vec<RejectedAt>,
    /// Rows changed.
    pub rows: Vec<TableRows>,
}

/// The report that the callbacks fill.
#[derive(Default)]
struct CallReport {
    write: WriteReport,
    flush_rejected: Vec<RejectedAt>,
}

extern "C" fn report_reject(ctx: *mut (), index: u32, reason: RStr<'_>) {
    // SAFETY: the context is the report in `SinkInstance::write` or `flush`, which outlives the call and is not touched meanwhile.
    let report = unsafe { &mut *ctx.cast::<CallReport>() };
    report.write.rejected.push((index, crate::telemetry::scrub(reason.as_str()).into_owned()));
}

extern "C" fn report_rows(ctx: *mut (), rows: &RawTableRows<'_>) {
    // SAFETY: as above.
    let report = unsafe { &mut *ctx.cast::<CallReport>() };
    let RawTableRows { table, inserted, updated, deleted, reserved: [skipped, ..] } = *rows;
    let (table, skipped) = (table.to_string(), skipped as u64);
    report.write.rows.push(TableRows { table, inserted, updated, deleted, skipped });
}

extern "C" fn report_reject_at(ctx: *mut (), at: &PartitionView<'_>, offset: i64, reason: RStr<'_>) {
    // SAFETY: as above.
    let report = unsafe { &mut *ctx.cast::<CallReport>() };
    let (topic, partition) = (at.topic.to_string(), at.partition);
    let reason = crate::telemetry::scrub(reason.as_str()).into_owned();
    report.flush_rejected.push(RejectedAt { topic, partition, offset, reason });
}

fn report_vtable() -> ReportVTableRef {
    const VTABLE: &WithMetadata<ReportVTable> = &WithMetadata::new(ReportVTable {
        reject: report_reject,
        rows: report_rows,
        reject_at: report_reject_at,
    });
    ReportVTableRef(VTABLE.static_as_prefix())
}

/// An opened sink.
pub struct SinkInstance {
    name: String,
    object: SinkObject,
    context: &'static CallContext,
}

impl SinkInstance {
    /// Opens `plugin` as a sink.
    ///
    /// # Errors
    /// When its library cannot be loaded, or it returns an error.
    pub fn open(plugin: &Plugin, params: &OpenParams<'_>) -> Result<Self, OpenError> {
        let entry = plugin.entry()?;
        let Some(open) = entry.open_sink().into_option() else {
            return Err(wrong_kind(plugin, "sink").into());
        };
        let context = params.context();
        let object = params.open(context, open.call)?;
        Ok(Self { name: params.instance.to_owned(), object, context })
    }

    /// A sink without a library, for the model test.
    #[cfg(test)]
    pub(crate) fn of(object: SinkObject) -> Self {
        Self { name: "model".to_owned(), object, context: CallContext::of("model", 0, "sink") }
    }

    /// Name under which the connector uses it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The context of the calls, to request the end of one.
    #[must_use]
    pub fn context(&self) -> &'static CallContext {
        self.context
    }

    fn outcome(&self, result: RResult<(), AbiError>) -> Result<(), CallError> {
        result.into_result().map_err(|error| CallError::new(&self.name, &error))
    }

    /// Writes the records `range` of `batch`, with the `positions` that are committable once they are durable. `epoch`
    /// gives the epoch under which a partition was claimed.
    ///
    /// # Errors
    /// What the plugin returned; nothing was written. Also when it rejects a record that is not in the range.
    pub fn write(
        &mut self,
        batch: &Batch,
        range: Range<usize>,
        positions: &[PartitionPosition],
        epoch: impl Fn(&str, i32) -> u64,
    ) -> Result<WriteReport, CallError> {
        let mut report = CallReport::default();
        let write = self.object.vtable.write();
        let lent = range.len();
        let result = batch.lend_to_sink(range, positions, epoch, |view| {
            let handle = ReportHandle { ctx: (&raw mut report).cast(), vtable: report_vtable() };
            // SAFETY: the instance belongs to this vtable, and `&mut self` makes this its only call.
            unsafe { write(self.object.instance, view, &handle) }
        });
        self.outcome(result)?;
        if !report.flush_rejected.is_empty() {
            return Err(CallError::contract_violation(&self.name, "rejected records of a flush in a write"));
        }
        match report.write.rejected.iter().find(|(index, _)| *index as usize >= lent) {
            Some((index, _)) => {
                let broken = format!("rejected record {index} of a batch of {lent}");
                Err(CallError::contract_violation(&self.name, broken))
            }
            None => Ok(report.write),
        }
    }

    /// Has the sink make everything durable that was written since the last flush.
    ///
    /// # Errors
    /// What the plugin returned; nothing is durable. Also when it was built with an SDK without this call, or rejects
    /// records as a write does.
    pub fn flush(&mut self) -> Result<FlushReport, CallError> {
        let Some(flush) = self.object.vtable.flush_reporting() else {
            let reason =
                "cannot be flushed, because it was built with an older SDK; rebuild it with the current one";
            return Err(CallError::contract_violation(&self.name, reason));
        };
        let mut report = CallReport::default();
        let handle = ReportHandle { ctx: (&raw mut report).cast(), vtable: report_vtable() };
        // SAFETY: as in `write`.
        let result = unsafe { flush(self.object.instance, &handle) };
        self.outcome(result)?;
        if !report.write.rejected.is_empty() {
            return Err(CallError::contract_violation(&self.name, "rejected records of a batch in a flush"));
        }
        Ok(FlushReport { rejected: report.flush_rejected, rows: report.write.rows })
    }

    /// Claims partitions: what the sink stores of each.
    ///
    /// # Errors
    /// What the plugin returned.
    pub fn claim(&mut self, partitions: &[(&str, i32)]) -> Result<Vec<StoredClaim>, CallError> {
        let views = partition_views(partitions);
        let mut claims = vec![Claim::NONE; views.len()];
        // SAFETY: as in `write`.
        let result = unsafe {
            (self.object.vtable.claim())(
                self.object.instance,
                RSlice::from_slice(&views),
                RSliceMut::from_mut_slice(&mut claims),
            )
        };
        self.outcome(result)?;
        Ok(claims
            .iter()
            .map(|claim| StoredClaim {
                next_offset: (claim.next_offset >= 0).then_some(claim.next_offset),
                epoch: claim.epoch,
                // SAFETY: the sink has just returned, and `&mut self` prevents other calls.
                state: unsafe { claim.state() }.to_vec(),
            })
            .collect())
    }

    /// Releases partitions.
    ///
    /// # Errors
    /// What the plugin returned.
    pub fn release(&mut self, partitions: &[(&str, i32)]) -> Result<(), CallError> {
        let views = partition_views(partitions);
        // SAFETY: as in `write`.
        let result =
            unsafe { (self.object.vtable.release())(self.object.instance, RSlice::from_slice(&views)) };
        self.outcome(result)
    }

    /// Has it delete the stored offsets of claimed partitions.
    ///
    /// # Errors
    /// What the plugin returned; also when it was built with an SDK without this call.
    pub fn reset_offsets(&mut self, partitions: &[(&str, i32)]) -> Result<(), CallError> {
        let views = partition_views(partitions);
        let Some(reset_offsets) = self.object.vtable.reset_offsets() else {
            let reason = "cannot reset its stored offsets, because it was built with an older SDK; rebuild it with the current one";
            return Err(CallError::contract_violation(&self.name, reason));
        };
        // SAFETY: as in `write`.
        let result = unsafe { reset_offsets(self.object.instance, RSlice::from_slice(&views)) };
        self.outcome(result)
    }

    /// Closes the sink.
    ///
    /// # Errors
    /// What the plugin returned.
    pub fn close(&mut self) -> Result<(), CallError> {
        // SAFETY: as in `write`.
        let result = unsafe { (self.object.vtable.close())(self.object.instance) };
        self.outcome(result)
    }
}

impl Drop for SinkInstance {
    fn drop(&mut self) {
        // SAFETY: the last call on the instance.
        unsafe { (self.object.vtable.drop())(self.object.instance) };
    }
}

fn partition_views<'a>(partitions: &[(&'a str, i32)]) -> Vec<PartitionView<'a>> {
    let view =
        |(topic, partition): &(&'a str, i32)| PartitionView { topic: (*topic).into(), partition: *partition };
    partitions.iter().map(view).collect()
}
