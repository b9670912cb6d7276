//! The `enrich` transform: adds metadata of the event, the record and the host, as fields or headers.

mod source;

use std::{collections::BTreeMap, fs};

use serde::Serialize;
use tidegate_plugin::{Arena, Batch, Field, Struct, prelude::*};

use self::source::{Fixed, Property, Source};
use crate::text::header_text;

/// Configuration of `enrich`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// Fields to add, by name: a property such as `"operation"`, or `{ constant = "eu" }`.
    #[serde(default)]
    fields: BTreeMap<String, Source>,
    /// Headers to add, in the same notation. Their values are text.
    #[serde(default)]
    headers: BTreeMap<String, Source>,
    /// Where fields are added.
    #[serde(default)]
    into: Place,
    /// What happens if the record has a field or header of the same name.
    #[serde(default)]
    existing: Existing,
}

/// Where fields are added.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Place {
    /// The latest row of a change event (after, or before for a delete); for other records, the value.
    #[default]
    Row,
    /// The value: for a change event, next to `before` and `after`.
    Value,
}

/// What happens if there is a field or header of the same name.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Existing {
    /// The record is rejected.
    #[default]
    Reject,
    /// It is replaced.
    Overwrite,
}

/// See the module.
pub(crate) struct Enrich {
    config: Config,
    fixed: Fixed,
    context: Context,
    /// Records since the last report that have no row to add fields to.
    without_row: u64,
    // Reused for every header.
    text: String,
}

impl Transform for Enrich {
    type Config = Config;

    const DESCRIPTION: &'static str =
        "Adds operation, table, position, lag, topic, host, constants and the like, as fields or headers";

    fn check(config: &Config) -> Result<()> {
        if config.fields.is_empty() && config.headers.is_empty() {
            return Err(Error::invalid_config("nothing to add: set `fields` or `headers`"));
        }
        let unnamed = [("fields", &config.fields), ("headers", &config.headers)];
        let unnamed = unnamed.into_iter().filter(|(_, added)| added.contains_key(""));
        Error::join(unnamed.map(|(key, _)| Error::invalid_option("", "is empty: set a name").at(key)))
    }

    fn open(config: Config, context: &Context) -> Result<Self> {
        let mut sources = config.fields.values().chain(config.headers.values());
        let host = if sources.any(|source| source.is(Property::Host)) { host_name()? } else { String::new() };
        let fixed = Fixed { connector: context.connector().to_owned(), task: context.task(), host };
        Ok(Self { config, fixed, context: context.clone(), without_row: 0, text: String::new() })
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let output = self.with_fields(record, out.arena())?;
        let output = self.with_headers(record, output, out.arena())?;
        out.emit(output)
    }

    fn end_batch<'b>(&mut self, _: Batch<'b>, _: &mut Emit<'_, 'b>) -> Result<()> {
        let count = std::mem::take(&mut self.without_row);
        if count > 0 {
            self.context.count("enrich_skipped", &[("cause", "no_row")], count);
        }
        Ok(())
    }
}

/// Name of this machine. It is read once when the transform is opened, before any record.
fn host_name() -> Result<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    name.map_err(|error| Error::fatal(format_args!("the name of this machine cannot be read: {error}")))
}

impl Enrich {
    fn with_fields<'b>(&mut self, record: Record<'b>, arena: Arena<'b>) -> Result<Output<'b>> {
        let output = Output::of(record);
        if self.config.fields.is_empty() {
            return Ok(output);
        }
        let Some(change) = record.change() else { return self.with_value(record, output, arena) };
        let (before, after) = (change.before_value(), change.after_value());
        match (self.config.into, before.as_struct(), after.as_struct()) {
            (Place::Value, ..) if record.value().as_struct().is_some() => {
                self.with_value(record, output, arena)
            }
            (Place::Row, _, Some(row)) => {
                Ok(output.rows(arena, before, self.merged(record, row, arena)?.to_value()))
            }
            (Place::Row, Some(row), None) => {
                Ok(output.rows(arena, self.merged(record, row, arena)?.to_value(), after))
            }
            _ => {
                self.without_row += 1;
                Ok(output)
            }
        }
    }

    /// Adds the fields to the value as a whole.
    fn with_value<'b>(
        &mut self,
        record: Record<'b>,
        output: Output<'b>,
        arena: Arena<'b>,
    ) -> Result<Output<'b>> {
        if record.is_tombstone() {
            self.without_row += 1;
            return Ok(output);
        }
        let Some(value) = record.value().as_struct() else {
            return Err(Error::rejected(
                "the value is not an object, so no field can be added: use `headers`, or exclude the record with `when`",
            ));
        };
        Ok(output.envelope(self.merged(record, value, arena)?.to_value()))
    }

    /// The struct with the added fields: new ones at the end, in the order of their names.
    fn merged<'b>(&self, record: Record<'b>, row: Struct<'b>, arena: Arena<'b>) -> Result<Struct<'b>> {
        let fields = &self.config.fields;
        let known = fields.keys().filter(|name| row.get(name).is_some()).count();
        if known > 0 && self.config.existing == Existing::Reject {
            let name = fields.keys().find(|name| row.get(name).is_some()).map_or("", String::as_str);
            return Err(Error::rejected(format_args!(
                "there is a field {name:?} already: choose another name, or set existing = \"overwrite\""
            )));
        }
        let value = |source: &Source| source.value(record, &self.fixed, arena);
        let replaced = |field: &Field<'b>| match fields.get(field.name()) {
            Some(source) => Field::new(field.name(), value(source)),
            None => *field,
        };
        let new = fields.iter().filter(|(name, _)| row.get(name).is_none());
        let mut all = row
            .fields()
            .iter()
            .map(replaced)
            .chain(new.map(|(name, source)| Field::new(arena.str(name), value(source))));
        let count = row.len() + fields.len() - known;
        let all = (0..count).map(|_| all.next().unwrap_or(Field::new("", Value::NULL)));
        Ok(Value::object(arena.collect(all)).as_struct().unwrap_or(Struct::EMPTY))
    }

    fn with_headers<'b>(
        &mut self,
        record: Record<'b>,
        mut output: Output<'b>,
        arena: Arena<'b>,
    ) -> Result<Output<'b>> {
        for (name, source) in &self.config.headers {
            if record.headers().get(name).is_some() {
                if self.config.existing == Existing::Reject {
                    return Err(Error::rejected(format_args!(
                        "there is a header {name:?} already: choose another name, or set existing = \"overwrite\""
                    )));
                }
                output = output.remove_header(arena, name);
            }
            let value = source.value(record, &self.fixed, arena);
            output = match header_text(value, &mut self.text) {
                Some(text) => output.header(arena, name, text.as_bytes()),
                None => output.null_header(arena, name),
            };
        }
        Ok(output)
    }
}

#[cfg(test)]
mod tests;
