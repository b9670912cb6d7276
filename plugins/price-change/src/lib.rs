//! The `price-change` transform: says in the log when a number in a row changes.
//!
//! Records pass on as they came, with one header more if `header` is set. This is the example to copy for a transform
//! of your own: configuration and plugin are here, what "the same number" means is in `number.rs`.

mod config;
mod number;
mod once;

use tidegate_plugin::{prelude::*, same_value};

use crate::{config::Config, number::Movement, once::OncePerTable};

struct PriceChange {
    config: Config,
    no_row_before: OncePerTable,
    no_such_field: OncePerTable,
    no_number: OncePerTable,
}

impl Transform for PriceChange {
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self> {
        config.check()?;
        let (no_row_before, no_such_field, no_number) = Default::default();
        Ok(Self { config, no_row_before, no_such_field, no_number })
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let Some(movement) = record.change().and_then(|change| self.movement(change)) else {
            return out.emit(record);
        };
        self.config.level.log(&self.config.field, record, &movement);
        match &self.config.header {
            Some(name) => {
                out.emit(Output::of(record).header(out.arena(), name, movement.to_string().as_bytes()))
            }
            None => out.emit(record),
        }
    }
}

impl PriceChange {
    /// How the watched number moved, if this is an update that moved it far enough.
    fn movement<'b>(&mut self, change: Change<'b>) -> Option<Movement<'b>> {
        if change.operation() != Operation::Update {
            return None;
        }
        let (old, new) = self.values(change)?;
        if same_value(old, new) || old.is_null() || new.is_null() {
            return None;
        }
        let Some(movement) = Movement::between(old, new) else {
            self.warn_of_no_number(change.table(), old, new);
            return None;
        };
        movement.exceeds(self.config.min_change, self.config.min_change_percent).then_some(movement)
    }

    /// The watched field before and after. What is missing is said once per table, with the way out.
    fn values<'b>(&mut self, change: Change<'b>) -> Option<(Value<'b>, Value<'b>)> {
        let (table, field) = (change.table(), self.config.field.as_str());
        let Some(new) = change.after().get(field) else {
            if self.no_such_field.is_first(table) {
                warn!(
                    table,
                    field,
                    "no such field in the row: correct `field`, or name the topics of this transform in `when`"
                );
            }
            return None;
        };
        let Some(old) = change.before().get(field) else {
            if self.no_row_before.is_first(table) {
                warn!(
                    table,
                    "updates come without the row before, so changes cannot be seen: ALTER TABLE {table} REPLICA IDENTITY FULL"
                );
            }
            return None;
        };
        Some((old, new))
    }

    fn warn_of_no_number(&mut self, table: &str, old: Value<'_>, new: Value<'_>) {
        // A large value that did not change is not sent: that is no mistake of anybody's.
        if old.is_unavailable() || new.is_unavailable() || !self.no_number.is_first(table) {
            return;
        }
        let field = &self.config.field;
        warn!(
            table,
            field,
            %new,
            "not a number; for decimals in base64, say in the connector file: [source.columns] \"{table}.{field}\" = {{ decimal = 2 }}"
        );
    }
}

export_plugin!(transform: PriceChange);

#[cfg(test)]
mod tests;
