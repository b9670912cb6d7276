//! Maps the configuration of a Kafka Connect sink, which is a map of strings, to a connector file and back.
//!
//! A file that is written from such a configuration says everything in Tidegate's own keys. Only if these keys alone would not
//! give the same configuration again, the file also has a table `[connect]` with the options as they were given, which has no
//! effect but that [`from_file`] returns them. When the file is edited so that they no longer say the same, they are ignored.
//!
//! Kafka Connect's options are read where they have the same meaning here. All others are named in [`Import::findings`]: as an
//! error if the connector would write something else without them, and as a warning otherwise. Keys of connector files are
//! options too, joined with dots: `batch.max_records`, `sink.config.path`.

mod classes;
mod common;
mod consumer;
mod converters;
mod document;
mod mapping;
mod masks;
mod own_keys;
mod placeholders;
mod predicates;
mod schema;
mod snowflake;
#[cfg(test)]
mod tests;
mod transforms;
mod urls;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::diagnostic::Severity;
use mapping::Mapping;
use own_keys::{flatten, keep};

pub use masks::MASK;
pub use placeholders::{References, references};

/// The configuration of a connector as Kafka Connect's REST API has it.
pub type Options = BTreeMap<String, String>;

/// The table of a connector file with the options as they were given.
pub(super) const GIVEN: &str = "connect";

/// What is to be said about one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub option: String,
    /// What is wrong with it, without a secret. Errors that Kafka Connect also reports have its text.
    pub message: String,
    /// An error if the connector cannot be created like this.
    pub severity: Severity,
}

/// A configuration as a connector file.
#[derive(Clone, Debug)]
pub struct Import {
    /// The text of the connector file. Without use if there are errors.
    pub text: String,
    /// What could not be mapped, in the order of the options.
    pub findings: Vec<Finding>,
}

impl Import {
    /// The findings of one kind.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity == severity)
    }

    /// Whether the configuration cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.of(Severity::Error).next().is_some()
    }
}

/// The connector file for the connector `name` with these options. `schema` is the JSON Schema of connector files, which
/// decides whether `"5"` is a number or a text. The text of the `current` file keeps its comments, its order and, where an
/// option is [`MASK`], its secret.
#[must_use]
pub fn to_file(name: &str, options: &Options, current: Option<&str>, schema: &Json) -> Import {
    let given = with_name(name, options);
    let (mut table, mut findings) = map(&given, schema);
    let old = current.and_then(|text| text.parse::<toml::Table>().ok()).unwrap_or_default();
    masks::restore(&mut table, &old, &mut findings);
    keep(&mut table, &old, &given);
    let own = flatten(name, &table, schema);
    let shown = masks::mask_options(&given, &own);
    if own != shown {
        let entries = shown.into_iter().map(|(option, value)| (option, value.into()));
        table.insert(GIVEN.to_owned(), toml::Value::Table(entries.collect()));
    }
    Import { text: document::write(current, &table), findings }
}

/// The configuration that a connector file stands for, with [`MASK`] in place of secrets that are not placeholders.
///
/// # Errors
/// When the text is not TOML; the message says where.
pub fn from_file(name: &str, text: &str, schema: &Json) -> Result<Options, toml::de::Error> {
    let mut table: toml::Table = text.parse()?;
    let given = table.remove(GIVEN).and_then(|given| given.try_into::<Options>().ok());
    if let Some(given) = given.map(|given| with_name(name, &given)) {
        let (mut mapped, _) = map(&given, schema);
        keep(&mut mapped, &table, &given);
        if masks::same(&mapped, &table) {
            return Ok(given);
        }
    }
    Ok(flatten(name, &table, schema))
}

/// The file of a configuration whose name is set, and the findings.
fn map(given: &Options, schema: &Json) -> (toml::Table, Vec<Finding>) {
    let (options, mut findings) = placeholders::translate(given);
    let (table, others) = Mapping::run(&options, schema);
    findings.extend(others);
    (table, findings)
}

fn with_name(name: &str, options: &Options) -> Options {
    let mut options = options.clone();
    options.insert("name".to_owned(), name.to_owned());
    options
}
