//! Cached table definitions, and changes of tables.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant, SystemTime},
};

use tidegate_plugin::{Error, prelude::info};

use super::{
    failure::{FlushError, is_lost_race, is_unknown_object},
    time_text,
    transaction::Runner,
};
use crate::{
    config::{DeleteMode, Evolution, Mode},
    names::deleted_table,
    plan::{Route, Step, TablePlan},
    sql::{self, TableName},
    table::{Changes, Columns, Evolving, Table},
};

/// Maximum number of reloads of a table because of concurrent changes.
const ROUNDS: usize = 8;

/// Interval for purging old deleted keys.
const PURGE_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Cached tables.
pub(crate) struct Catalog {
    database: String,
    schema: String,
    columns: Columns,
    mode: Mode,
    delete_mode: DeleteMode,
    evolution: Evolution,
    comment: String,
    tables: HashMap<String, Table>,
    deleted_retention: Duration,
    /// Tables with an existing table of deleted keys, and the time of the last purge.
    remembering: HashMap<String, Instant>,
}

/// Options of the catalog.
pub(crate) struct CatalogOptions {
    pub(crate) database: String,
    pub(crate) schema: String,
    /// Naming of columns.
    pub(crate) columns: Columns,
    /// Content of the tables.
    pub(crate) mode: Mode,
    pub(crate) delete_mode: DeleteMode,
    /// How long deleted keys are kept.
    pub(crate) deleted_retention: Duration,
    /// Whether to create and alter tables.
    pub(crate) evolution: Evolution,
    /// Comment of new tables.
    pub(crate) comment: String,
}

impl Catalog {
    /// Creates an empty catalog.
    pub(crate) fn new(options: CatalogOptions) -> Self {
        let CatalogOptions {
            database,
            schema,
            columns,
            mode,
            delete_mode,
            deleted_retention,
            evolution,
            comment,
        } = options;
        let (tables, remembering) = (HashMap::new(), HashMap::new());
        Self {
            database,
            schema,
            columns,
            mode,
            delete_mode,
            evolution,
            comment,
            tables,
            deleted_retention,
            remembering,
        }
    }

    /// Naming of columns.
    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The full name of a table.
    pub(crate) fn name(&self, table: &str) -> TableName {
        let (database, schema) = (self.database.clone(), self.schema.clone());
        TableName { database, schema, table: table.to_owned() }
    }

    /// Name of the table of deleted keys of a table.
    pub(crate) fn deleted(&self, table: &str) -> TableName {
        self.name(&deleted_table(table, &self.columns.naming))
    }

    /// A cached table.
    pub(crate) fn get(&self, table: &str) -> Option<&Table> {
        self.tables.get(table)
    }

    /// Clears the cached definitions, so that changes by others are detected.
    pub(crate) fn forget(&mut self) {
        self.tables.clear();
    }

    /// As [`Catalog::forget`], and checks the tables of deleted keys again.
    pub(crate) fn forget_all(&mut self) {
        self.forget();
        self.remembering.clear();
    }

    /// Creates one of the sink's own tables if necessary.
    ///
    /// # Errors
    /// If it cannot be created. With `schema_evolution = "off"`, the error contains the statement to run.
    pub(crate) async fn require(
        &self,
        runner: &mut Runner<'_>,
        name: &TableName,
        create: &str,
    ) -> Result<(), FlushError> {
        let label = name.to_string();
        if self.evolution == Evolution::On {
            runner.run("CREATE TABLE", Some(&label), create, &[]).await?;
            return Ok(());
        }
        match runner.run("SHOW COLUMNS", Some(&label), &sql::show_columns(name), &[]).await {
            Ok(answer) if !answer.rows.is_empty() => Ok(()),
            Err(error) if !is_unknown_object(&error) => Err(error.into()),
            _ => Err(FlushError::Plugin(Error::fatal(format_args!(
                "{label} does not exist, and schema_evolution = \"off\": run `{create};`"
            )))),
        }
    }

