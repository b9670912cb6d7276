//! The tables that a task writes to, as far as it knows them, and how they come to fit the rows.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant, SystemTime},
};

use tidegate_plugin::{Error, prelude::info};

use super::{
    failure::{Trouble, is_lost_race, is_unknown_object},
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

/// How often a table is looked at again because others change it at the same time.
const ROUNDS: usize = 8;

/// How often old deleted keys are forgotten.
const PURGE_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Known tables.
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
    /// Tables whose deleted keys have a table, with the time when old ones were forgotten.
    remembering: HashMap<String, Instant>,
}

/// What the catalog is made with.
pub(crate) struct CatalogOptions {
    /// Database of all tables.
    pub(crate) database: String,
    /// Schema of all tables.
    pub(crate) schema: String,
    /// The rules for columns.
    pub(crate) columns: Columns,
    /// What the tables are.
    pub(crate) mode: Mode,
    /// What deletes do.
    pub(crate) delete_mode: DeleteMode,
    /// How long deleted keys are remembered.
    pub(crate) deleted_retention: Duration,
    /// Whether tables are changed.
    pub(crate) evolution: Evolution,
    /// Comment of new tables.
    pub(crate) comment: String,
}

impl Catalog {
    /// A catalog that knows nothing yet.
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

    /// The rules for columns.
    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The full name of a table.
    pub(crate) fn name(&self, table: &str) -> TableName {
        let (database, schema) = (self.database.clone(), self.schema.clone());
        TableName { database, schema, table: table.to_owned() }
    }

    /// The table of the keys deleted from a table.
    pub(crate) fn deleted(&self, table: &str) -> TableName {
        self.name(&deleted_table(table, &self.columns.naming))
    }

    /// A table that fits was seen.
    pub(crate) fn get(&self, table: &str) -> Option<&Table> {
        self.tables.get(table)
    }

    /// Has every table looked at again: somebody may have changed one.
    pub(crate) fn forget(&mut self) {
        self.tables.clear();
    }

    /// As [`Catalog::forget`]; and the tables of deleted keys may be gone.
    pub(crate) fn forget_all(&mut self) {
        self.forget();
        self.remembering.clear();
    }

    /// Makes sure that one of the sink's own tables exists.
    ///
    /// # Errors
    /// When it cannot be created; where tables are not to be created, the statement to run.
    pub(crate) async fn require(
        &self,
        runner: &mut Runner<'_>,
        name: &TableName,
        create: &str,
    ) -> Result<(), Trouble> {
        let label = name.to_string();
        if self.evolution == Evolution::On {
            runner.run("CREATE TABLE", Some(&label), create, &[]).await?;
            return Ok(());
        }
        match runner.run("SHOW COLUMNS", Some(&label), &sql::show_columns(name), &[]).await {
            Ok(answer) if !answer.rows.is_empty() => Ok(()),
            Err(error) if !is_unknown_object(&error) => Err(error.into()),
            _ => Err(Trouble::Tidegate(Error::fatal(format_args!(
                "{label} does not exist, and schema_evolution = \"off\": run `{create};`"
            )))),
        }
    }

    /// Makes a table fit what is planned for it. Records that nothing makes fit are returned, by index.
    ///
    /// # Errors
    /// When the table cannot be changed.
    pub(crate) async fn fit(
        &mut self,
        runner: &mut Runner<'_>,
        plan: &TablePlan<'_>,
    ) -> Result<Vec<(u32, String)>, Trouble> {
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
        Err(Trouble::Tidegate(Error::retriable(format_args!(
            "{} is being changed by somebody else all the time",
            self.name(target)
        ))))
    }

    fn changes(&self, table: &Table, plan: &TablePlan<'_>) -> Result<Changes, Trouble> {
        let Route { unmanaged, declared, table: source, .. } = &*plan.route;
        let (columns, comment) = (&self.columns, self.comment.as_str());
        let evolving = Evolving { columns, unmanaged, declared, source, comment };
        let changes = evolving.changes(table, &plan.steps, self.mode == Mode::Append);
        changes.map_err(|reason| Trouble::Tidegate(Error::fatal(reason)))
    }

    async fn load(&self, runner: &mut Runner<'_>, target: &str) -> Result<Table, Trouble> {
        let name = self.name(target);
        let label = name.to_string();
        match runner.run("SHOW COLUMNS", Some(&label), &sql::show_columns(&name), &[]).await {
            Ok(answer) => {
                Table::from_show(name, &answer).map_err(|error| Trouble::Tidegate(Error::fatal(error)))
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
    ) -> Result<(), Trouble> {
        let label = self.name(target).to_string();
        if self.evolution == Evolution::Off {
            let texts: Vec<&str> = changes.statements.iter().map(|(_, text)| text.as_str()).collect();
            return Err(Trouble::Tidegate(Error::fatal(format_args!(
                "{label} does not fit what is read, and schema_evolution = \"off\": run `{};`",
                texts.join("; ")
            ))));
        }
        // Somebody else may have done the same a moment ago, or something else: the next look tells.
        self.tables.remove(target);
        for (kind, text) in &changes.statements {
            let ran = runner.run(kind, Some(&label), text, &[]).await;
            match ran {
                Ok(_) if runner.is_dry => {}
                Ok(_) => info!(table = %label, "{}", told(kind, text)),
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

    /// Makes the table of deleted keys, once, and forgets old keys, once a day.
    async fn remember_deleted(&mut self, runner: &mut Runner<'_>, target: &str) -> Result<(), Trouble> {
        let is_needed = self.mode == Mode::Upsert && self.delete_mode == DeleteMode::Hard;
        let purged = self.remembering.get(target);
        if !is_needed || purged.is_some_and(|purged| purged.elapsed() < PURGE_INTERVAL) {
            return Ok(());
        }
        let name = self.deleted(target);
        let label = name.to_string();
        if purged.is_none() {
            self.require(runner, &name, &sql::create_tombstones(&name, &self.columns.meta)).await?;
        }
        let now = SystemTime::now();
        let kept_since = now.checked_sub(self.deleted_retention).unwrap_or(SystemTime::UNIX_EPOCH);
        let text = sql::purge(&name, &self.columns.meta);
        runner.run("DELETE", Some(&label), &text, &[time_text(kept_since)]).await?;
        self.remembering.insert(target.to_owned(), Instant::now());
        Ok(())
    }
}

/// What a change of a table comes to, for the log: definitions of columns hold no data.
fn told(kind: &str, text: &str) -> String {
    match kind {
        "CREATE TABLE" => "created the table".to_owned(),
        _ => {
            let change =
                text.find(" ADD ").or_else(|| text.find(" ALTER COLUMN ")).and_then(|at| text.get(at..));
            format!("altered the table:{}", change.unwrap_or_default())
        }
    }
}
