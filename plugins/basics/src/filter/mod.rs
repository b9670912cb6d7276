//! The `filter` transform: keeps or drops records by conditions.

mod condition;
mod field;

use serde::Serialize;
use tidegate_plugin::prelude::*;

use condition::{Condition, Test};
pub(crate) use field::Scalar;

/// Configuration of `filter`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// What to do with records that match.
    #[serde(default)]
    action: Action,
    /// Whether all conditions must match, or any of them.
    #[serde(default, rename = "match")]
    quantifier: Quantifier,
    /// The conditions.
    conditions: Vec<Condition>,
}

/// What to do with records that match.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// Keep them, and drop all others.
    #[default]
    Keep,
    /// Drop them, and keep all others.
    Drop,
}

/// How many conditions must match.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Quantifier {
    /// All of them.
    #[default]
    All,
    /// At least one of them.
    Any,
}

/// See the module.
pub(crate) struct Filter {
    action: Action,
    quantifier: Quantifier,
    tests: Vec<Test>,
}

impl Transform for Filter {
    type Config = Config;

    const DESCRIPTION: &'static str =
        "Keeps or drops records by conditions on fields, operation, table, topic and headers";

    fn check(config: &Config) -> Result<()> {
        if config.conditions.is_empty() {
            return Err(Error::invalid_option(
                "conditions",
                "nothing to filter by: add at least one condition",
            ));
        }
        Error::join(tests(config).filter_map(Result::err))
    }

    fn open(config: Config, _: &Context) -> Result<Self> {
        let tests = tests(&config).collect::<Result<_>>()?;
        Ok(Self { action: config.action, quantifier: config.quantifier, tests })
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let matches = match self.quantifier {
            Quantifier::All => self.tests.iter().all(|test| test.matches(record, out.arena())),
            Quantifier::Any => self.tests.iter().any(|test| test.matches(record, out.arena())),
        };
        if matches == (self.action == Action::Keep) { out.emit(record) } else { Ok(()) }
    }
}

fn tests(config: &Config) -> impl Iterator<Item = Result<Test>> {
    config
        .conditions
        .iter()
        .enumerate()
        .map(|(index, condition)| Test::new(condition).map_err(|error| error.at(index).at("conditions")))
}

#[cfg(test)]
mod tests;
