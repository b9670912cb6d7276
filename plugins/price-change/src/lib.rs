//! The `price-change` transform: logs changes of a number in a row.
//!
//! Records are emitted unchanged, except for a header if `header` is set. Copy this example for your own transform: this
//! file has the transform, `config.rs` the configuration, and `number.rs` compares numbers.

mod config;
mod number;
mod once;

use tidegate_plugin::{prelude::*, same_value};

use crate::{config::Config, number::NumberChange, once::OncePerTable};

struct PriceChange {
    config: Config,
    missing_before: OncePerTable,
    missing_field: OncePerTable,
    not_a_number: OncePerTable,
}

impl Transform for PriceChange {
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    fn open(config: Config, _: &Context) -> Result<Self> {
        let (missing_before, missing_field, not_a_number) = Default::default();
        Ok(Self { config, missing_before, missing_field, not_a_number })
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let Some(difference) = record.change().and_then(|change| self.number_change(change)) else {
            return out.emit(record);
        };
        self.config.level.log(&self.config.field, record, &difference);
        match &self.config.header {
            Some(name) => {
                out.emit(Output::of(record).header(out.arena(), name, difference.to_string().as_bytes()))
            }
            None => out.emit(record),
        }
    }
}

impl PriceChange {
    /// The change of the watched number, if this is an update with a large enough change.
    fn number_change<'b>(&mut self, change: Change<'b>) -> Option<NumberChange<'b>> {
        if change.operation() != Operation::Update {
            return None;
        }
        let (old, new) = self.values(change)?;
        if same_value(old, new) || old.is_null() || new.is_null() {
            return None;
        }
        let Some(difference) = NumberChange::between(old, new) else {
            self.warn_not_a_number(change.table(), old, new);
            return None;
        };
        difference.exceeds(self.config.min_change, self.config.min_change_percent).then_some(difference)
    }

    /// The watched field before and after the change. If it is missing, logs a warning with the fix, once per table.
    fn values<'b>(&mut self, change: Change<'b>) -> Option<(Value<'b>, Value<'b>)> {
        let (table, field) = (change.table(), self.config.field.as_str());
        let Some(new) = change.after().get(field) else {
            if self.missing_field.is_first(table) {
                warn!(
                    table,
                    field,
                    "the row has no such field: correct `field`, or restrict this transform to the right topics with `when`"
                );
            }
            return None;
        };
        let Some(old) = change.before().get(field) else {
            if self.missing_before.is_first(table) {
                warn!(
                    table,
                    "updates do not contain the old row, so changes cannot be detected: run ALTER TABLE {table} REPLICA IDENTITY FULL"
                );
            }
            return None;
        };
        Some((old, new))
    }

    fn warn_not_a_number(&mut self, table: &str, old: Value<'_>, new: Value<'_>) {
        // The source does not send unchanged large values, which is not an error.
        if old.is_unavailable() || new.is_unavailable() || !self.not_a_number.is_first(table) {
            return;
        }
        let field = &self.config.field;
        warn!(
            table,
            field,
            %new,
            "not a number; for decimals in base64, add to the connector file: [source.columns] \"{table}.{field}\" = {{ decimal = 2 }}"
        );
    }
}

export_plugin!(transform: PriceChange);

#[cfg(test)]
mod tests;
