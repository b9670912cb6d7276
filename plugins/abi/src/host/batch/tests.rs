//! A batch, lent and taken back.

use super::*;
use crate::change::ChangeParts;

struct Nothing;

impl Recognise for Nothing {
    fn recognise<'b>(&mut self, _: Record<'b>, _: Arena<'b>) -> Option<ChangeParts<'b>> {
        None
    }
}

fn batch(records: i64) -> Batch {
    let mut batch = Batch::new();
    let slot = batch.slot(&Arc::from("t"), 0, 1);
    for offset in 0..records {
        let record = NewRecord { offset, timestamp_ms: None, key: None, value: Some(b"x") };
        batch.push(slot, record, [("name", Some(&b"value"[..]))].into_iter());
    }
    batch
}

/// Lends the batch to `apply`, as a plugin does.
fn transform(
    batch: &mut Batch,
    limit: usize,
    apply: impl Fn(Arena<'_>, &mut Outputs) -> Result<(), String>,
) -> Result<(), String> {
    let call = |view: &BatchView, outputs: &mut Outputs| {
        // SAFETY: the batch lends its own cursor for this call.
        apply(unsafe { Arena::from_cursor(view.cursor) }, outputs)
    };
    batch.transform(limit, None, &mut Nothing, call, |broken| broken.to_string())
}

#[test]
fn outputs_take_the_place_of_their_inputs() {
    let mut batch = batch(3);
    let applied = transform(&mut batch, 1 << 20, |arena, outputs| {
        for input in [0, 2, 2] {
            let value = arena.string("new").node();
            let output = OutRecord { value, flags: out_flags::VALUE, ..OutRecord::keep(input) };
            assert!(outputs.push(output));
        }
        Ok(())
    });
    assert_eq!(applied, Ok(()));
    let read = |record: Record<'_>| (record.offset(), record.value().as_str().map(str::to_owned));
    let expected = [0, 2, 2].map(|offset| (offset, Some("new".to_owned())));
    assert_eq!(batch.records().map(read).collect::<Vec<_>>(), expected);
    assert_eq!(batch.filtered_count(), 1);
}

#[test]
fn a_call_that_fails_leaves_the_batch_and_its_memory_as_they_were() {
    let mut batch = batch(2);
    for _ in 0..100 {
        let failed = transform(&mut batch, 1 << 20, |arena, outputs| {
            let _ = arena.slice(&[7u8; 50_000]);
            assert!(outputs.push(OutRecord::keep(0)));
            Err("later".to_owned())
        });
        assert_eq!(failed, Err("later".to_owned()));
    }
    assert_eq!(batch.len(), 2);
    assert!(batch.memory_bytes() < 400_000, "{}", batch.memory_bytes());
}

#[test]
fn a_transform_that_never_ends_to_emit_is_stopped() {
    let mut batch = batch(1);
    let outcome = transform(&mut batch, 100_000, |_, outputs| {
        while outputs.push(OutRecord::keep(0)) {}
        Err(format!("no room for more than {}", outputs.len))
    });
    assert!(outcome.unwrap_err().len() < "no room for more than 10000".len());
    assert_eq!(batch.len(), 1);
}

#[test]
fn records_of_partitions_that_are_gone_leave_without_a_trace() {
    let mut batch = batch(2);
    let other = batch.slot(&Arc::from("u"), 7, 2);
    batch.push(other, NewRecord { offset: 5, timestamp_ms: None, key: None, value: None }, [].into_iter());
    batch.retain_partitions(|slot| slot.partition == 7);
    let positions = batch.positions_before(1);
    assert_eq!((batch.input_count(), batch.len(), positions.len()), (1, 1, 1));
    assert_eq!((&*positions[0].topic, positions[0].next_offset), ("u", 6));
    assert_eq!(batch.records().next().unwrap().topic(), "u");
}
