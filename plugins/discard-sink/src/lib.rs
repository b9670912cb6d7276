//! The `discard` sink: counts records and bytes, and discards them. It does not allocate per record.

use tidegate_plugin::{BatchDefaults, prelude::*};

struct Discard {
    context: Context,
    records: u64,
    bytes: u64,
}

impl Sink for Discard {
    type Config = ();

    fn batch_defaults() -> BatchDefaults {
        // A call costs the same for a batch of any size.
        BatchDefaults { max_records: Some(5_000), max_bytes: Some(8 << 20), max_wait: None }
    }

    fn open((): (), context: &Context) -> Result<Self> {
        Ok(Self { context: context.clone(), records: 0, bytes: 0 })
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        let (records, bytes) = (batch.len() as u64, batch.iter().map(size).sum());
        self.context.count("discarded_records", &[], records);
        self.context.count("discarded_bytes", &[], bytes);
        self.records += records;
        self.bytes += bytes;
        Ok(Report::written())
    }

    fn close(&mut self) -> Result<()> {
        info!(records = self.records, bytes = self.bytes, "records discarded");
        Ok(())
    }
}

/// Bytes of key and value from Kafka.
fn size(record: Record<'_>) -> u64 {
    let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
    len(record.key_bytes()) + len(record.value_bytes())
}

export_plugin!(sink "discard": Discard);

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::testing::{self, Records, SinkTest};

    use super::*;

    #[test]
    fn records_and_bytes_are_counted() {
        let mut sink = SinkTest::<Discard>::open(json!({})).unwrap();
        let records = Records::new().json("t", json!("key"), json!([1, 2])).tombstone("t", json!("key"));
        assert!(sink.write(&records).unwrap().rejected().is_empty());
        sink.write(&Records::new().json("t", json!(null), json!(7))).unwrap();
        let metrics = testing::metrics();
        assert_eq!(metrics["discarded_records"], 3.0);
        assert_eq!(metrics["discarded_bytes"], 16.0);

        sink.close().unwrap();
        let logs = testing::logs();
        assert_eq!((logs[0].level, logs[0].message.as_str()), ("info", "records discarded"));
        assert_eq!((logs[0].fields["records"].as_str(), logs[0].fields["bytes"].as_str()), ("3", "16"));
    }
}
