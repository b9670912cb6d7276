//! Batches and transforms.

use super::*;
use crate::{
    host::{
        Kept,
        decode::{Part, Recognise},
    },
    raw::{Outputs, out_flags},
};

struct NoEvents;

impl Recognise for NoEvents {
    fn recognise<'b>(
        &mut self,
        record: Record<'b>,
        _: Arena<'b>,
        _: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection> {
        Ok(Decoded::plain(record.key(), record.value()))
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

/// Runs `apply` on the batch, as a plugin.
fn transform(
    batch: &mut Batch,
    limit: usize,
    apply: impl Fn(Arena<'_>, &mut Outputs) -> Result<(), String>,
) -> Result<(), String> {
    let call = |view: &BatchView, outputs: &mut Outputs| {
        // SAFETY: the cursor belongs to the batch and is valid during this call.
        apply(unsafe { Arena::from_cursor(view.cursor) }, outputs)
    };
    batch.transform(limit, None, &mut NoEvents, call, |violation| violation.to_string())
}

#[test]
fn outputs_replace_their_inputs() {
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
fn a_failed_call_leaves_the_batch_and_its_memory_unchanged() {
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
fn a_transform_that_never_stops_emitting_is_stopped() {
    let mut batch = batch(1);
    let outcome = transform(&mut batch, 100_000, |_, outputs| {
        while outputs.push(OutRecord::keep(0)) {}
        Err(format!("no room for more than {}", outputs.len))
    });
    assert!(outcome.unwrap_err().len() < "no room for more than 10000".len());
    assert_eq!(batch.len(), 1);
}

#[test]
fn records_of_revoked_partitions_are_removed() {
    let mut batch = batch(2);
    let other = batch.slot(&Arc::from("u"), 7, 2);
    batch.push(other, NewRecord { offset: 5, timestamp_ms: None, key: None, value: None }, [].into_iter());
    batch.retain_partitions(|slot| slot.partition == 7);
    let positions = batch.positions_before(1, |_, _| None);
    assert_eq!((batch.input_count(), batch.len(), positions.len()), (1, 1, 1));
    assert_eq!((&*positions[0].topic, positions[0].next_offset), ("u", 6));
    assert_eq!(batch.records().next().unwrap().topic(), "u");
}

/// Emits two outputs for every record. `reject` lists inputs, and how many of their outputs to reject.
fn double(batch: &mut Batch, reject: &[(u32, usize)]) {
    let applied = transform(batch, 1 << 20, |arena, outputs| {
        let count = outputs_of(reject);
        for (input, rejected) in count {
            let reject = OutRecord {
                topic: Bytes::new(arena.str("no").as_bytes()),
                flags: out_flags::REJECT,
                ..OutRecord::keep(input)
            };
            for number in 0..2 {
                let output = if number < rejected { reject } else { OutRecord::keep(input) };
                assert!(outputs.push(output));
            }
        }
        Ok(())
    });
    assert_eq!(applied, Ok(()));
}

/// Three inputs, and how many of the two outputs of each are rejected.
fn outputs_of(reject: &[(u32, usize)]) -> impl Iterator<Item = (u32, usize)> + use<'_> {
    (0..3).map(|input| (input, reject.iter().find(|(at, _)| *at == input).map_or(0, |(_, count)| *count)))
}

fn inputs(batch: &Batch) -> Vec<u32> {
    batch.records().map(|record| record.input()).collect()
}

#[test]
fn one_rejected_output_rejects_all_outputs_of_the_record() {
    for rejected in [1, 2] {
        let mut batch = batch(3);
        double(&mut batch, &[]);
        assert_eq!(inputs(&batch), [0, 0, 1, 1, 2, 2]);
        let mut batch = self::batch(3);
        double(&mut batch, &[(1, rejected)]);
        assert_eq!(inputs(&batch), [0, 0, 2, 2]);
        assert_eq!(batch.rejected().iter().map(|rejected| rejected.input).collect::<Vec<_>>(), [1]);
    }
}

#[test]
fn a_record_rejected_by_the_sink_is_removed_with_all_its_outputs() {
    let mut batch = batch(3);
    double(&mut batch, &[]);
    let rejected = vec![(2, "a".to_owned()), (3, "b".to_owned()), (5, "c".to_owned())];
    assert_eq!(batch.reject(rejected), 4);
    assert_eq!(inputs(&batch), [0, 0]);
    let rejected: Vec<_> =
        batch.rejected().iter().map(|rejected| (rejected.input, rejected.reason.as_str())).collect();
    assert_eq!(rejected, [(1, "a"), (2, "c")]);
    assert_eq!((batch.rejected_count(), batch.filtered_count()), (2, 0));
    assert_eq!(batch.positions_before(2, |_, _| None)[0].next_offset, 3);
}

#[test]
fn original_records_are_kept() {
    let mut batch = Batch::new();
    let slot = batch.slot(&Arc::from("t"), 4, 1);
    let record = NewRecord { offset: 7, timestamp_ms: Some(9), key: Some(b"k"), value: None };
    batch.push(slot, record, [("a", None), ("b", Some(&b""[..]))].into_iter());
    let filtered = transform(&mut batch, 1 << 20, |_, _| Ok(()));
    assert_eq!((filtered, batch.len()), (Ok(()), 0));
    let rejection = Rejection::too_large(Part::Record, "huge");
    let huge = NewRecord { offset: 8, timestamp_ms: None, key: None, value: Some(b"xyz") };
    batch.push_rejected(slot, huge, [(&b"\xff"[..], None)].into_iter(), rejection);

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
fn reaching_the_memory_limit_is_reported() {
    let mut batch = batch(2);
    let greedy = |arena: Arena<'_>, outputs: &mut Outputs| {
        let _ = arena.slice(&[0u8; 10]);
        while outputs.push(OutRecord::keep(0)) {}
        Err("full".to_owned())
    };
    assert!(transform(&mut batch, 1 << 16, greedy).is_err() && batch.hit_memory_limit());
    assert!(transform(&mut batch, 1 << 16, |_, _| Err("else".to_owned())).is_err());
    assert!(!batch.hit_memory_limit());
    batch.reject_input(0, Rejection::too_large(Part::Record, "full"));
    assert_eq!((inputs(&batch), batch.rejected_count()), (vec![1], 1));
}

#[test]
fn originals_outlive_their_batch() {
    let mut kept = Batch::new();
    for payload in [true, false] {
        let mut batch = batch(3);
        batch.reject(vec![(1, "no".to_owned())]);
        kept.reset(0);
        kept.keep_originals(&batch, payload);
        assert_eq!(kept.original_bytes(payload), batch.original_bytes(payload) / 3 * 2);
        let wanted = batch.original(2).expect("it was consumed");
        let (topic, partition, offset) = (wanted.topic.to_string(), wanted.partition, wanted.offset);
        let value = wanted.value.map(<[u8]>::to_vec);
        drop(batch);
        let input = kept.find_input(&topic, partition, offset).expect("it was kept");
        let original = kept.original(input).expect("it was kept");
        assert_eq!((original.offset, original.value), (offset, value.as_deref().filter(|_| payload)));
        assert!(kept.find_input(&topic, partition, offset - 1).is_none(), "it was rejected before");
        assert!(kept.find_input(&topic, partition + 1, offset).is_none());
        assert!(kept.is_empty(), "there is nothing to write");
        assert_eq!(kept.kept_outputs(input), 1);
    }
}
