//! Determines table and warehouse of an event.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tidegate_plugin::{Change, Record};

use super::key::Known;
use crate::{
    config::{Config, TableOptions},
    names::{NameError, Naming, Origin, checked, checked_table, deleted_table},
    types::ColumnType,
};

/// Maps a table of the source to a table in Snowflake.
#[derive(Debug)]
pub(crate) struct Route {
    /// The source's table.
    pub(crate) table: String,
    /// The table in Snowflake.
    pub(crate) target: String,
    /// Configured key columns.
    pub(super) key_columns: Option<Arc<[String]>>,
    /// Columns that the connector does not write.
    pub(crate) unmanaged: Vec<String>,
    /// Declared types, by column of the source.
    pub(crate) declared: BTreeMap<String, ColumnType>,
    /// What is known about the key from events.
    pub(super) key: Known,
    warehouse: usize,
    snapshot_warehouse: usize,
}

impl Route {
    /// The warehouse that writes an event.
    pub(super) fn warehouse_of(&self, change: &Change<'_>) -> usize {
        // "last" is the last event of a snapshot; "false" means that the event does not belong to one.
        let is_snapshot = !matches!(change.snapshot(), "" | "false");
        if is_snapshot { self.snapshot_warehouse } else { self.warehouse }
    }
}

/// Finds and caches routes.
#[derive(Debug)]
pub(crate) struct Router {
    naming: Naming,
    tables: BTreeMap<String, TableOptions>,
    warehouses: Warehouses,
    snapshot_warehouse: Option<usize>,
    /// By topic, database, schema and table.
    routes: HashMap<String, Arc<Route>>,
    /// The source of each target table, and whether the connector file sets its name.
    owners: HashMap<String, (String, bool)>,
    scratch: String,
}

/// The warehouses by index; the first is the default.
#[derive(Clone, Debug)]
pub(crate) struct Warehouses(Vec<Option<String>>);

impl Warehouses {
    /// All warehouses of the configuration.
    pub(crate) fn of(config: &Config) -> Self {
        let mut all = vec![config.warehouse.clone()];
        let tables = config.tables.values().map(|table| &table.warehouse);
        for name in tables.chain([&config.snapshot_warehouse]).filter(|name| name.is_some()) {
            if !all.contains(name) {
                all.push(name.clone());
            }
        }
        Self(all)
    }

    fn number(&self, name: &Option<String>) -> usize {
        self.0.iter().position(|known| known == name).unwrap_or(0)
    }

    /// The order in which warehouses write: the snapshot warehouse first, because snapshots precede other events.
    pub(crate) fn order(&self, config: &Config) -> Vec<usize> {
        let first = config.snapshot_warehouse.is_some().then(|| self.number(&config.snapshot_warehouse));
        let others = (0..self.0.len()).filter(|number| Some(*number) != first);
        first.into_iter().chain(others).collect()
    }

    /// The names, by index.
    pub(crate) fn names(&self) -> &[Option<String>] {
        &self.0
    }
}

impl Router {
    /// A router for a configuration.
    pub(crate) fn new(config: &Config, naming: Naming, warehouses: Warehouses) -> Self {
        let snapshot_warehouse =
            config.snapshot_warehouse.is_some().then(|| warehouses.number(&config.snapshot_warehouse));
        Self {
            naming,
            tables: config.tables.clone(),
            warehouses,
            snapshot_warehouse,
            routes: HashMap::new(),
            owners: HashMap::new(),
            scratch: String::new(),
        }
    }

    /// The route of an event.
    ///
    /// # Errors
    /// If the table name is invalid or reserved for the sink's own tables, or another table of the source has the same target.
    pub(super) fn route(&mut self, record: Record<'_>, change: &Change<'_>) -> Result<Arc<Route>, String> {
        let topic = record.topic();
        let table = match change.table() {
            "" => topic.rsplit('.').next().unwrap_or(topic),
            table => table,
        };
        let origin = Origin { database: change.database(), schema: change.schema(), table, topic };
        self.scratch.clear();
        for part in [origin.topic, origin.database, origin.schema, origin.table] {
            self.scratch.push_str(part);
            self.scratch.push('\0');
        }
        if let Some(route) = self.routes.get(&self.scratch) {
            return Ok(Arc::clone(route));
        }
        // Rejected names are not remembered: there may be any number of them.
        let route = Arc::new(self.make(origin)?);
        self.routes.insert(self.scratch.clone(), Arc::clone(&route));
        Ok(route)
    }

    fn options(&self, origin: Origin<'_>) -> TableOptions {
        let qualified = format!("{}.{}", origin.schema, origin.table);
        let names = [origin.topic, &qualified, origin.table];
        names.iter().find_map(|name| self.tables.get(*name)).cloned().unwrap_or_default()
    }

    fn make(&mut self, origin: Origin<'_>) -> Result<Route, String> {
        let options = self.options(origin);
        let is_named = options.name.is_some();
        let named = options.name.map(checked_table).unwrap_or_else(|| self.naming.table(origin));
        let target = named.map_err(|error: NameError| error.to_string())?;
        checked(deleted_table(&target, &self.naming)).map_err(|error| error.to_string())?;
        self.take(&target, origin, is_named)?;
        let mut key_columns: Vec<String> = Vec::new();
        for column in options.key_columns {
            if !key_columns.contains(&column) {
                key_columns.push(column);
            }
        }
        let warehouse = options.warehouse.map_or(0, |name| self.warehouses.number(&Some(name)));
        Ok(Route {
            table: origin.table.to_owned(),
            target,
            key_columns: (!key_columns.is_empty()).then(|| key_columns.into()),
            unmanaged: options.unmanaged_columns,
            declared: options.columns,
            key: Known::default(),
            warehouse,
            snapshot_warehouse: self.snapshot_warehouse.unwrap_or(warehouse),
        })
    }

    /// Two tables of the source must not share a target table, unless the configuration sets this name for both.
    fn take(&mut self, target: &str, origin: Origin<'_>, is_named: bool) -> Result<(), String> {
        // Different servers may have tables with the same name, so compare their topics.
        let table = [origin.database, origin.schema, origin.table].join(".");
        let source = format!("{table} of topic {}", origin.topic);
        match self.owners.get(target) {
            Some((owner, owner_is_named)) if *owner != source && !(is_named && *owner_is_named) => {
                Err(format!(
                    "tables {owner} and {source} would both become {target:?}: distinguish them by a template such as \
                 table = \"{{schema}}_{{table}}\", or name both in [sink.config.tables] if they belong together"
                ))
            }
            Some(_) => Ok(()),
            None => {
                self.owners.insert(target.to_owned(), (source, is_named));
                Ok(())
            }
        }
    }
}
