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
                Kind::Plain | Kind::RejectedByName | Kind::RejectedUnnamed => vec![keep],
            };
            assert!(made.into_iter().all(|output| outputs.push(output)), "the memory budget suffices");
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), AbiError> {
        Ok(())
    }
}

/// Appends to the ledger, all or nothing.
pub(super) struct Sink(pub(super) Arc<Mutex<Ledger>>);

impl RawSink for Sink {
    fn write(&mut self, batch: Batch<'_>, report: &ReportHandle) -> Result<(), AbiError> {
        let mut ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.iter().any(|record| ledger.failing.contains(&record.partition())) {
            return Err(AbiError::new(ErrorClass::RETRIABLE, "out of order"));
        }
        let kinds: Vec<Kind> = batch.iter().map(|record| Kind::of(record.value_bytes())).collect();
        if kinds.contains(&Kind::RejectedByName) {
            for (index, _) in (0..).zip(&kinds).filter(|(_, kind)| **kind == Kind::RejectedByName) {
                (report.vtable.reject())(report.ctx, index, "by name".into());
            }
            return Ok(());
        }
        if kinds.contains(&Kind::RejectedUnnamed) {
            return Err(AbiError::new(ErrorClass::REJECTED, "some record"));
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

    fn release(&mut self, _: &[PartitionView<'_>]) -> Result<(), AbiError> {
        Ok(())
    }

    fn reset_offsets(&mut self, _: &[PartitionView<'_>]) -> Result<(), AbiError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), AbiError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), AbiError> {
        Ok(())
    }
}
