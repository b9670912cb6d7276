//! A case: records, and what the source's table holds after them.

use std::collections::BTreeSet;

use super::record::Record;

/// Records of one connector, and what is right after the last of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    /// Also the connector's name.
    pub(crate) name: String,
    pub(crate) records: Vec<Record>,
    /// More of `[source]`.
    pub(crate) source: String,
    /// More of `[sink.config]`.
    pub(crate) sink: String,
    /// The rest of the connector's file.
    pub(crate) more: String,
    /// The host is restarted before these records, whatever the size of batches.
    pub(crate) restarts: Vec<usize>,
    pub(crate) tables: Vec<Table>,
    /// Tables that must not be there.
    pub(crate) absent: Vec<&'static str>,
    pub(crate) refused: Vec<Refused>,
    /// Parts of lines at WARN that have to come.
    pub(crate) warnings: Vec<&'static str>,
    /// Parts of lines at WARN that may come: whether they do depends on where batches end.
    pub(crate) tolerated: Vec<&'static str>,
    /// What the log says where the source's state cannot be known: then the tables may be behind it.
    pub(crate) or_warned: Option<&'static str>,
    /// The records from here on change no value of any table, the time of writing included.
    pub(crate) unchanged_from: Option<usize>,
}

/// What a table holds: all its columns but the sink's own.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// In the order of `rows`; the rows are sorted by the first.
    pub(crate) columns: &'static [&'static str],
    /// Values behind each other, `-` for NULL.
    pub(crate) rows: Vec<&'static str>,
    /// For which sizes of batches this holds; all, if it does not say.
    pub(crate) batches: Option<&'static [usize]>,
}

/// A record that is refused, at its place.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// Such as `topic=cdc.public.orders partition=0 offset=17`.
    pub(crate) place: String,
    /// The same place as the error says it that stops a task.
    pub(crate) topic_and_offset: String,
    /// Parts of the reason: the field, and what helps.
    pub(crate) reason: &'static [&'static str],
}

impl Case {
    /// A connector that reads these records.
    pub(crate) fn new(name: &str, records: Vec<Record>) -> Self {
        Self { name: name.to_owned(), records, ..Self::default() }
    }

    /// More of `[source]`.
    pub(crate) fn source(self, source: &str) -> Self {
        Self { source: source.to_owned(), ..self }
    }

    /// More of `[sink.config]`.
    pub(crate) fn sink(self, sink: &str) -> Self {
        Self { sink: sink.to_owned(), ..self }
    }

    /// The host is restarted before this record.
    pub(crate) fn restarted_at(mut self, record: usize) -> Self {
        self.restarts.push(record);
        self
    }

    /// A table has these columns of the source, and these rows.
    pub(crate) fn table(
        mut self,
        name: &'static str,
        columns: &'static [&'static str],
        rows: &[&'static str],
    ) -> Self {
        self.tables.push(Table { name, columns, rows: rows.to_vec(), batches: None });
        self
    }

    /// The table that was named last looks so with batches of these sizes alone.
    pub(crate) fn in_batches_of(mut self, sizes: &'static [usize]) -> Self {
        self.tables.iter_mut().last().into_iter().for_each(|table| table.batches = Some(sizes));
        self
    }

    /// There is no such table.
    pub(crate) fn no_table(mut self, name: &'static str) -> Self {
        self.absent.push(name);
        self
    }

    /// A record of partition 0 is refused and left out, and the log says so.
    pub(crate) fn refused(mut self, topic: &str, offset: usize, reason: &'static [&'static str]) -> Self {
        let place = format!("topic={topic} partition=0 offset={offset}");
        let topic_and_offset = format!("{topic}-0 offset {offset}: ");
        self.refused.push(Refused { place, topic_and_offset, reason });
        if self.more.is_empty() {
            self.more = "[errors]\ntolerance = \"all\"\non_reject = \"drop\"\n".to_owned();
        }
        self
    }

    /// The log has a line at WARN with this part.
    pub(crate) fn warned(mut self, part: &'static str) -> Self {
        self.warnings.push(part);
        self
    }

    /// The log may have lines at WARN with this part.
    pub(crate) fn tolerated(mut self, part: &'static str) -> Self {
        self.tolerated.push(part);
        self
    }

    /// All warnings may come and need not: the run that has cause for them is killed, or begins behind it.
    pub(crate) fn perhaps_warned(mut self) -> Self {
        self.tolerated.append(&mut self.warnings);
        self
    }

    /// Where the log has a line at WARN with this part, the tables need not be right.
    pub(crate) fn or_warned(self, part: &'static str) -> Self {
        Self { or_warned: Some(part), ..self }
    }

    /// From this record on, nothing changes.
    pub(crate) fn unchanged_from(self, record: usize) -> Self {
        let case = self.restarted_at(record);
        Self { unchanged_from: Some(record), ..case }
    }

    /// The topics of its records, each with the number of its partitions.
    pub(crate) fn topics(&self) -> Vec<(&str, u32)> {
        let names: BTreeSet<&str> = self.records.iter().map(|record| record.topic.as_str()).collect();
        let partitions = |topic: &str| {
            let records = self.records.iter().filter(|record| record.topic == topic);
            records.map(|record| record.partition.unsigned_abs() + 1).max().unwrap_or(1)
        };
        names.into_iter().map(|topic| (topic, partitions(topic))).collect()
    }

    /// Where the part of the records ends that is read in the run that begins at record `from`, with batches of this
    /// size.
    pub(crate) fn end_of_run(&self, from: usize, batch: usize) -> usize {
        let restart = self.restarts.iter().copied().filter(|restart| *restart > from);
        let end = restart.chain([self.records.len(), from + batch]).min();
        end.unwrap_or(from).min(self.records.len())
    }
}
