//! Plans a batch: determines warehouse, table and key of every event, and folds them into one row per key.
//!
//! ```text
//! record ── already in the database? ── route: table, warehouse ── key ── fold into the row of its key
//! ```
//!
//! Planning does not access the database, and can be repeated for the same batch. A [`Planner`] makes a [`Plan`] of a batch: for each
//! table its [`Step`]s, to be applied in order. A step has the rows of keys ([`Upserts`]), events without a key, versions of rows for
//! histories ([`Versions`]), or a truncate.
//!
//! A target that applies a plan itself has to keep these rules:
//!
//! - A row is written only if its position ([`Event::stamp`]) is after that of the row in the table, compared as text. Positions of
//!   deletes must be kept for this as well. Then it makes no difference whether a batch is read again.
//! - A value that an event omits ([`Folded::unknown`]) stays as it is in the table, and one that an earlier event of the batch has
//!   ([`Folded::carried`]) is written unless the row in the table is at least as new as that event.
//! - A row whose key changes ([`Folded::needed_origins`]) gets its omitted values from the row of its old key, before that is deleted.

mod event;
mod fold;
mod key;
mod moved;
mod moves;
mod route;
mod versions;

use std::{collections::BTreeMap, sync::Arc};

use tidegate_plugin::{Batch, Operation, Record, Value};

use self::{key::Key, route::Router};
pub use event::Event;
pub use fold::{Carried, Folded, Upserts};
pub use moved::MovedKeys;
pub use moves::{Base, Inserted, Origin};
pub use route::Route;
pub(crate) use route::Warehouses;
pub use versions::{Earlier, Version, Versions};

use crate::{
    names::Naming,
    options::{Mode, Options, OrderBy, OtherRecords, Settings, Truncate, UpdateMissing},
    position::Position,
};

/// The changes of a batch.
#[derive(Debug, Default)]
pub struct Plan<'b> {
    /// The tables to write, by warehouse; databases without warehouses have number 0 only.
    pub by_warehouse: BTreeMap<usize, TablePlans<'b>>,
    /// Rejected records: index and reason.
    pub rejected: Vec<(u32, String)>,
    /// Number of resent events that cannot be detected by their rows, by table of the source.
    pub resent: BTreeMap<String, u64>,
    /// Number of skipped records, by topic and reason.
    pub skipped: BTreeMap<(&'b str, Skipped), u64>,
    /// Headers that could not be parsed.
    pub unreadable: Vec<UnreadableHeader>,
}

/// A header with the old or new key of a row that could not be parsed.
#[derive(Debug)]
pub struct UnreadableHeader {
    /// The record that contains it.
    pub record: u32,
    /// The source's table.
    pub table: String,
    /// Why it could not be parsed.
    pub reason: String,
}

/// Why a record is skipped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Skipped {
    /// It is not a change event, and `other_records = "skip"`.
    NotAChangeEvent,
    /// It is a message without a row.
    Message,
}

/// The tables that one warehouse writes, in the order of their names, so that tasks lock them in the same order.
pub type TablePlans<'b> = BTreeMap<String, TablePlan<'b>>;

/// The changes of one table.
#[derive(Debug)]
pub struct TablePlan<'b> {
    /// Which table of the source it is, and which in the database.
    pub route: Arc<Route>,
    /// Steps, in order.
    pub steps: Vec<Step<'b>>,
}

