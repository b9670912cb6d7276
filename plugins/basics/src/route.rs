//! The `route` transform: renames topics and tables by a pattern, like Kafka Connect's `RegexRouter`.

use std::collections::HashMap;

use regex::Regex;
use tidegate_plugin::prelude::*;

use crate::pattern;

/// Configuration of `route`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// Renames topics.
    topic: Option<Rule>,
    /// Renames the tables of change events.
    table: Option<Rule>,
}

/// A rule for renaming.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Rule {
    /// Regular expression that the whole name must match. Other names are not changed.
    pattern: String,
    /// The new name. `$1` is the first group, `${name}` a named group, `$$` a dollar sign.
    replacement: String,
    /// Replace every matching part of the name, instead of requiring the whole name to match.
    #[serde(default)]
    partial: bool,
}

/// See the module.
pub(crate) struct Route {
    topic: Option<Renamer>,
    table: Option<Renamer>,
}

impl Transform for Route {
    type Config = Config;

    const DESCRIPTION: &'static str = "Renames topics and tables by a pattern";

    fn check(config: &Config) -> Result<()> {
        if config.topic.is_none() && config.table.is_none() {
            return Err(Error::invalid_config(
                "nothing to do: set `topic` or `table`, each with `pattern` and `replacement`",
            ));
        }
        let rules = [renamer("topic", &config.topic), renamer("table", &config.table)];
        Error::join(rules.into_iter().filter_map(Result::err))
    }

    fn open(config: Config, _: &Context) -> Result<Self> {
        Ok(Self { topic: renamer("topic", &config.topic)?, table: renamer("table", &config.table)? })
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let arena = out.arena();
        let mut output = Output::of(record);
        if let Some(topic) =
            self.topic.as_mut().map(|topic| topic.rename(record.topic())).transpose()?.flatten()
        {
            output = output.topic(arena, topic);
        }
        if let (Some(renamer), Some(change)) = (&mut self.table, record.change())
            && let Some(table) = renamer.rename(change.table())?
        {
            output = output.table(arena, table);
        }
        out.emit(output)
    }
}

fn renamer(key: &str, rule: &Option<Rule>) -> Result<Option<Renamer>> {
    rule.as_ref().map(Renamer::new).transpose().map_err(|error| error.at(key))
}

/// A compiled rule with a cache, because few distinct names occur.
struct Renamer {
    pattern: Regex,
    replacement: String,
    cache: HashMap<String, Option<String>>,
    /// The new name of one that is too long to be cached.
    uncached: Option<String>,
}

/// Maximum size of the cache: far more than a connector has topics or tables.
const MAX_CACHED: usize = 10_000;

/// The longest name in the cache, in bytes: longer than those of topics and of most databases' tables.
const MAX_CACHED_NAME: usize = 512;

impl Renamer {
    fn new(rule: &Rule) -> Result<Self> {
        let compile = if rule.partial { pattern::anywhere } else { pattern::whole };
        let pattern = compile("pattern", &rule.pattern)?;
        let replacement = braced(&rule.replacement);
        check_groups(&pattern, &replacement)?;
        Ok(Self { pattern, replacement, cache: HashMap::new(), uncached: None })
    }

    /// The new name, if it is different.
    fn rename(&mut self, name: &str) -> Result<Option<&str>> {
        if name.len() > MAX_CACHED_NAME {
            self.uncached = self.renamed(name)?;
            return Ok(self.uncached.as_deref());
        }
        if !self.cache.contains_key(name) {
            if self.cache.len() >= MAX_CACHED {
                self.cache.clear();
            }
            self.cache.insert(name.to_owned(), self.renamed(name)?);
        }
        Ok(self.cache.get(name).and_then(Option::as_deref))
    }

    fn renamed(&self, name: &str) -> Result<Option<String>> {
        if !self.pattern.is_match(name) {
            return Ok(None);
        }
        let new = self.pattern.replace_all(name, self.replacement.as_str());
        if new.is_empty() {
            return Err(Error::rejected(format_args!(
                "the new name of {name:?} is empty: correct `replacement`"
            )));
        }
        Ok((new != name).then(|| new.into_owned()))
    }
}

