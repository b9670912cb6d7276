//! Cached table definitions, and changes of tables.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tidegate_plugin::{Error, prelude::info};

use super::{
    alter::Altering,
    failure::{FlushError, is_lost_race},
    statements::Values,
    time_text,
    transaction::Runner,
};
use crate::{
    dialect::Dialect,
    names::{Naming, deleted_table, truncates_table},
    options::{DeleteMode, Evolution, Mode, Settings},
    plan::{Step, TablePlan},
    session::{Cause, Session},
    statement::{Query, TableName},
    table::{Changes, Columns, Requirements, Table},
};

/// Maximum number of reloads of a table because of concurrent changes.
const ROUNDS: usize = 8;

/// Interval for purging old deleted keys.
const PURGE_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Cached tables. The lanes of a flush use it at the same time, on one thread.
pub(crate) struct Catalog<D: Dialect> {
    dialect: D,
    requirements: Requirements<D::Type>,
    mode: Mode,
    delete_mode: DeleteMode,
    evolution: Evolution,
    comment: String,
    tables: RefCell<HashMap<String, Arc<Table<D::Type>>>>,
    /// The columns that tables had before the batch changed them.
    before: RefCell<HashMap<String, BTreeSet<String>>>,
    /// Names of the tables in the schema; `None` if they were not listed yet.
    listed: RefCell<Option<HashSet<String>>>,
    deleted_retention: Duration,
    /// Tables whose table of deleted keys exists, and the time of the last purge.
    remembering: RefCell<HashMap<String, Instant>>,
}

impl<D: Dialect> Catalog<D> {
    /// Creates an empty catalog. `comment` is that of new tables.
    pub(crate) fn new(dialect: D, settings: &Settings<D::Type>, naming: Naming, comment: String) -> Self {
        let options = &settings.options;
        Self {
            dialect,
            requirements: Requirements::new(settings, naming),
            mode: options.mode,
            delete_mode: options.delete_mode,
            evolution: options.schema_evolution,
            comment,
            tables: RefCell::default(),
            before: RefCell::default(),
            listed: RefCell::default(),
            deleted_retention: *options.deleted_retention,
            remembering: RefCell::default(),
        }
    }

    /// How statements are written.
    pub(crate) fn dialect(&self) -> &D {
        &self.dialect
    }

    /// Naming of columns.
    pub(crate) fn columns(&self) -> &Columns {
        self.requirements.columns()
    }

    /// The full name of a table.
    pub(crate) fn name(&self, table: &str) -> TableName {
        self.dialect.table(table)
    }

    /// Name of the table of deleted keys of a table, or of its table of truncates in history mode.
    pub(crate) fn deleted(&self, table: &str) -> TableName {
        self.name(&match self.mode {
            Mode::History => truncates_table(table, &self.columns().naming),
            _ => deleted_table(table, &self.columns().naming),
        })
    }

    /// Whether rows are compared with stored deletes, or versions with stored truncates.
    fn stores_deletes(&self) -> bool {
        match self.mode {
            Mode::Upsert => self.delete_mode == DeleteMode::Hard,
            Mode::Append => false,
            Mode::History => true,
        }
    }

    /// A cached table.
    pub(crate) fn get(&self, table: &str) -> Option<Arc<Table<D::Type>>> {
        self.tables.borrow().get(table).cloned()
    }

    /// Name of the table of deleted keys of a table if rows have to be compared with it; `None` if it does not exist, because
    /// no row of the table was deleted yet.
    pub(crate) fn deleted_if_exists(&self, table: &str) -> Option<TableName> {
        self.remembering.borrow().contains_key(table).then(|| self.deleted(table))
    }

    /// Begins a batch. Columns that are added for it stay new if it is written again after an error: its older events do not have them,
    /// and lose nothing.
    pub(crate) fn begin_batch(&self) {
        self.before.borrow_mut().clear();
    }