/// Changes of a table that can be made together.
#[derive(Debug)]
pub enum Step<'b> {
    /// Rows by primary key.
    Upsert(Upserts<'b>),
    /// One row per event.
    Append(Vec<Event<'b>>),
    /// The versions of rows.
    Versions(Versions<'b>),
    /// Deletes all rows that are older than this event.
    Truncate(Event<'b>),
}

/// The options that a plan depends on.
#[derive(Clone, Copy, Debug)]
struct Rules {
    mode: Mode,
    truncate: Truncate,
    order_by: OrderBy,
    other_records: OtherRecords,
    update_missing: UpdateMissing,
}

impl Rules {
    fn of(options: &Options) -> Self {
        let Options { mode, truncate, order_by, other_records, update_missing, .. } = *options;
        Self { mode, truncate, order_by, other_records, update_missing }
    }
}

/// Plans batches. It remembers which tables the events of a task belong to, and which columns are their keys.
#[derive(Debug)]
pub struct Planner {
    rules: Rules,
    router: Router,
    scratch: key::Scratch,
}

impl Planner {
    /// For a configuration.
    #[must_use]
    pub fn new<T>(settings: &Settings<T>, naming: Naming) -> Self {
        let router = Router::new(settings, naming, Warehouses::of(settings));
        Self { rules: Rules::of(&settings.options), router, scratch: key::Scratch::default() }
    }

    /// Parses the keys in the headers of a batch, which a plan borrows.
    pub fn moved_keys(&self, batch: &Batch<'_>) -> MovedKeys {
        match self.rules.mode {
            Mode::Upsert | Mode::History => MovedKeys::of(batch),
            Mode::Append => MovedKeys::default(),
        }
    }

    /// Plans a batch. `held` returns whether a warehouse has already written a record to a table.
    ///
    /// `moved` are the keys in the headers of the same batch; see [`Planner::moved_keys`].
    pub fn plan<'b>(
        &mut self,
        batch: &Batch<'b>,
        moved: &'b MovedKeys,
        held: impl Fn(usize, &str, Record<'_>) -> bool,
    ) -> Plan<'b> {
        let mut plan = Plan::default();
        for record in batch.iter() {
            let context = BatchContext { batch, moved };
            if let Err(reason) = self.add(&mut plan, record, &context, &held) {
                plan.rejected.push((record.index(), reason));
            }
        }
        for step in
            plan.by_warehouse.values_mut().flat_map(BTreeMap::values_mut).flat_map(|table| &mut table.steps)
        {
            if let Step::Versions(versions) = step {
                versions.complete();
            }
        }
        plan
    }

    fn add<'b>(
        &mut self,
        plan: &mut Plan<'b>,
        record: Record<'b>,
        context: &BatchContext<'_, 'b>,
        held: &impl Fn(usize, &str, Record<'_>) -> bool,
    ) -> Result<(), String> {
        let Some(change) = record.change() else { return self.add_other(plan, record) };
        let operation = change.operation();
        if operation == Operation::Message {
            plan.skip(record, Skipped::Message);
            return Ok(());
        }
        if let Operation::Other(code) = operation {
            return Err(format!(
                "operation {:?} is unknown: the host is newer than this plugin",
                char::from(code)
            ));
        }
        let route = self.router.route(record, &change)?;
        let warehouse = route.warehouse_of(&change);
        if held(warehouse, &route.target, record) {
            return Ok(());
        }
        let position = Position::of(record, &change, self.rules.order_by);
        let event = Event::new(record, change, position);
        if change.is_resent()
            && self.rules.order_by == OrderBy::Source
            && self.is_undetectable(&route, &event)
        {
            *plan.resent.entry(route.table.clone()).or_default() += 1;
            return Ok(());
        }
        let by_warehouse = plan.by_warehouse.entry(warehouse).or_default();
        // Do not allocate if the table is already present.
        if !by_warehouse.contains_key(&route.target) {
            let table = TablePlan { route: Arc::clone(&route), steps: Vec::new() };
            by_warehouse.insert(route.target.clone(), table);
        }
        let Some(table) = by_warehouse.get_mut(&route.target) else { return Ok(()) };
        match (self.rules.mode, operation) {
            (Mode::Append, _) => table.append(event),
            (_, Operation::Truncate) => return self.truncate(table, event),
            (Mode::Upsert | Mode::History, _) => {
                let unreadable = self.by_key(table, &route, event, context)?;
                let unreadable = unreadable.map(|reason| UnreadableHeader {
                    record: record.index(),
                    table: route.table.clone(),
                    reason,
                });
                plan.unreadable.extend(unreadable);
            }
        }
        Ok(())
    }

    /// Whether a row cannot show that an event was applied before: there is no row to match, or its position depends on the
    /// offset.
    fn is_undetectable(&self, route: &Route, event: &Event<'_>) -> bool {
        if self.rules.mode == Mode::Append || event.position.has_offset() {
            return true;
        }
        match route.key_of(event) {
            _ if event.operation() == Operation::Truncate => false,
            Ok(Key::None) => true,
            // In a history table, it would be a version of its own, because the offset becomes part of its position.
            Ok(Key::Columns { is_message_key, .. }) => self.rules.mode == Mode::History && !is_message_key,
            Err(_) => false,
        }
    }

    fn add_other<'b>(&self, plan: &mut Plan<'b>, record: Record<'b>) -> Result<(), String> {
        if record.is_tombstone() {
            return Ok(());
        }
        if self.rules.other_records == OtherRecords::Skip {
            plan.skip(record, Skipped::NotAChangeEvent);
            return Ok(());
        }
        Err("the record is not a change event: exclude its topic, or set other_records = \"skip\"".to_owned())
    }

    fn truncate<'b>(&self, table: &mut TablePlan<'b>, event: Event<'b>) -> Result<(), String> {
        match self.rules.truncate {
            Truncate::Apply => {
                if self.rules.mode == Mode::History {
                    versions::time_of(&event)?;
                }
                table.steps.push(Step::Truncate(event));
            }
            Truncate::Ignore => {}
            Truncate::Fail => {
                return Err("the table was truncated in the source, and truncate = \"fail\"".to_owned());
            }
        }
        Ok(())
    }

    /// Adds an event to the rows of its table. If a header that the values may depend on cannot be parsed, returns the reason.
    fn by_key<'b>(
        &mut self,
        table: &mut TablePlan<'b>,
        route: &Route,
        event: Event<'b>,
        context: &BatchContext<'_, 'b>,
    ) -> Result<Option<String>, String> {
        let key = route.key_of(&event)?;
        let Key::Columns { names, is_message_key } = key else {
            if self.rules.mode == Mode::History {
                return Err(KEYLESS.to_owned());
            }
            table.append(event);
            return Ok(None);
        };
        let values = key::values(&names, &event, is_message_key)?;
        let event = if is_message_key { event } else { event.at(event.position.with_offset(event.record)) };
        let mut unreadable = None;
        let other = match context.other_key(&names, is_message_key, &event) {
            Ok(other) => other,
            Err(reason) => {
                unreadable = Some(reason);
                None
            }
        };
        let other = other.map(|other| (key::Scratch::default().text(&other).to_owned(), other));
        let text = self.scratch.text(&values);
        if self.rules.mode == Mode::History {
            add_version(table.versions(&names), (text, values), other, event)?;
            return Ok(unreadable);
        }
        let rows = table.upserts(&names);
        let operation = event.operation();
        match other {
            // The row keeps its key in the table: the delete is the first event of an update.
            Some((other_text, _)) if other_text == text => match operation {
                Operation::Delete => {}
                Operation::Update => rows.push(text, values, event, self.rules.update_missing),
                _ => rows.push(text, values, event.as_update(), UpdateMissing::Insert),
            },
            Some((other_text, other)) => match operation {
                Operation::Delete => rows.push_moved_away((text, values), (&other_text, other), event),
                Operation::Update => rows.push_moved((&other_text, other), (text, values), event),
                _ => rows.push_created((text, values), Some((&other_text, other)), event),
            },
            None => rows.push(text, values, event, self.rules.update_missing),
        }
        Ok(unreadable)
    }
}

