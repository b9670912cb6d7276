//! From a batch to what is written: which warehouse, which table, which rows, one per key.
//!
//! ```text
//! record ── held by Snowflake already? ── route: table, warehouse ── key ── fold into the row of its key
//! ```
//!
//! Nothing here talks to Snowflake, and a plan can be made again for the same batch.

mod event;
mod fold;
mod key;
mod route;

use std::{collections::BTreeMap, sync::Arc};

use tidegate_plugin::{Batch, Operation, Record};

pub(crate) use event::Event;
pub(crate) use fold::{Folded, Upserts};
pub(crate) use key::Key;
pub(crate) use route::{Route, Router, Warehouses};

use crate::{
    config::{Config, Mode, OrderBy, OtherRecords, Truncate, UpdateMissing},
    position::Position,
};

/// What a batch means for Snowflake.
#[derive(Default)]
pub(crate) struct Plan<'b> {
    /// By warehouse.
    pub(crate) works: BTreeMap<usize, Work<'b>>,
    /// Records that cannot be written, by index, each with its reason.
    pub(crate) rejected: Vec<(u32, String)>,
    /// Events that the source has sent before and whose rows cannot tell, by table of the source.
    pub(crate) resent: BTreeMap<String, u64>,
}

/// What one warehouse writes: tables in the order of their names, so that tasks lock them in the same order.
pub(crate) type Work<'b> = BTreeMap<String, TablePlan<'b>>;

/// What happens to one table.
pub(crate) struct TablePlan<'b> {
    /// Where its rows come from and go.
    pub(crate) route: Arc<Route>,
    /// What to do, in this order.
    pub(crate) steps: Vec<Step<'b>>,
}

/// One step.
pub(crate) enum Step<'b> {
    /// Rows by primary key, one for each.
    Upsert(Upserts<'b>),
    /// A row for each event.
    Append(Vec<Event<'b>>),
    /// What came before this event goes.
    Truncate(Event<'b>),
}

/// What of the options a plan depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    mode: Mode,
    truncate: Truncate,
    order_by: OrderBy,
    other_records: OtherRecords,
    update_missing: UpdateMissing,
}

impl Rules {
    /// The rules of a configuration.
    pub(crate) fn of(config: &Config) -> Self {
        let Config { mode, truncate, order_by, other_records, update_missing, .. } = *config;
        Self { mode, truncate, order_by, other_records, update_missing }
    }
}

/// Makes plans.
pub(crate) struct Planner {
    rules: Rules,
    router: Router,
    scratch: key::Scratch,
}

impl Planner {
    /// A planner.
    pub(crate) fn new(rules: Rules, router: Router) -> Self {
        Self { rules, router, scratch: key::Scratch::default() }
    }

    /// Plans a batch. `held` says whether a warehouse holds a record already.
    pub(crate) fn plan<'b>(
        &mut self,
        batch: &Batch<'b>,
        held: impl Fn(usize, Record<'_>) -> bool,
    ) -> Plan<'b> {
        let mut plan = Plan::default();
        for record in batch.iter() {
            if let Err(reason) = self.add(&mut plan, record, &held) {
                plan.rejected.push((record.index(), reason));
            }
        }
        plan
    }

    fn add<'b>(
        &mut self,
        plan: &mut Plan<'b>,
        record: Record<'b>,
        held: &impl Fn(usize, Record<'_>) -> bool,
    ) -> Result<(), String> {
        let Some(change) = record.change() else { return self.add_other(record) };
        let operation = change.operation();
        if operation == Operation::Message {
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
        if held(warehouse, record) {
            return Ok(());
        }
        let position = Position::of(record, &change, self.rules.order_by);
        let event = Event::new(record, change, position);
        if change.is_resent() && self.rules.order_by == OrderBy::Source && self.cannot_tell(&route, &event) {
            *plan.resent.entry(route.table.clone()).or_default() += 1;
            return Ok(());
        }
        let works = plan.works.entry(warehouse).or_default();
        // No allocation for a table that is there already.
        if !works.contains_key(&route.target) {
            let table = TablePlan { route: Arc::clone(&route), steps: Vec::new() };
            works.insert(route.target.clone(), table);
        }
        let Some(table) = works.get_mut(&route.target) else { return Ok(()) };
        match (self.rules.mode, operation) {
            (Mode::Append, _) => table.append(event),
            (Mode::Upsert, Operation::Truncate) => return self.truncate(table, event),
            (Mode::Upsert, _) => return self.upsert(table, &route, event),
        }
        Ok(())
    }

    /// Whether a row does not show that an event was applied before: there is none that it would meet, or its position says
    /// that the offset decides.
    fn cannot_tell(&self, route: &Route, event: &Event<'_>) -> bool {
        self.rules.mode == Mode::Append
            || event.position.has_offset()
            || (event.operation() != Operation::Truncate && matches!(route.key_of(event), Ok(Key::None)))
    }

    fn add_other(&self, record: Record<'_>) -> Result<(), String> {
        if record.is_tombstone() || self.rules.other_records == OtherRecords::Skip {
            return Ok(());
        }
        Err("the record is no change event: leave its topic out, or set other_records = \"skip\"".to_owned())
    }

    fn truncate<'b>(&self, table: &mut TablePlan<'b>, event: Event<'b>) -> Result<(), String> {
        match self.rules.truncate {
            Truncate::Apply => table.steps.push(Step::Truncate(event)),
            Truncate::Ignore => {}
            Truncate::Fail => {
                return Err("the table was truncated in the source, and truncate = \"fail\"".to_owned());
            }
        }
        Ok(())
    }

    fn upsert<'b>(
        &mut self,
        table: &mut TablePlan<'b>,
        route: &Route,
        event: Event<'b>,
    ) -> Result<(), String> {
        let key = route.key_of(&event)?;
        let Key::Columns { names, is_message_key } = key else {
            table.append(event);
            return Ok(());
        };
        let values = key::values(&names, &event, is_message_key)?;
        let text = self.scratch.text(&values);
        if is_message_key {
            table.upserts(&names).push(text, values, event, self.rules.update_missing);
            return Ok(());
        }
        let event = event.at(event.position.with_offset(event.record));
        let old =
            key::old_values(&names, &event).map(|old| (key::Scratch::default().text(&old).to_owned(), old));
        let rows = table.upserts(&names);
        match old {
            Some((old_text, old)) if old_text != text => {
                rows.push_moved((&old_text, old), (text, values), event)
            }
            _ => rows.push(text, values, event, self.rules.update_missing),
        }
        Ok(())
    }
}

impl<'b> TablePlan<'b> {
    fn append(&mut self, event: Event<'b>) {
        if let Some(Step::Append(events)) = self.steps.last_mut() {
            return events.push(event);
        }
        self.steps.push(Step::Append(vec![event]));
    }

    /// The rows that are being folded; rows of another key begin anew.
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