    /// Creates or alters a table as required by the plan. Returns records that cannot be written.
    ///
    /// # Errors
    /// If the table cannot be changed.
    pub(crate) async fn fit(
        &mut self,
        runner: &mut Runner<'_>,
        plan: &TablePlan<'_>,
    ) -> Result<Vec<(u32, String)>, FlushError> {
        let target = &*plan.route.target;
        let mut known: Option<BTreeSet<String>> = None;
        for _ in 0..ROUNDS {
            if !self.tables.contains_key(target) {
                let table = self.load(runner, target).await?;
                self.tables.insert(target.to_owned(), table);
            }
            if let Some(table) = self.tables.get_mut(target) {
                let is_new = |name: &String| known.as_ref().is_some_and(|known| !known.contains(name));
                table.columns.iter_mut().for_each(|column| column.is_new = is_new(&column.name));
            }
            let Some(table) = self.tables.get(target) else { break };
            let changes = self.changes(table, plan)?;
            if !changes.rejected.is_empty() {
                return Ok(changes.rejected);
            }
            if changes.statements.is_empty() {
                if plan.steps.iter().any(|step| !matches!(step, Step::Append(_))) {
                    self.remember_deleted(runner, target).await?;
                }
                return Ok(Vec::new());
            }
            known.get_or_insert_with(|| table.columns.iter().map(|column| column.name.clone()).collect());
            self.apply(runner, target, changes).await?;
        }
        Err(FlushError::Plugin(Error::retriable(format_args!(
            "{} is changed concurrently by other clients, and changes again after every reload",
            self.name(target)
        ))))
    }

    fn changes(&self, table: &Table, plan: &TablePlan<'_>) -> Result<Changes, FlushError> {
        let Route { unmanaged, declared, table: source, .. } = &*plan.route;
        let (columns, comment) = (&self.columns, self.comment.as_str());
        let evolving = Evolving { columns, unmanaged, declared, source, comment };
        let changes = evolving.changes(table, &plan.steps, self.mode == Mode::Append);
        changes.map_err(|reason| FlushError::Plugin(Error::fatal(reason)))
    }

    async fn load(&self, runner: &mut Runner<'_>, target: &str) -> Result<Table, FlushError> {
        let name = self.name(target);
        let label = name.to_string();
        match runner.run("SHOW COLUMNS", Some(&label), &sql::show_columns(&name), &[]).await {
            Ok(answer) => {
                Table::from_show(name, &answer).map_err(|error| FlushError::Plugin(Error::fatal(error)))
            }
            Err(error) if is_unknown_object(&error) => Ok(Table::missing(name)),
            Err(error) => Err(error.into()),
        }
    }

    async fn apply(
        &mut self,
        runner: &mut Runner<'_>,
        target: &str,
        changes: Changes,
    ) -> Result<(), FlushError> {
        let label = self.name(target).to_string();
        if self.evolution == Evolution::Off {
            let texts: Vec<&str> = changes.statements.iter().map(|(_, text)| text.as_str()).collect();
            return Err(FlushError::Plugin(Error::fatal(format_args!(
                "{label} does not match the records, and schema_evolution = \"off\": run `{};`",
                texts.join("; ")
            ))));
        }
        // Another task may have changed the table, so reload it.
        self.tables.remove(target);
        for (kind, text) in &changes.statements {
            let ran = runner.run(kind, Some(&label), text, &[]).await;
            match ran {
                Ok(_) if runner.is_dry => {}
                Ok(_) => info!(table = %label, "{}", describe_change(kind, text)),
                Err(error) if is_lost_race(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        if runner.is_dry
            && let Some(table) = changes.table
        {
            self.tables.insert(target.to_owned(), table);
        }
        Ok(())
    }

    /// Creates the table of deleted keys, once, and purges old keys, once a day.
    async fn remember_deleted(&mut self, runner: &mut Runner<'_>, target: &str) -> Result<(), FlushError> {
        let is_needed = self.mode == Mode::Upsert && self.delete_mode == DeleteMode::Hard;
        let purged = self.remembering.get(target);
        if !is_needed || purged.is_some_and(|purged| purged.elapsed() < PURGE_INTERVAL) {
            return Ok(());
        }
        let name = self.deleted(target);
        let label = name.to_string();
        if purged.is_none() {
            self.require(runner, &name, &sql::create_deleted_keys(&name, &self.columns.meta)).await?;
        }
        let now = SystemTime::now();
        let kept_since = now.checked_sub(self.deleted_retention).unwrap_or(SystemTime::UNIX_EPOCH);
        let text = sql::purge_deletes(&name, &self.columns.meta);
        runner.run("DELETE", Some(&label), &text, &[time_text(kept_since)]).await?;
        self.remembering.insert(target.to_owned(), Instant::now());
        Ok(())
    }
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