/// Why a row without a key is rejected in a history table.
const KEYLESS: &str = "the table has no key, without which there are no versions of a row: name its key_columns in \
                       [sink.config.tables], or use mode = \"append\"";

/// Adds the versions of an event. `other` is the old key of its row, or the new one for a delete.
fn add_version<'b>(
    versions: &mut Versions<'b>,
    key: (&str, Vec<Value<'b>>),
    other: Option<(String, Vec<Value<'b>>)>,
    event: Event<'b>,
) -> Result<(), String> {
    let is_same = other.as_ref().is_some_and(|(text, _)| text == key.0);
    let other = other.as_ref().filter(|_| !is_same).map(|(text, values)| (text.as_str(), values.clone()));
    match event.operation() {
        // The row keeps its key in the table: the delete is the first event of an update.
        Operation::Delete if is_same => Ok(()),
        Operation::Delete => versions.push(key, None, event),
        Operation::Update => {
            if let Some(old) = other.clone() {
                versions.push(old, None, event.as_delete())?;
            }
            versions.push(key, other, event)
        }
        _ if is_same => versions.push(key, None, event.as_update()),
        _ => versions.push(key, other, event),
    }
}

/// The other records of the batch, and the parsed headers.
struct BatchContext<'a, 'b> {
    batch: &'a Batch<'b>,
    moved: &'b MovedKeys,
}

impl<'b> BatchContext<'_, 'b> {
    /// The other key of a row whose key changes: the new one for a delete, the old one for an update, and for a create that
    /// omits values.
    ///
    /// # Errors
    /// If there is a header with the key that cannot be parsed.
    fn other_key(
        &self,
        names: &[String],
        is_message_key: bool,
        event: &Event<'b>,
    ) -> Result<Option<Vec<Value<'b>>>, String> {
        match event.operation() {
            Operation::Update if is_message_key => return Ok(None),
            Operation::Update => return Ok(key::old_values(names, event)),
            Operation::Create | Operation::Read | Operation::Delete => {}
            _ => return Ok(None),
        }
        let header = self.moved.get(event.record).map(|key| {
            let key = key.map_err(str::to_owned)?;
            let lacking = || format!("the header does not have the table's key columns {}", names.join(", "));
            key.values(names, event.record).ok_or_else(lacking)
        });
        if let Some(Ok(key)) = header {
            return Ok(Some(key));
        }
        let leaves_out = || event.row().iter().any(|(_, value)| value.is_unavailable());
        if event.operation().is_insert() && leaves_out() {
            let neighbour = self.delete_before(event);
            let key = neighbour.and_then(|delete| key::values(names, &delete, is_message_key).ok());
            if key.is_some() {
                return Ok(key);
            }
        }
        header.transpose()
    }

    /// The delete right before a create, if both belong to the same change in the source.
    fn delete_before(&self, event: &Event<'b>) -> Option<Event<'b>> {
        let record = event.record;
        let is_before = |other: &Record<'b>| {
            other.source_partition() == record.source_partition()
                && other.source_topic() == record.source_topic()
        };
        let earlier = (0..record.index()).rev().filter_map(|index| self.batch.get(index as usize));
        let before = earlier.filter(is_before).find(|record| !record.is_tombstone())?;
        let delete = Event::new(before, before.change()?, event.position);
        (delete.operation() == Operation::Delete && delete.is_same_change(event)).then_some(delete)
    }
}

