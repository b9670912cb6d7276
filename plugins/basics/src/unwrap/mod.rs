//! The `unwrap` transform: makes rows of change events, as Debezium's `ExtractNewRecordState` does, with the same options.

mod config;
mod reference;
mod row;

use std::collections::HashSet;

use tidegate_plugin::{Arena, Batch, Change, Struct, prelude::*};

use self::{
    config::{Deletes, OnDelete},
    reference::{Event, Reference},
    row::{Added, DELETED, Drops},
};
use crate::text::header_text;
pub(crate) use config::Config;

/// Tables whose first truncate is logged.
const MAX_LOGGED: usize = 1_000;

/// See the module.
pub(crate) struct Unwrap {
    config: Config,
    deletes: Deletes,
    fields: Vec<Reference>,
    headers: Vec<Reference>,
    dropped: Dropped,
    truncated: HashSet<String>,
    context: Context,
    // Reused for every header.
    text: String,
}

/// Records that were dropped since the last report.
#[derive(Default)]
struct Dropped {
    deletes: u64,
    tombstones: u64,
    truncates: u64,
}

impl Transform for Unwrap {
    type Config = Config;

    const DESCRIPTION: &'static str =
        "Makes rows of change events, with the options of Debezium's ExtractNewRecordState";

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    fn open(config: Config, context: &Context) -> Result<Self> {
        Ok(Self {
            deletes: config.deletes(),
            fields: config.fields()?,
            headers: config.headers()?,
            config,
            dropped: Dropped::default(),
            truncated: HashSet::new(),
            context: context.clone(),
            text: String::new(),
        })
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let Some(change) = record.change() else {
            return if record.is_tombstone() { self.tombstone(record, out) } else { out.emit(record) };
        };
        let event = Event { record, change };
        match change.operation() {
            Operation::Create | Operation::Read | Operation::Update => self.row(event, out),
            Operation::Delete => self.delete(event, out),
            Operation::Truncate => {
                self.truncate(change);
                Ok(())
            }
            Operation::Message => out.emit(record),
            other => Err(Error::rejected(format_args!(
                "operation {:?} is unknown: exclude the record with `when`",
                char::from(other.code().0)
            ))),
        }
    }

    fn end_batch<'b>(&mut self, _: Batch<'b>, _: &mut Emit<'_, 'b>) -> Result<()> {
        let Dropped { deletes, tombstones, truncates } = std::mem::take(&mut self.dropped);
        for (cause, count) in [("delete", deletes), ("tombstone", tombstones), ("truncate", truncates)] {
            if count > 0 {
                self.context.count("unwrap_dropped", &[("cause", cause)], count);
            }
        }
        Ok(())
    }
}

