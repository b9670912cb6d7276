//! Determines table and warehouse of an event.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tidegate_plugin::{Change, Record};

use super::key::Known;
use crate::{
    names::{NameError, Naming, Origin, deleted_table, truncates_table},
    options::{Mode, Settings},
};

/// Maps a table of the source to a table in the database.
#[derive(Debug)]
pub struct Route {
    /// The source's table.
    pub table: String,
    /// The table in the database.
    pub target: String,
    /// Configured key columns.
    pub(super) key_columns: Option<Arc<[String]>>,
    /// Columns that the connector does not write.
    pub unmanaged: Vec<String>,
    /// The key of the table's options, if it has some.
    pub options: Option<String>,
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
pub(super) struct Router {
    naming: Naming,
    tables: BTreeMap<String, RouteOptions>,
    warehouses: Warehouses,
    snapshot_warehouse: Option<usize>,
    keeps_history: bool,
    /// By topic, database, schema and table.
    routes: HashMap<String, Arc<Route>>,
    /// By the folded name of the target table: its source, and whether the connector file sets its name.
    owners: HashMap<String, (String, bool)>,
    scratch: String,
}

/// What the options of a table say about its route.
#[derive(Clone, Debug)]
struct RouteOptions {
    name: Option<String>,
    key_columns: Vec<String>,
    unmanaged_columns: Vec<String>,
    warehouse: Option<String>,
}

/// The warehouses by index; the first is the default.
///
/// A warehouse is what runs statements, in databases that have several of those. Others have one without a name.
#[derive(Clone, Debug)]
pub(crate) struct Warehouses(Vec<Option<String>>);

impl Warehouses {
    /// All warehouses of the configuration.
    pub(crate) fn of<T>(settings: &Settings<T>) -> Self {
        let mut all = vec![settings.warehouse.clone()];
        let tables = settings.tables.values().map(|table| &table.warehouse);
        for name in tables.chain([&settings.snapshot_warehouse]).filter(|name| name.is_some()) {
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
    pub(crate) fn order<T>(&self, settings: &Settings<T>) -> Vec<usize> {
        let first = settings.snapshot_warehouse.is_some().then(|| self.number(&settings.snapshot_warehouse));
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
    pub(super) fn new<T>(settings: &Settings<T>, naming: Naming, warehouses: Warehouses) -> Self {
        let snapshot_warehouse =
            settings.snapshot_warehouse.is_some().then(|| warehouses.number(&settings.snapshot_warehouse));
        let options = |(key, table): (&String, &crate::options::TableSettings<T>)| {
            let options = &table.options;
            let options = RouteOptions {
                name: options.name.clone(),
                key_columns: options.key_columns.clone(),
                unmanaged_columns: options.unmanaged_columns.clone(),
                warehouse: table.warehouse.clone(),
            };
            (key.clone(), options)
        };
        Self {
            naming,
            tables: settings.tables.iter().map(options).collect(),
            warehouses,
            snapshot_warehouse,
            keeps_history: settings.options.mode == Mode::History,
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

    /// The options of a table, and their key.
    fn options(&self, origin: Origin<'_>) -> Option<(&String, &RouteOptions)> {
        let qualified = format!("{}.{}", origin.schema, origin.table);
        let names = [origin.topic, &qualified, origin.table];
        names.iter().find_map(|name| self.tables.get_key_value(*name))
    }

    fn make(&mut self, origin: Origin<'_>) -> Result<Route, String> {
        let found = self.options(origin).map(|(key, options)| (key.clone(), options.clone()));
        let (key_of_options, options) = found.unzip();
        let name = options.as_ref().and_then(|options| options.name.clone());
        let is_named = name.is_some();
        let rules = *self.naming.rules();
        let named = name.map_or_else(|| self.naming.table(origin), |name| rules.table(name));
        let target = named.map_err(|error: NameError| error.to_string())?;
        let own = if self.keeps_history { truncates_table } else { deleted_table };
        rules.checked(own(&target, &self.naming)).map_err(|error| error.to_string())?;
        self.take(&target, origin, is_named)?;
        let mut key_columns: Vec<String> = Vec::new();
        for column in options.iter().flat_map(|options| &options.key_columns) {
            if !key_columns.contains(column) {
                key_columns.push(column.clone());
            }
        }
        let warehouse = options.as_ref().filter(|options| options.warehouse.is_some());
        let warehouse = warehouse.map_or(0, |options| self.warehouses.number(&options.warehouse));
        Ok(Route {
            table: origin.table.to_owned(),
            target,
            key_columns: (!key_columns.is_empty()).then(|| key_columns.into()),
            unmanaged: options.map(|options| options.unmanaged_columns).unwrap_or_default(),
            options: key_of_options,
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
        let name = self.naming.folded(target);
        match self.owners.get(&name) {
            Some((owner, owner_is_named)) if *owner != source && !(is_named && *owner_is_named) => {
                Err(format!(
                    "tables {owner} and {source} would both become {target:?}: distinguish them by a template such as \
                 table = \"{{schema}}_{{table}}\", or name both in [sink.config.tables] if they belong together"
                ))
            }
            Some(_) => Ok(()),
            None => {
                self.owners.insert(name, (source, is_named));
                Ok(())
            }
        }
    }
}
