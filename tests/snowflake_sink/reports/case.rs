//! A case: records, and what the source's table holds after them.

use std::collections::BTreeSet;

use super::record::Record;

/// Records of one connector, and the expected tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    /// Name of the case and the connector.
    pub(crate) name: String,
    pub(crate) records: Vec<Record>,
    /// Additions to `[source]`.
    pub(crate) source: String,
    /// Additions to `[sink.config]`.
    pub(crate) sink: String,
    /// The rest of the connector's file.
    pub(crate) more: String,
    /// The host is restarted before these records, with every batch size.
    pub(crate) restarts: Vec<usize>,
    pub(crate) tables: Vec<Table>,
    /// Tables that must not exist.
    pub(crate) absent: Vec<&'static str>,
    pub(crate) rejected: Vec<Rejected>,
    /// Parts of required warnings.
    pub(crate) warnings: Vec<&'static str>,
    /// Parts of warnings that are allowed: whether they are logged depends on the batches.
    pub(crate) tolerated: Vec<&'static str>,
    /// Part of a warning after which the tables may differ, because the source's state cannot be known.
    pub(crate) unless_warned: Option<&'static str>,
    /// The records from this one on change no value of any table, including the write time.
    pub(crate) unchanged_from: Option<usize>,
}

/// The expected content of a table, without the columns that the sink adds.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The columns, in the order of the values in `rows`. The rows are sorted.
    pub(crate) columns: &'static [&'static str],
    /// The values of a row are separated by spaces; NULL is `-`.
    pub(crate) rows: Vec<&'static str>,
    /// The batch sizes for which this holds; all by default.
    pub(crate) batches: Option<&'static [usize]>,
}

/// A rejected record.
#[derive(Clone, Debug)]
pub(crate) struct Rejected {
    /// Such as `topic=cdc.public.orders partition=0 offset=17`.
    pub(crate) place: String,
    /// The same, as in the error that fails a task.
    pub(crate) topic_and_offset: String,
    /// Parts of the reason: the field, and the fix.
    pub(crate) reason: &'static [&'static str],
}

impl Case {
    /// A connector that reads these records.
    pub(crate) fn new(name: &str, records: Vec<Record>) -> Self {
        Self { name: name.to_owned(), records, ..Self::default() }
    }

    /// Additions to `[source]`.
    pub(crate) fn source(self, source: &str) -> Self {
        Self { source: source.to_owned(), ..self }
    }

    /// Additions to `[sink.config]`.
    pub(crate) fn sink(self, sink: &str) -> Self {
        Self { sink: sink.to_owned(), ..self }
    }

    /// The host is restarted before this record.
    pub(crate) fn restarted_at(mut self, record: usize) -> Self {
        self.restarts.push(record);
        self
    }

    /// Expects a table with these columns and rows.
    pub(crate) fn table(
        mut self,
        name: &'static str,
        columns: &'static [&'static str],
        rows: &[&'static str],
    ) -> Self {
        self.tables.push(Table { name, columns, rows: rows.to_vec(), batches: None });
        self
    }

    /// The last table is expected only with these batch sizes.
    pub(crate) fn in_batches_of(mut self, sizes: &'static [usize]) -> Self {
        self.tables.iter_mut().last().into_iter().for_each(|table| table.batches = Some(sizes));
        self
    }

    /// Expects that there is no such table.
    pub(crate) fn no_table(mut self, name: &'static str) -> Self {
        self.absent.push(name);
        self
    }

    /// Expects that a record of partition 0 is rejected and dropped.
    pub(crate) fn rejected(mut self, topic: &str, offset: usize, reason: &'static [&'static str]) -> Self {
        let place = format!("topic={topic} partition=0 offset={offset}");
        let topic_and_offset = format!("{topic}-0 offset {offset}: ");
        self.rejected.push(Rejected { place, topic_and_offset, reason });
        if self.more.is_empty() {
            self.more = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n".to_owned();
        }
        self
    }

    /// Expects a warning with this part.
    pub(crate) fn warned(mut self, part: &'static str) -> Self {
        self.warnings.push(part);
        self
    }

    /// Allows warnings with this part.
    pub(crate) fn tolerated(mut self, part: &'static str) -> Self {
        self.tolerated.push(part);
        self
    }

    /// Makes all warnings optional, because the run that would log them may be killed or start after the event.
    pub(crate) fn with_optional_warnings(mut self) -> Self {
        self.tolerated.append(&mut self.warnings);
        self
    }

    /// After a warning with this part, the tables are not checked.
    pub(crate) fn unless_warned(self, part: &'static str) -> Self {
        Self { unless_warned: Some(part), ..self }
    }

    /// Expects that nothing changes from this record on.
    pub(crate) fn unchanged_from(self, record: usize) -> Self {
        let case = self.restarted_at(record);
        Self { unchanged_from: Some(record), ..case }
    }

    /// The topics of its records, each with its number of partitions.
    pub(crate) fn topics(&self) -> Vec<(&str, u32)> {
        let names: BTreeSet<&str> = self.records.iter().map(|record| record.topic.as_str()).collect();
        let partitions = |topic: &str| {
            let records = self.records.iter().filter(|record| record.topic == topic);
            records.map(|record| record.partition.unsigned_abs() + 1).max().unwrap_or(1)
        };
        names.into_iter().map(|topic| (topic, partitions(topic))).collect()
    }

    /// The end of the records that the run which starts at record `from` reads, with this batch size.
    pub(crate) fn end_of_run(&self, from: usize, batch: usize) -> usize {
        let restart = self.restarts.iter().copied().filter(|restart| *restart > from);
        let end = restart.chain([self.records.len(), from + batch]).min();
        end.unwrap_or(from).min(self.records.len())
    }
}