/// Converts `$1_x` to `${1}_x`. Otherwise the regex crate would look for a group called `1_x`.
fn braced(replacement: &str) -> String {
    let mut braced = String::with_capacity(replacement.len());
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('$') {
        braced.push_str(before);
        let digits = after.len() - after.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        // `$$` is an escaped dollar sign: its second half does not start a group.
        let taken = if after.starts_with('$') { 1 } else { digits };
        let (group, after) = after.split_at(taken);
        match digits {
            0 => braced.extend(["$", group]),
            _ => braced.extend(["${", group, "}"]),
        }
        rest = after;
    }
    braced.push_str(rest);
    braced
}

/// Checks that all groups exist: an unknown group would silently be replaced with nothing.
fn check_groups(pattern: &Regex, replacement: &str) -> Result<()> {
    let unescaped = replacement.replace("$$", "");
    for reference in unescaped.split("${").skip(1) {
        let name = reference.split('}').next().unwrap_or_default();
        let known = match name.parse::<usize>() {
            Ok(number) => number < pattern.captures_len(),
            Err(_) => pattern.capture_names().flatten().any(|known| known == name),
        };
        if !known {
            return Err(Error::invalid_option(
                "replacement",
                format_args!("the pattern has no group ${name}: put (..) around a part of it"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use tidegate_plugin::testing::{Applied, Event, Records, TransformTest};

    use super::*;

    fn run(config: Json) -> Applied {
        let records = Records::new().event(Event::insert("customers").after(json!({"id": 1}))).json(
            "other.topic",
            Json::Null,
            json!({"id": 1}),
        );
        TransformTest::<Route>::open(config).unwrap().apply(&records).unwrap()
    }

    fn error(config: Json) -> String {
        TransformTest::<Route>::open(config).unwrap_err().to_string()
    }

    #[test]
    fn matching_topics_are_renamed() {
        let applied = run(json!({"topic": {"pattern": r"cdc\.public\.(.*)", "replacement": "shop_$1_v2"}}));
        assert_eq!(applied.records[0].topic, "shop_customers_v2");
        assert_eq!(applied.records[0].table, "customers");
        assert_eq!(applied.records[1].topic, "other.topic");
    }

    #[test]
    fn the_whole_name_must_match_unless_partial_is_set() {
        let applied = run(json!({"topic": {"pattern": "public", "replacement": "x"}}));
        assert_eq!(applied.records[0].topic, "cdc.public.customers");
        let applied = run(json!({"topic": {"pattern": r"\.", "replacement": "_", "partial": true}}));
        assert_eq!(applied.records[0].topic, "cdc_public_customers");
        assert_eq!(applied.records[1].topic, "other_topic");
    }

    #[test]
    fn tables_are_renamed_together_with_topics() {
        let rule = json!({"pattern": "(?<name>c.*)", "replacement": "dim_${name}"});
        let applied = run(json!({"table": rule, "topic": rule}));
        assert_eq!(applied.records[0].table, "dim_customers");
        assert_eq!(applied.records[0].topic, "dim_cdc.public.customers");
        assert_eq!(applied.records[0].after, json!({"id": 1}));
        assert_eq!(applied.records[1].table, "");
    }

    #[test]
    fn group_references_work_as_in_kafka_connect() {
        assert_eq!(braced("$1_x$$1${2}$name$10"), "${1}_x$$1${2}$name${10}");
        assert_eq!(braced("a$"), "a$");
    }

    #[test]
    fn invalid_options_are_rejected() {
        assert!(error(json!({})).starts_with("nothing to do"));
        assert!(error(json!({"topic": {"pattern": "(", "replacement": ""}})).starts_with("topic.pattern: "));
        let message = error(json!({"table": {"pattern": "x", "replacement": "$1"}}));
        assert_eq!(message, "table.replacement: the pattern has no group $1: put (..) around a part of it");
    }

    #[test]
    fn an_empty_name_rejects_the_record() {
        let applied = run(json!({"topic": {"pattern": "cdc(.*)", "replacement": ""}}));
        assert_eq!(applied.records.len(), 1);
        assert!(
            applied.rejected[0].1.contains("the new name of \"cdc.public.customers\" is empty"),
            "{applied:?}"
        );
    }
}
