//! Schemas of a registry stay within their memory: those of a batch until it is written, others until there are newer ones.

use std::sync::Arc;

use tidegate_abi::host::{Batch, NewRecord};

use super::to_json;
use crate::formats::{
    DecoderOptions, Format, RecordDecoder,
    registry::{Lookup, Registry, RegistrySettings, SchemaId},
    stub::RegistryStub,
};

const SCHEMAS: u8 = 100;

/// A record of two fields, the first of them with a name of its own. The default makes it as large as those of real tables.
fn schema(id: u8) -> String {
    let default = "x".repeat(2_000);
    format!(
        r#"{{"type":"record","name":"r","fields":[{{"name":"f{id}","type":"int"}},{{"name":"d","type":"string","default":"{default}"}}]}}"#
    )
}

/// Confluent's header, and the values 1 and "".
fn payload(id: u8) -> Vec<u8> {
    vec![0, 0, 0, 0, id, 2, 0]
}

fn settings(stub: &RegistryStub) -> RegistrySettings {
    RegistrySettings { urls: vec![stub.url()], ..RegistrySettings::default() }
}

/// A batch with one record of each schema, decoded.
fn decoded(decoder: &mut RecordDecoder) -> Batch {
    let mut batch = Batch::new();
    let slot = batch.slot(&Arc::from("t"), 0, 1);
    for id in 1..=SCHEMAS {
        let value = payload(id);
        let record = NewRecord { offset: id.into(), timestamp_ms: None, key: None, value: Some(&value) };
        batch.push(slot, record, std::iter::empty());
    }
    decoder.prepare(batch.records()).unwrap();
    batch.decode(decoder);
    batch
}

#[test]
fn schemas_are_dropped_with_the_batch_and_fetched_again() {
    let stub = RegistryStub::start();
    (1..=SCHEMAS).for_each(|id| stub.add_schema(id.into(), &schema(id)));
    let registry = Registry::new(settings(&stub));
    let known = || {
        let is_known =
            |id: &u8| matches!(registry.known(SchemaId::Id(u32::from(*id))), Some(Lookup::Found(_)));
        (1..=SCHEMAS).filter(is_known).count()
    };
    let mut decoder = RecordDecoder::new(DecoderOptions {
        value: Format::Avro,
        registry: Some(settings(&stub)),
        max_schema_bytes: 100_000,
        ..DecoderOptions::default()
    });
    for round in 1..=2 {
        let mut batch = decoded(&mut decoder);
        // Although they take more than their memory, those of the batch are there.
        assert!(batch.rejected().is_empty(), "{:?}", batch.rejected());
        let values: Vec<String> = batch.records().map(|record| to_json(record.value())).collect();
        let expected: Vec<String> = (1..=SCHEMAS).map(|id| format!(r#"{{"f{id}":1,"d":""}}"#)).collect();
        assert_eq!(values, expected);
        assert_eq!(known(), usize::from(SCHEMAS), "round {round}");
        assert!(batch.memory_bytes() > usize::from(SCHEMAS) * 4_000, "the batch counts what it keeps");
        // The next batch needs none of them.
        decoder.prepare(std::iter::empty()).unwrap();
        assert_eq!(known(), usize::from(SCHEMAS), "the batch still keeps them");
        batch.reset(0);
        assert!((2..20).contains(&known()), "{} are kept", known());
    }
    let mut causes = Vec::new();
    decoder.drain_notices(|notice| causes.push(notice.cause.0));
    assert_eq!(causes, ["schemas_dropped"]);
    drop(decoder);
    assert_eq!(known(), 0);
}
