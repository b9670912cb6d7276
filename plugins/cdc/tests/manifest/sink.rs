//! The sink: data files, and a manifest that is replaced to commit them with their offsets.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidegate_cdc::{
    names::{NameRules, Naming},
    options::{Options, Settings},
    plan::{Event, Planner, Step, TablePlan, Upserts},
    rows::{EncodedRows, JsonRows},
    statement::TableName,
    table::{Encoder, Extras, Requirements, Table, TableColumn},
};
use tidegate_plugin::{Claim, Partition, prelude::*};

use crate::kinds::Kind;

const NAMES: NameRules =
    NameRules { database: "the folder", max_characters: 100, max_bytes: usize::MAX, tells_case_apart: true };

/// What the tables consist of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Next offset and epoch, by `topic/partition`.
    offsets: BTreeMap<String, (Option<i64>, u64)>,
    pub(crate) tables: BTreeMap<String, Stored>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) columns: Vec<StoredColumn>,
    /// Names of its data files, in the order in which they apply.
    pub(crate) files: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    is_required: bool,
}

/// A data file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct DataFile {
    /// Names of the columns of `rows` and `copies`.
    pub(crate) columns: Vec<String>,
    /// Indexes of the key's columns.
    pub(crate) key: Vec<usize>,
    /// Indexes of the columns whose value some rows keep.
    pub(crate) kept: Vec<usize>,
    /// Rows that are copied to a new key, before the others.
    pub(crate) copies: Option<Box<DataFile>>,
    pub(crate) rows: Vec<Vec<Json>>,
    /// The position of a truncate.
    pub(crate) truncate: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Config {
    folder: PathBuf,
    /// Fails after the data files are written.
    #[serde(default)]
    crash_before_commit: bool,
    #[serde(flatten)]
    options: Options,
}

pub(crate) struct ManifestSink {
    folder: PathBuf,
    crash_before_commit: bool,
    planner: Planner,
    requirements: Requirements<Kind>,
}

/// Records that cannot be written: index and reason.
type Rejected = Vec<(u32, String)>;

impl Manifest {
    /// The current manifest of a folder; empty if there is none yet.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        match fs::read(folder.join("manifest.json")) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::retriable(error)),
        }
    }

    /// Replaces the manifest: all at once, or not at all.
    fn commit(&self, folder: &Path) -> Result<()> {
        let next = folder.join("manifest.json.next");
        fs::write(&next, serde_json::to_vec(self)?)
            .and_then(|()| fs::rename(&next, folder.join("manifest.json")))
            .map_err(Error::retriable)
    }

    fn holds(&self, record: Record<'_>) -> bool {
        let place = self.offsets.get(&place(record.source_topic(), record.source_partition()));
        place.and_then(|(next, _)| *next).is_some_and(|next| record.offset() < next)
    }

    fn table(&self, name: &str) -> Table<Kind> {
        let column = |stored: &StoredColumn| {
            let mut column = TableColumn::new(stored.name.clone(), stored.kind);
            column.is_required = stored.is_required;
            column
        };
        let columns = self.tables.get(name).map(|stored| stored.columns.iter().map(column).collect());
        Table { name: TableName::new(name, name), columns: columns.unwrap_or_default() }
    }
}

impl Sink for ManifestSink {
    type Config = Config;

    const STORES_OFFSETS: bool = true;

    fn open(config: Config, _: &Context) -> Result<Self> {
        let Config { folder, crash_before_commit, options } = config;
        let naming = Naming::new(&options.table, options.identifiers, NAMES)?;
        let settings = Settings {
            options,
            tables: BTreeMap::new(),
            warehouse: None,
            snapshot_warehouse: None,
            max_statement_bytes: usize::MAX,
            max_value_bytes: usize::MAX,
            stored_rows: None,
        };
        let planner = Planner::new(&settings, naming.clone());
        Ok(Self { folder, crash_before_commit, planner, requirements: Requirements::new(&settings, naming) })
    }

    fn claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>> {
        let mut manifest = Manifest::read(&self.folder)?;
        let claims = partitions.iter().map(|partition| {
            let stored = manifest.offsets.entry(place(partition.topic, partition.partition)).or_default();
            stored.1 += 1;
            Claim { next_offset: stored.0, epoch: stored.1, ..Claim::default() }
        });
        let claims = claims.collect();
        manifest.commit(&self.folder)?;
        Ok(claims)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        let mut manifest = Manifest::read(&self.folder)?;
        let moved = self.planner.moved_keys(batch);
        let plan = self.planner.plan(batch, &moved, |_, _, record| manifest.holds(record));
        let mut rejected = plan.rejected;
        for (name, table) in plan.by_warehouse.values().flatten() {
            rejected.extend(self.write_table(&mut manifest, name, table)?);
        }
        let mut report = Report::written();
        if !rejected.is_empty() {
            rejected.into_iter().for_each(|(record, reason)| report.reject(record, reason));
            return Ok(report);
        }
        for at in batch.positions() {
            let stored = manifest.offsets.entry(place(at.topic, at.partition)).or_default();
            if stored.1 != at.epoch {
                let (topic, partition) = (at.topic, at.partition);
                return Err(Error::fenced(format_args!("{topic}/{partition} was claimed by another task")));
            }
            stored.0 = stored.0.max(Some(at.next_offset));
        }
        if self.crash_before_commit {
            return Err(Error::retriable("the sink ends before it commits"));
        }
        manifest.commit(&self.folder)?;
        Ok(report)
    }
}