impl Unwrap {
    /// An insert, a snapshot read or an update becomes the row after it.
    fn row<'b>(&mut self, event: Event<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let arena = out.arena();
        let row = event.change.after();
        let output = self.routed(Output::of(event.record), row, arena)?;
        let mut row = self.rewritten(event, row, "false", arena)?;
        row = row::with_fields(row, self.added(event, arena), arena)?;
        let (output, row) = self.without_dropped(event, output, row, arena)?;
        out.emit(self.with_headers(event, output.unwrapped(row.to_value()), arena))
    }

    /// A delete is dropped, or becomes a tombstone or the row before it.
    fn delete<'b>(&mut self, event: Event<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let arena = out.arena();
        if self.deletes.on_delete == OnDelete::Drop {
            self.dropped.deletes += 1;
            return Ok(());
        }
        // Without the old row, the key is what is known of it.
        let before = event.change.before();
        let row = if before.is_empty() { event.change.key() } else { before };
        let output = self.routed(Output::of(event.record), row, arena)?;
        let is_tombstone = self.deletes.on_delete == OnDelete::Tombstone;
        let row = if is_tombstone { Struct::EMPTY } else { self.rewritten(event, row, "true", arena)? };
        let (output, row) = self.without_dropped(event, output, row, arena)?;
        let value = match is_tombstone {
            true => Value::NULL,
            false => row::with_fields(row, self.added(event, arena), arena)?.to_value(),
        };
        out.emit(self.with_headers(event, output.unwrapped(value), arena))
    }

    /// The tombstone after a delete.
    fn tombstone<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        if !self.deletes.keeps_tombstones {
            self.dropped.tombstones += 1;
            return Ok(());
        }
        let mut output = Output::of(record);
        for reference in self.headers.iter().filter(|reference| reference.is_operation()) {
            output = output.header(out.arena(), &reference.name, b"d");
        }
        out.emit(output)
    }

    fn truncate(&mut self, change: Change<'_>) {
        self.dropped.truncates += 1;
        let table = change.table();
        if self.truncated.len() < MAX_LOGGED && !self.truncated.contains(table) {
            warn!(
                table,
                "a truncate was dropped, as Debezium's ExtractNewRecordState does: there is no row to make of it; \
                 to keep truncates, exclude them with when = {{ not = {{ operation = [\"truncate\"] }} }}"
            );
            self.truncated.insert(table.to_owned());
        }
    }

    /// In the rewriting modes, the row with `__deleted` and with defaults instead of null.
    fn rewritten<'b>(
        &self,
        event: Event<'b>,
        row: Struct<'b>,
        deleted: &'static str,
        arena: Arena<'b>,
    ) -> Result<Struct<'b>> {
        if self.deletes.on_delete != OnDelete::Rewrite {
            return Ok(row);
        }
        let schema = event.change.row_schema().filter(|_| self.config.replaces_null());
        let row = row::with_defaults(row, schema, arena);
        row::with_fields(row, &[(DELETED, Some(Value::string(deleted)))], arena)
    }

    fn added<'b>(&self, event: Event<'b>, arena: Arena<'b>) -> &'b [Added<'b>] {
        arena.collect(self.fields.iter().map(|field| (arena.str(&field.name), field.find(event, arena))))
    }

    /// The record with the topic that a column names.
    fn routed<'b>(&self, output: Output<'b>, row: Struct<'b>, arena: Arena<'b>) -> Result<Output<'b>> {
        let column = self.config.route_by_field.trim();
        if column.is_empty() {
            return Ok(output);
        }
        match row.get(column).map(|value| value.view()) {
            Some(ValueRef::String(topic)) if !topic.trim().is_empty() => Ok(output.topic(arena, topic)),
            Some(ValueRef::String(_) | ValueRef::Null) => Ok(output),
            Some(_) => Err(Error::rejected(format_args!(
                "column {column:?} is not text: route.by.field needs the name of a topic"
            ))),
            None => Err(Error::rejected(format_args!(
                "the row has no column {column:?}, which route.by.field names"
            ))),
        }
    }

    fn without_dropped<'b>(
        &self,
        event: Event<'b>,
        output: Output<'b>,
        row: Struct<'b>,
        arena: Arena<'b>,
    ) -> Result<(Output<'b>, Struct<'b>)> {
        let (header, only_optional) =
            (&self.config.drop_fields_header_name, self.config.drops_only_optional());
        let Some(drops) = Drops::of(event.record, header, only_optional, arena)? else {
            return Ok((output, row));
        };
        let row = drops.apply(row, event.change.row_schema(), arena);
        let key = event.record.key().as_struct().filter(|_| self.config.drops_from_key());
        let output = key.map_or(output, |key| {
            let kept = drops.apply(key, event.record.key_schema(), arena);
            if kept.len() == key.len() { output } else { output.key(kept.to_value()) }
        });
        Ok((output, row))
    }

    fn with_headers<'b>(&mut self, event: Event<'b>, mut output: Output<'b>, arena: Arena<'b>) -> Output<'b> {
        for reference in &self.headers {
            let Some(value) = reference.find(event, arena) else { continue };
            output = match header_text(value, &mut self.text) {
                Some(text) => output.header(arena, &reference.name, text.as_bytes()),
                None => output.null_header(arena, &reference.name),
            };
        }
        output
    }
}

#[cfg(test)]
mod tests;