impl<'b> Plan<'b> {
    fn skip(&mut self, record: Record<'b>, reason: Skipped) {
        *self.skipped.entry((record.topic(), reason)).or_default() += 1;
    }
}

impl<'b> TablePlan<'b> {
    /// Whether positions of deletes or of a truncate have to be stored.
    pub(crate) fn has_deletes(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Upsert(upserts) => upserts.rows().iter().any(Folded::is_delete),
            Step::Append(_) | Step::Versions(_) => false,
            Step::Truncate(_) => true,
        })
    }

    /// Whether positions of deletes are stored before the transaction of the rows is committed, by another session. With several
    /// steps, the deletes of one must not hide the rows of an earlier one.
    pub(crate) fn stores_deletes_early(&self) -> bool {
        matches!(&*self.steps, [Step::Upsert(upserts)] if upserts.rows().iter().any(Folded::is_delete))
    }

    /// Expected number of statements in the transaction, to spread tables evenly.
    pub(crate) fn weight(&self) -> usize {
        self.steps.len() + usize::from(self.has_deletes() && !self.stores_deletes_early())
    }

    fn append(&mut self, event: Event<'b>) {
        if let Some(Step::Append(events)) = self.steps.last_mut() {
            return events.push(event);
        }
        self.steps.push(Step::Append(vec![event]));
    }

    /// The current step with versions; a different key starts a new step.
    fn versions(&mut self, key: &Arc<[String]>) -> &mut Versions<'b> {
        let goes_on = matches!(self.steps.last(), Some(Step::Versions(rows)) if rows.key() == key);
        if !goes_on {
            self.steps.push(Step::Versions(Versions::new(Arc::clone(key))));
        }
        match self.steps.last_mut() {
            Some(Step::Versions(rows)) => rows,
            _ => unreachable!("pushed above"),
        }
    }

    /// The current step with rows by key; a different key starts a new step.
    fn upserts(&mut self, key: &Arc<[String]>) -> &mut Upserts<'b> {
        let goes_on = matches!(self.steps.last(), Some(Step::Upsert(rows)) if rows.key() == key);
        if !goes_on {
            self.steps.push(Step::Upsert(Upserts::new(Arc::clone(key))));
        }
        match self.steps.last_mut() {
            Some(Step::Upsert(rows)) => rows,
            _ => unreachable!("pushed above"),
        }
    }
}

#[cfg(test)]
mod tests;