    /// Clears the cached definitions, so that changes by others are detected.
    pub(crate) fn forget(&self) {
        self.tables.borrow_mut().clear();
        self.listed.take();
    }

    /// As [`Catalog::forget`], and checks the tables of deleted keys again.
    pub(crate) fn forget_all(&self) {
        self.forget();
        self.remembering.borrow_mut().clear();
    }

    /// Lists the tables of the schema, with one query, and returns their names, as [`Dialect::same_table`] writes them.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn list(
        &self,
        runner: &mut Runner<'_, impl Session>,
    ) -> Result<HashSet<String>, FlushError> {
        let answer = runner.query(None, &self.dialect.list_tables()).await?;
        let names = answer.rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
        let names: HashSet<String> = names.map(|name| self.dialect.same_table(&name)).collect();
        self.listed.replace(Some(names.clone()));
        Ok(names)
    }

    /// Notes that other tasks have created tables, so that [`Catalog::list`] is called again before they are written.
    pub(crate) fn forget_listed(&self, targets: &[String]) {
        self.listed.take();
        let mut tables = self.tables.borrow_mut();
        targets.iter().for_each(|target| drop(tables.remove(target)));
    }

    /// Whether a transaction that writes rows by key to a table has to check that there is still no table of deleted keys.
    pub(crate) fn is_unguarded(&self, plan: &TablePlan<'_>) -> bool {
        let has_keys = plan.steps.iter().any(|step| matches!(step, Step::Upsert(_) | Step::Versions(_)));
        self.stores_deletes() && has_keys && !self.remembering.borrow().contains_key(&plan.route.target)
    }

    /// The query of [`Catalog::list`].
    pub(crate) fn listing(&self) -> Query {
        self.dialect.list_tables()
    }

    /// Whether [`Catalog::list`] should be called before tables with these names are written.
    pub(crate) fn should_list<'t>(&self, mut targets: impl Iterator<Item = &'t String>) -> bool {
        self.listed.borrow().is_none() && targets.any(|target| !self.tables.borrow().contains_key(target))
    }

    /// Whether a table exists, as far as known.
    fn is_listed(&self, table: &str) -> Option<bool> {
        self.listed.borrow().as_ref().map(|listed| listed.contains(&self.dialect.same_table(table)))
    }

    fn note_listed(&self, table: &str) {
        if let Some(listed) = self.listed.borrow_mut().as_mut() {
            listed.insert(self.dialect.same_table(table));
        }
    }

    /// Creates the sink's own tables if necessary. `tables` are their names and the statements that create them.
    ///
    /// # Errors
    /// If one cannot be created. With `schema_evolution = "off"`, the error contains the statements to run.
    pub(crate) async fn require(
        &self,
        runner: &mut Runner<'_, impl Session>,
        tables: &[(TableName, String)],
    ) -> Result<(), FlushError> {
        let mut missing: Vec<&(TableName, String)> = Vec::new();
        for table in tables.iter().filter(|(name, _)| self.is_listed(&name.table) != Some(true)) {
            let (name, create) = table;
            if self.evolution == Evolution::Off {
                missing.extend((!self.is_shown(runner, name).await?).then_some(table));
                continue;
            }
            match runner.run("CREATE TABLE", Some(&name.to_string()), create, &[]).await {
                // Another task has created it at the same time, which IF NOT EXISTS does not prevent in every database.
                Err(error) if error.cause == Cause::Exists => {}
                created => drop(created?),
            }
            self.note_listed(&name.table);
        }
        let Some((first, _)) = missing.first() else { return Ok(()) };
        let statements: Vec<&str> = missing.iter().map(|(_, create)| create.as_str()).collect();
        Err(FlushError::Plugin(Error::fatal(format_args!(
            "{first} does not exist, and schema_evolution = \"off\": run `{};`",
            statements.join("; ")
        ))))
    }

    async fn is_shown(
        &self,
        runner: &mut Runner<'_, impl Session>,
        name: &TableName,
    ) -> Result<bool, FlushError> {
        match runner.query(Some(&name.to_string()), &self.dialect.describe(name)).await {
            Ok(answer) => Ok(!answer.rows.is_empty()),
            Err(error) if error.cause == Cause::UnknownObject => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates or alters a table as required by the plan. Returns records that cannot be written.
    ///
    /// # Errors
    /// If the table cannot be changed.
    pub(crate) async fn fit(
        &self,
        runner: &mut Runner<'_, impl Session>,
        plan: &TablePlan<'_>,
    ) -> Result<Vec<(u32, String)>, FlushError> {
        let target = &*plan.route.target;
        let mut known: Option<BTreeSet<String>> = self.before.borrow().get(target).cloned();
        for _ in 0..ROUNDS {
            let cached = self.get(target);
            let mut table = match cached {
                Some(table) => table,
                None => Arc::new(self.load(runner, target).await?),
            };
            if self.mode == Mode::History && !table.exists() && has_only_truncates(plan) {
                // It has no key yet. A task that creates it from here on finds the stored truncate.
                self.remember_deleted(runner, plan).await?;
                table = Arc::new(self.describe(runner, target).await?);
                if !table.exists() {
                    self.tables.borrow_mut().insert(target.to_owned(), table);
                    return Ok(Vec::new());
                }
            }
            let is_new = |name: &String| known.as_ref().is_some_and(|known| !known.contains(name));
            if table.columns.iter().any(|column| column.is_new != is_new(&column.name)) {
                let columns = Arc::make_mut(&mut table).columns.iter_mut();
                columns.for_each(|column| column.is_new = is_new(&column.name));
            }
            self.tables.borrow_mut().insert(target.to_owned(), Arc::clone(&table));
            let changes = self.requirements.changes(&table, plan).map_err(unwritable)?;
            if !changes.rejected.is_empty() {
                return Ok(changes.rejected);
            }
            if table.exists() && changes.is_empty() {
                if plan.steps.iter().any(|step| !matches!(step, Step::Append(_))) {
                    self.remember_deleted(runner, plan).await?;
                }
                return Ok(Vec::new());
            }
            if known.is_none() {
                let columns: BTreeSet<String> =
                    table.columns.iter().map(|column| column.name.clone()).collect();
                self.before.borrow_mut().insert(target.to_owned(), columns.clone());
                known = Some(columns);
            }
            self.apply(runner, target, &table, changes).await?;
        }
        Err(FlushError::Plugin(Error::retriable(format_args!(
            "{} is changed concurrently by other clients, and changes again after every reload",
            self.name(target)
        ))))
    }

    async fn load(
        &self,
        runner: &mut Runner<'_, impl Session>,
        target: &str,
    ) -> Result<Table<D::Type>, FlushError> {
        if self.is_listed(target) == Some(false) {
            return Ok(Table::missing(self.name(target)));
        }
        self.describe(runner, target).await
    }

    async fn describe(
        &self,
        runner: &mut Runner<'_, impl Session>,
        target: &str,
    ) -> Result<Table<D::Type>, FlushError> {
        let name = self.name(target);
        let label = name.to_string();
        match runner.query(Some(&label), &self.dialect.describe(&name)).await {
            Ok(answer) => match self.dialect.columns(&answer) {
                Ok(columns) => Ok(Table { name, columns }),
                Err(reason) => Err(FlushError::Plugin(Error::fatal(format_args!(
                    "the columns of {label} cannot be read: {reason}"
                )))),
            },
            Err(error) if error.cause == Cause::UnknownObject => Ok(Table::missing(name)),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs the statements for changes of `table`.
    async fn apply(
        &self,
        runner: &mut Runner<'_, impl Session>,
        target: &str,
        table: &Table<D::Type>,
        changes: Changes<D::Type>,
    ) -> Result<(), FlushError> {
        let altering =
            Altering { dialect: &self.dialect, columns: self.columns(), comment: self.comment.as_str() };
        let statements = altering.statements(table, &changes).map_err(unwritable)?;
        let label = table.name.to_string();
        if self.evolution == Evolution::Off {
            let texts: Vec<&str> = statements.iter().map(|(_, text)| text.as_str()).collect();
            return Err(FlushError::Plugin(Error::fatal(format_args!(
                "{label} does not match the records, and schema_evolution = \"off\": run `{};`",
                texts.join("; ")
            ))));
        }
        // Another task may have changed the table, so reload it.
        self.tables.borrow_mut().remove(target);
        for (kind, text) in &statements {
            let ran = runner.run(kind, Some(&label), text, &[]).await;
            match ran {
                Ok(_) if runner.is_dry => {}
                Ok(_) => info!(table = %label, "{}", describe_change(kind, text)),
                Err(error) if is_lost_race(&error) => {
                    self.note_listed(target);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        // CREATE TABLE fails if the table exists, so the definition of a table that it has created is known.
        if runner.is_dry || !table.exists() {
            self.note_listed(target);
            self.tables.borrow_mut().insert(target.to_owned(), Arc::new(changes.table));
        }
        Ok(())
    }

    /// Creates the table of deleted keys if it is needed, once, and purges old keys, once a day.
    ///
    /// It is created with the first delete, because most tables of many never get one. Until then, a transaction that writes
    /// to the table checks that no other task has created it: see `Runner::transaction`.
    async fn remember_deleted(
        &self,
        runner: &mut Runner<'_, impl Session>,
        plan: &TablePlan<'_>,
    ) -> Result<(), FlushError> {
        let target = &*plan.route.target;
        let purged = self.remembering.borrow().get(target).copied();
        if !self.stores_deletes() || purged.is_some_and(|purged| purged.elapsed() < PURGE_INTERVAL) {
            return Ok(());
        }
        let name = self.deleted(target);
        let exists = purged.is_some() || self.is_listed(&name.table).unwrap_or_default();
        if !exists {
            let is_needed = self.evolution == Evolution::Off || plan.has_deletes();
            if !is_needed {
                return Ok(());
            }
            let meta = &self.columns().meta;
            let create = match self.dialect.history().filter(|_| self.mode == Mode::History) {
                Some(history) => history.create_truncates(&name, meta),
                None => self.dialect.create_deleted_keys(&name, meta),
            };
            self.require(runner, &[(name.clone(), create)]).await?;
        }
        if (exists || self.evolution == Evolution::Off) && self.mode != Mode::History {
            let now = SystemTime::now();
            let kept_since = now.checked_sub(self.deleted_retention).unwrap_or(SystemTime::UNIX_EPOCH);
            let call = self.dialect.purge_deletes(&name, &self.columns().meta);
            let values = Values { time: time_text(kept_since).into(), ..Values::default() };
            runner.call(&call, Some(&name.to_string()), &values, "").await?;
        }
        self.remembering.borrow_mut().insert(target.to_owned(), Instant::now());
        Ok(())
    }
}

/// The error of a table that nothing can be written to: no record is to blame.
fn unwritable(reason: String) -> FlushError {
    FlushError::Plugin(Error::fatal(reason))
}

fn has_only_truncates(plan: &TablePlan<'_>) -> bool {
    plan.steps.iter().all(|step| matches!(step, Step::Truncate(_)))
}

/// Describes a change of a table for the log. Column definitions contain no data.
fn describe_change(kind: &str, text: &str) -> String {
    match kind {
        "CREATE TABLE" => "Table created".to_owned(),
        _ => {
            let change =
                text.find(" ADD ").or_else(|| text.find(" ALTER COLUMN ")).and_then(|at| text.get(at..));
            format!("Table altered:{}", change.unwrap_or_default())
        }
    }
}
