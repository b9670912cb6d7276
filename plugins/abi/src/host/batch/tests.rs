//! A batch, lent and taken back.

use super::*;
use crate::{
    host::decode::{Part, Recognise},
    raw::{Outputs, out_flags},
};

struct Nothing;

impl Recognise for Nothing {
    fn recognise<'b>(&mut self, record: Record<'b>, _: Arena<'b>) -> Result<Decoded<'b>, Refusal> {
        Ok(Decoded {
            key: record.key(),
            value: record.value(),
            key_schema: None,
            value_schema: None,
            change: None,
        })
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
    let positions = batch.positions_before(1, |_, _| None);
    assert_eq!((batch.input_count(), batch.len(), positions.len()), (1, 1, 1));
    assert_eq!((&*positions[0].topic, positions[0].next_offset), ("u", 6));
    assert_eq!(batch.records().next().unwrap().topic(), "u");
}

/// Makes two outputs of every record, and refuses what `refuse` names: input and how many outputs to refuse.
fn double(batch: &mut Batch, refuse: &[(u32, usize)]) {
    let applied = transform(batch, 1 << 20, |arena, outputs| {
        let count = outputs_of(refuse);
        for (input, refused) in count {
            let reject = OutRecord {
                topic: Bytes::new(arena.str("no").as_bytes()),
                flags: out_flags::REJECT,
                ..OutRecord::keep(input)
            };
            for number in 0..2 {
                let output = if number < refused { reject } else { OutRecord::keep(input) };
                assert!(outputs.push(output));
            }
        }
        Ok(())
    });
    assert_eq!(applied, Ok(()));
}

/// Three inputs, and how many of each one's two outputs are refused.
fn outputs_of(refuse: &[(u32, usize)]) -> impl Iterator<Item = (u32, usize)> + use<'_> {
    (0..3).map(|input| (input, refuse.iter().find(|(at, _)| *at == input).map_or(0, |(_, count)| *count)))
}

fn inputs(batch: &Batch) -> Vec<u32> {
    batch.records().map(|record| record.input()).collect()
}

#[test]
fn one_refused_output_refuses_the_record_with_all_that_was_made_of_it() {
    for refused in [1, 2] {
        let mut batch = batch(3);
        double(&mut batch, &[]);
        assert_eq!(inputs(&batch), [0, 0, 1, 1, 2, 2]);
        let mut batch = self::batch(3);
        double(&mut batch, &[(1, refused)]);
        assert_eq!(inputs(&batch), [0, 0, 2, 2]);
        assert_eq!(batch.rejected().iter().map(|rejected| rejected.input).collect::<Vec<_>>(), [1]);
    }
}

#[test]
fn a_sink_s_refusal_takes_out_all_outputs_of_the_record() {
    let mut batch = batch(3);
    double(&mut batch, &[]);
    let refused = vec![(2, "a".to_owned()), (3, "b".to_owned()), (5, "c".to_owned())];
    assert_eq!(batch.reject(refused), 4);
    assert_eq!(inputs(&batch), [0, 0]);
    let rejected: Vec<_> =
        batch.rejected().iter().map(|rejected| (rejected.input, rejected.reason.as_str())).collect();
    assert_eq!(rejected, [(1, "a"), (2, "c")]);
    assert_eq!((batch.rejected_count(), batch.filtered_count()), (2, 0));
    assert_eq!(batch.positions_before(2, |_, _| None)[0].next_offset, 3);
}

#[test]
fn what_was_consumed_is_kept_whatever_becomes_of_it() {
    let mut batch = Batch::new();
    let slot = batch.slot(&Arc::from("t"), 4, 1);
    let record = NewRecord { offset: 7, timestamp_ms: Some(9), key: Some(b"k"), value: None };
    batch.push(slot, record, [("a", None), ("b", Some(&b""[..]))].into_iter());
    let filtered = transform(&mut batch, 1 << 20, |_, _| Ok(()));
    assert_eq!((filtered, batch.len()), (Ok(()), 0));
    let refusal = Refusal::too_large(Part::Record, "huge");
    let huge = NewRecord { offset: 8, timestamp_ms: None, key: None, value: Some(b"xyz") };
    batch.push_refused(slot, huge, [(&b"\xff"[..], None)].into_iter(), refusal);

    let original = batch.original(0).unwrap();
    assert_eq!((&**original.topic, original.partition, original.offset), ("t", 4, 7));
    assert_eq!((original.timestamp_ms, original.key, original.value), (Some(9), Some(&b"k"[..]), None));
    let headers = [(&b"a"[..], None), (&b"b"[..], Some(&b""[..]))];
    assert_eq!(original.headers().collect::<Vec<_>>(), headers);
    let original = batch.original(1).unwrap();
    assert_eq!((original.timestamp_ms, original.key, original.value), (None, None, Some(&b"xyz"[..])));
    assert_eq!(original.headers().collect::<Vec<_>>(), [(&b"\xff"[..], None)]);
    assert_eq!(batch.payload_bytes(), "kabxyz".len() + 1);
    assert_eq!((batch.rejected_count(), batch.filtered_count(), batch.input_count()), (1, 1, 2));
    assert!(batch.original(2).is_none());
}

#[test]
fn a_call_that_got_no_room_is_known_for_it() {
    let mut batch = batch(2);
    let greedy = |arena: Arena<'_>, outputs: &mut Outputs| {
        let _ = arena.slice(&[0u8; 10]);
        while outputs.push(OutRecord::keep(0)) {}
        Err("full".to_owned())
    };
    assert!(transform(&mut batch, 1 << 16, greedy).is_err() && batch.was_out_of_room());
    assert!(transform(&mut batch, 1 << 16, |_, _| Err("else".to_owned())).is_err());
    assert!(!batch.was_out_of_room());
    batch.reject_input(0, Refusal::too_large(Part::Record, "full"));
    assert_eq!((inputs(&batch), batch.rejected_count()), (vec![1], 1));
}
