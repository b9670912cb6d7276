//! A configuration for unit tests, of a sink without a database.

use std::collections::BTreeMap;

use tidegate_plugin::prelude::*;

use crate::{
    names::{NameRules, Naming},
    options::{Options, Settings, TableOptions, TableSettings},
    plan::Planner,
};

pub(crate) const RULES: NameRules =
    NameRules { database: "The database", max_characters: 255, max_bytes: 1_020, tells_case_apart: true };

/// The configuration.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Config {
    #[serde(flatten)]
    pub(crate) options: Options,
    #[serde(default)]
    tables: BTreeMap<String, TableConfig>,
    #[serde(default)]
    warehouse: Option<String>,
    #[serde(default)]
    snapshot_warehouse: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct TableConfig {
    #[serde(flatten)]
    options: TableOptions<String>,
    #[serde(default)]
    warehouse: Option<String>,
}

/// A planner for the configuration.
pub(crate) fn planner(config: &Config) -> Result<Planner> {
    let table = |(name, table): (&String, &TableConfig)| {
        let (options, warehouse) = (table.options.clone(), table.warehouse.clone());
        (name.clone(), TableSettings { options, warehouse })
    };
    let settings = Settings {
        options: config.options.clone(),
        tables: config.tables.iter().map(table).collect(),
        warehouse: config.warehouse.clone(),
        snapshot_warehouse: config.snapshot_warehouse.clone(),
        max_statement_bytes: usize::MAX,
        stored_rows: None,
        max_value_bytes: usize::MAX,
    };
    let options = &settings.options;
    let naming = Naming::new(&options.table, options.identifiers, RULES)?;
    Ok(Planner::new(&settings, naming))
}
