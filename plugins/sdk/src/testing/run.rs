//! Plugin instances under test.

use std::{collections::BTreeMap, fmt};

use serde_json::Value as Json;
use tidegate_abi::{Batch, Operation, Record, Value, host, raw::BatchView};

use super::{decode::Envelope, host::context, records::Records};
use crate::{
    config::{self, PluginConfig},
    error::{Error, Result},
    sink::{Claim, FlushReport, Partition, Report, Sink},
    transform::{Transform, apply_all, with_record},
};

/// A transform under test.
pub struct TransformTest<T>(T);

// So that `open(..).unwrap_err()` works for plugins that do not implement `Debug`.
impl<T> fmt::Debug for TransformTest<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TransformTest")
    }
}

impl<T: Transform> TransformTest<T> {
    /// Opens the transform with a configuration, such as `json!({"field": "price"})`.
    ///
    /// # Errors
    /// If the configuration is invalid, or the transform's `open` fails.
    pub fn open(config: Json) -> Result<Self> {
        let config = read_config(config)?;
        T::check(&config)?;
        Ok(Self(T::open(config, &context("tested")?)?))
    }

    /// Runs the transform on the records.
    ///
    /// # Errors
    /// The error that ended the batch. Rejected records are not errors: see [`Applied::rejected`].
    pub fn apply(&mut self, records: &Records) -> Result<Applied> {
        let mut batch = records.batch();
        let call = |view: &BatchView, outputs: &mut _| {
            let lent = lent(view);
            let arena = lent.arena().ok_or_else(|| Error::fatal("the batch has no arena"))?;
            let mut at = None;
            let applied = apply_all(&mut self.0, lent, arena, outputs, &mut at);
            applied.map_err(|error| with_record(error, at))
        };
        batch.transform(usize::MAX, None, &mut Envelope, call, Error::fatal)?;
        batch.finish_unwrapped(&mut Envelope);
        Ok(Applied::of(&batch))
    }

    /// Closes the transform.
    ///
    /// # Errors
    /// If its `close` fails.
    pub fn close(mut self) -> Result<()> {
        self.0.close()
    }
}

/// The outputs of a transform.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Emitted records, in order.
    pub records: Vec<Output>,
    /// Rejected records: the index of the input and the reason.
    pub rejected: Vec<(u32, String)>,
}

impl Applied {
    fn of(batch: &host::Batch) -> Self {
        let rejected =
            batch.rejected().iter().map(|rejected| (rejected.input, rejected.reason.clone())).collect();
        Self { records: batch.records().map(Output::of).collect(), rejected }
    }
}

/// A record that a transform has emitted. Values are converted to JSON: decimals are numbers, bytes are base64.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Index of the input record.
    pub input: u32,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Timestamp in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// Key.
    pub key: Json,
    /// Value.
    pub value: Json,
    /// Headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Operation, if the record is a change event.
    pub operation: Option<Operation>,
    /// Table; empty if the record is not a change event.
    pub table: String,
    /// Row before, or null.
    pub before: Json,
    /// Row after, or null.
    pub after: Json,
    /// Whether the value is a row that was taken out of the event.
    pub unwrapped: bool,
}

impl Output {
    fn of(record: Record<'_>) -> Self {
        let change = record.change();
        let headers = record.headers().iter();
        Self {
            input: record.input(),
            topic: record.topic().to_owned(),
            partition: record.partition(),
            timestamp_ms: record.timestamp_ms(),
            key: to_json(record.key()),
            value: to_json(record.value()),
            headers: headers
                .map(|header| (header.name.to_owned(), header.value.unwrap_or_default().to_owned()))
                .collect(),
            operation: change.map(|change| change.operation()),
            table: change.map_or_else(String::new, |change| change.table().to_owned()),
            before: change.map_or(Json::Null, |change| to_json(change.before_value())),
            after: change.map_or(Json::Null, |change| to_json(change.after_value())),
            unwrapped: record.is_unwrapped(),
        }
    }
}

/// A sink under test.
pub struct SinkTest<S> {
    sink: S,
    epochs: BTreeMap<(String, i32), u64>,
}