impl ManifestSink {
    /// Writes the data files of a table, and adds them and new columns to the manifest.
    fn write_table(&self, manifest: &mut Manifest, name: &str, plan: &TablePlan<'_>) -> Result<Rejected> {
        let changes = self.requirements.changes(&manifest.table(name), plan).map_err(Error::fatal)?;
        if !changes.rejected.is_empty() {
            return Ok(changes.rejected);
        }
        let column = |column: &TableColumn<Kind>| StoredColumn {
            name: column.name.clone(),
            kind: column.kind,
            is_required: column.is_required,
        };
        let stored = manifest.tables.entry(name.to_owned()).or_default();
        stored.columns = changes.table.columns.iter().map(column).collect();
        for step in &plan.steps {
            let written = match step {
                Step::Upsert(rows) => self.upserts(&changes.table, plan, rows),
                Step::Append(events) => self.events(&changes.table, plan, events),
                Step::Truncate(event) => {
                    Ok(DataFile { truncate: Some(event.position.to_string()), ..DataFile::default() })
                }
                Step::Versions(_) => return Err(Error::fatal("there are no histories in this test")),
            };
            let file = match written {
                Ok(file) => file,
                Err(rejected) => return Ok(rejected),
            };
            let path = format!("{name}-{}.json", stored.files.len());
            fs::write(self.folder.join(&path), serde_json::to_vec(&file)?).map_err(Error::retriable)?;
            stored.files.push(path);
        }
        Ok(Rejected::new())
    }

    /// The rows of keys.
    fn upserts(
        &self,
        table: &Table<Kind>,
        plan: &TablePlan<'_>,
        rows: &Upserts<'_>,
    ) -> Result<DataFile, Rejected> {
        let (columns, unmanaged) = (self.requirements.columns(), &plan.route.unmanaged);
        let extras = Extras { key_text: true, all_columns: true, ..Extras::default() };
        let new_encoder = || {
            Encoder::<Kind, JsonRows>::new(table, columns, rows.key(), unmanaged, extras)
                .map_err(|reason| vec![(0, reason)])
        };
        let (mut copying, mut copies) = (new_encoder()?, EncodedRows::default());
        let moving = || rows.rows().iter().filter(|row| !row.needed_origins().is_empty());
        for row in moving().filter(|row| row.is_moved_row()) {
            copying.prepare_row(row.row()).map_err(|reason| of(&row.last, reason))?;
        }
        for row in moving() {
            copying.copied(&mut copies, row).map_err(|reason| of(&row.last, reason))?;
        }
        let (mut encoder, mut encoded) = (new_encoder()?, EncodedRows::default());
        let written = || rows.rows().iter().filter(|row| !row.is_only_copied());
        for row in written() {
            encoder.prepare_row(row.row()).map_err(|reason| of(&row.last, reason))?;
        }
        for row in written() {
            encoder.folded(&mut encoded, row).map_err(|reason| of(&row.last, reason))?;
        }
        let copies = (!copies.is_empty()).then(|| Box::new(data_file(&copying, &copies)));
        Ok(DataFile { copies, ..data_file(&encoder, &encoded) })
    }

    /// Rows without a key.
    fn events(
        &self,
        table: &Table<Kind>,
        plan: &TablePlan<'_>,
        events: &[Event<'_>],
    ) -> Result<DataFile, Rejected> {
        let columns = self.requirements.columns();
        let mut encoder =
            Encoder::<Kind, JsonRows>::new(table, columns, &[], &plan.route.unmanaged, Extras::default())
                .map_err(|reason| vec![(0, reason)])?;
        for event in events {
            encoder.prepare_row(event.row()).map_err(|reason| of(event, reason))?;
        }
        let mut encoded = EncodedRows::default();
        for event in events {
            encoder.event(&mut encoded, event).map_err(|reason| of(event, reason))?;
        }
        Ok(data_file(&encoder, &encoded))
    }
}

fn data_file(encoder: &Encoder<'_, Kind, JsonRows>, rows: &EncodedRows<JsonRows>) -> DataFile {
    let written = encoder.written();
    DataFile {
        columns: written.columns.into_iter().map(|column| column.name).collect(),
        key: written.key,
        kept: written.kept,
        rows: serde_json::from_str(&rows.payload(0..rows.len())).expect("rows as JSON"),
        ..DataFile::default()
    }
}

fn of(event: &Event<'_>, reason: String) -> Rejected {
    vec![(event.record.index(), reason)]
}

fn place(topic: &str, partition: i32) -> String {
    format!("{topic}/{partition}")
}
