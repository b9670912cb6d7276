//! The transform and the sink of the model: the first byte of a record selects what they do with it.

use std::sync::{Arc, Mutex, PoisonError};

use tidegate_abi::{
    Arena, Batch,
    object::RawSink,
    object::RawTransform,
    raw::{AbiError, Bytes, Claim, ErrorClass, OutRecord, Outputs, PartitionView, ReportHandle, out_flags},
};

use super::world::{Kind, Ledger};

/// Filters, doubles and rejects.
pub(super) struct Transform;

impl RawTransform for Transform {
    fn apply<'b>(
        &mut self,
        batch: Batch<'b>,
        arena: Arena<'b>,
        outputs: &mut Outputs,
    ) -> Result<(), AbiError> {
        for record in batch.iter() {
            let keep = OutRecord::keep(record.index());
            let rejected = OutRecord {
                flags: out_flags::REJECT,
                topic: Bytes::new(arena.str("rejected").as_bytes()),
                ..keep
            };
            let made = match Kind::of(record.value_bytes()) {
                Kind::Filtered => vec![],
                Kind::Doubled => vec![keep, keep],
                Kind::RejectedByTransform => vec![rejected],
                Kind::Plain | Kind::RejectedByName | Kind::RejectedUnnamed | Kind::RejectedByFlush => {
                    vec![keep]
                }
            };
            assert!(made.into_iter().all(|output| outputs.push(output)), "the memory budget suffices");
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), AbiError> {
        Ok(())
    }
}

/// Appends to the ledger, all or nothing: with each write, or with each flush.
pub(super) struct Sink {
    ledger: Arc<Mutex<Ledger>>,
    is_flushed: bool,
    /// What was written since the last flush.
    held: Vec<Held>,
}

/// A record that is not flushed.
struct Held {
    partition: i32,
    offset: i64,
    kind: Kind,
}

impl Sink {
    /// A sink without records; `is_flushed` says that it is durable on flush.
    pub(super) fn new(ledger: &Arc<Mutex<Ledger>>, is_flushed: bool) -> Self {
        Self { ledger: Arc::clone(ledger), is_flushed, held: Vec::new() }
    }
}

impl RawSink for Sink {
    fn write(&mut self, batch: Batch<'_>, report: &ReportHandle) -> Result<(), AbiError> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.iter().any(|record| ledger.failing.contains(&record.partition())) {
            return Err(AbiError::new(ErrorClass::RETRIABLE, "out of order"));
        }
        let kinds: Vec<Kind> = batch.iter().map(|record| Kind::of(record.value_bytes())).collect();
        let is_rejected = |kind: &Kind| {
            *kind == Kind::RejectedByName || (!self.is_flushed && *kind == Kind::RejectedByFlush)
        };
        if kinds.iter().any(is_rejected) {
            for (index, _) in (0..).zip(&kinds).filter(|(_, kind)| is_rejected(kind)) {
                (report.vtable.reject())(report.ctx, index, "by name".into());
            }
            return Ok(());
        }
        if kinds.contains(&Kind::RejectedUnnamed) {
            return Err(AbiError::new(ErrorClass::REJECTED, "some record"));
        }
        if self.is_flushed {
            self.held.extend(batch.iter().zip(kinds).map(|(record, kind)| Held {
                partition: record.partition(),
                offset: record.offset(),
                kind,
            }));
            return Ok(());
        }
        ledger.rows.extend(batch.iter().map(|record| (record.partition(), record.offset())));
        if std::mem::take(&mut ledger.lose_answer) {
            return Err(AbiError::new(ErrorClass::RETRIABLE, "the answer is lost"));
        }
        Ok(())
    }

    fn claim(&mut self, _: &[PartitionView<'_>], _: &mut [Claim]) -> Result<(), AbiError> {
        Ok(())
    }

    fn release(&mut self, partitions: &[PartitionView<'_>]) -> Result<(), AbiError> {
        self.held.retain(|held| partitions.iter().all(|at| at.partition != held.partition));
        Ok(())
    }

    fn reset_offsets(&mut self, _: &[PartitionView<'_>]) -> Result<(), AbiError> {
        Ok(())
    }

    fn flush(&mut self, report: &ReportHandle) -> Result<(), AbiError> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut ledger.fail_flush) {
            return Err(AbiError::new(ErrorClass::RETRIABLE, "out of order"));
        }
        let (rejected, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.held).into_iter().partition(|held| held.kind == Kind::RejectedByFlush);
        self.held = kept;
        let reject_at = report.vtable.reject_at().expect("the host can flush");
        for Held { partition, offset, .. } in &rejected {
            let at = PartitionView { topic: "t".into(), partition: *partition };
            reject_at(report.ctx, &at, *offset, "by flush".into());
            ledger.rejected_by_flush.push((*partition, *offset));
        }
        if !rejected.is_empty() {
            return Ok(());
        }
        ledger.rows.extend(self.held.drain(..).map(|held| (held.partition, held.offset)));
        if std::mem::take(&mut ledger.lose_answer) {
            return Err(AbiError::new(ErrorClass::RETRIABLE, "the answer is lost"));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), AbiError> {
        Ok(())
    }
}