// As above.
impl<S> fmt::Debug for SinkTest<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SinkTest")
    }
}

impl<S: Sink> SinkTest<S> {
    /// Opens the sink with a configuration, for a connector with the name `tested`.
    ///
    /// # Errors
    /// If the configuration is invalid, or the sink's `open` fails.
    pub fn open(config: Json) -> Result<Self> {
        Self::open_for("tested", config)
    }

    /// As [`SinkTest::open`], for a connector with this name.
    ///
    /// # Errors
    /// As for [`SinkTest::open`].
    pub fn open_for(connector: &str, config: Json) -> Result<Self> {
        let config = read_config(config)?;
        S::check(&config)?;
        Ok(Self { sink: S::open(config, &context(connector)?)?, epochs: BTreeMap::new() })
    }

    /// Claims partitions. Later writes pass their epochs, as in the host.
    ///
    /// # Errors
    /// If the sink's `claim` fails.
    pub fn claim(&mut self, partitions: &[(&str, i32)]) -> Result<Vec<Claim>> {
        let views: Vec<_> =
            partitions.iter().map(|(topic, partition)| Partition { topic, partition: *partition }).collect();
        let claims = self.sink.claim(&views)?;
        for ((topic, partition), claim) in partitions.iter().zip(&claims) {
            self.epochs.insert(((*topic).to_owned(), *partition), claim.epoch);
        }
        Ok(claims)
    }

    /// Resets the stored offsets of partitions, as for a topic that was recreated.
    ///
    /// # Errors
    /// If the sink's `reset_offsets` fails.
    pub fn reset_offsets(&mut self, partitions: &[(&str, i32)]) -> Result<()> {
        let views: Vec<_> =
            partitions.iter().map(|(topic, partition)| Partition { topic, partition: *partition }).collect();
        self.sink.reset_offsets(&views)
    }

    /// Writes the records as one batch.
    ///
    /// # Errors
    /// If the sink's `write` fails.
    pub fn write(&mut self, records: &Records) -> Result<Report> {
        let Self { sink, epochs } = self;
        let batch = records.batch();
        let epoch =
            |topic: &str, partition| epochs.get(&(topic.to_owned(), partition)).copied().unwrap_or_default();
        let positions = batch.positions_before(batch.len(), |_, _| None);
        batch.lend_to_sink(0..batch.len(), &positions, epoch, |view| sink.write(&lent(view)))
    }

    /// Flushes the sink.
    ///
    /// # Errors
    /// If the sink's `flush` fails.
    pub fn flush(&mut self) -> Result<FlushReport> {
        self.sink.flush()
    }

    /// Closes the sink.
    ///
    /// # Errors
    /// If its `close` fails.
    pub fn close(mut self) -> Result<()> {
        self.sink.close()
    }
}

/// The batch that a host passes to a plugin.
#[expect(unsafe_code, reason = "this module stands in for the host")]
fn lent(view: &BatchView) -> Batch<'_> {
    // SAFETY: the view comes from the batch's own `transform` or `lend_to_sink`, which keep all that it describes alive
    // and unchanged while they lend it.
    unsafe { Batch::from_view(view) }
}

/// Deserializes the configuration, and checks it for unknown keys, as the host does with the schema.
fn read_config<C: PluginConfig>(config: Json) -> Result<C> {
    let schema: Json = serde_json::from_str(&C::schema())?;
    let keys = config.as_object().into_iter().flatten();
    for (key, _) in keys.filter(|_| schema["additionalProperties"] == false) {
        if schema["properties"].get(key).is_none() {
            return Err(Error::fatal(format_args!("configuration: unknown key {key:?}")));
        }
    }
    let batch = Records::new().json("configuration", Json::Null, config).batch();
    config::read_config(batch.record(0).map(|record| record.value()).unwrap_or_default())
}

fn to_json(value: Value<'_>) -> Json {
    let mut text = String::new();
    let written = value.write_json(&mut text);
    assert!(written.is_ok(), "writing to a string cannot fail");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("the value is not valid JSON: {error}: {text}"))
}
