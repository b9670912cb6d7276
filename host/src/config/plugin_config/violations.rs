//! Turns violations of a plugin's schema into findings that name the key, its line, and what to do.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;
use tidegate_plugin::{ByteSize, HumanDuration};

use super::options::{WrittenOptions, outside};
use super::{PluginSummary, schema};
use crate::config::section::{Section, join, quoted};
use crate::config::suggest;

/// Reports every violation in `value` at the key that caused it, or at the header of the section `config` if the key is not
/// there.
pub(super) fn report(
    validator: &Validator,
    value: &Value,
    plugin: &PluginSummary,
    options: &WrittenOptions,
    config: &Section<'_>,
) {
    let context = Context { value, schema: &plugin.config_schema, options, config };
    let errors: Vec<ValidationError<'_>> = validator.iter_errors(value).collect();
    let of_wrong_type = |error: &ValidationError<'_>| {
        let path = error.instance_path().as_str();
        errors.iter().any(|other| is_about_type(other, path))
    };
    for error in &errors {
        if is_about_type(error, error.instance_path().as_str()) || !of_wrong_type(error) {
            context.violation(error);
        }
    }
}

struct Context<'a> {
    value: &'a Value,
    schema: &'a Value,
    options: &'a WrittenOptions,
    config: &'a Section<'a>,
}

impl Context<'_> {
    fn violation(&self, error: &ValidationError<'_>) {
        match error.kind() {
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => self.alternatives(error, context),
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                unexpected.iter().for_each(|name| self.unknown(error, name));
            }
            // What the validator reports for `additionalProperties: false` when the schema has no properties at all:
            // the path is the object's, so every key of it is unknown.
            Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
                let object = self.value.pointer(error.instance_path().as_str());
                let fields = object.and_then(Value::as_object);
                fields
                    .into_iter()
                    .flat_map(|fields| fields.keys())
                    .for_each(|name| self.unknown(error, name));
            }
            Kind::Required { property } => self.missing(error, property.as_str().unwrap_or_default()),
            kind => self.plain(error, self.describe(error, kind), None),
        }
    }

    fn plain(&self, error: &ValidationError<'_>, message: String, help: Option<String>) {
        let pointer = error.instance_path().as_str();
        let at = self.options.locate(pointer);
        if let Some(variable) = self.options.variable(pointer) {
            let (location, message) = outside(&message, variable);
            return self.config.report().error(&location, &at.shown(), message, help);
        }
        if !at.is_unresolved {
            self.config.report().error(&at.location, &at.shown(), message, help);
        }
    }

    fn unknown(&self, error: &ValidationError<'_>, name: &str) {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        let at = self.options.locate(&format!("{}/{escaped}", error.instance_path().as_str()));
        let known: Vec<&str> = self.siblings(error).into_iter().map(|(name, _)| name).collect();
        let help = suggest::help(name, "known keys", &known);
        self.config.report().error(&at.location, &at.shown(), format!("unknown key {name:?}"), Some(help));
    }

    fn missing(&self, error: &ValidationError<'_>, name: &str) {
        let property = self.siblings(error).into_iter().find(|(known, _)| *known == name);
        let variable = property.and_then(|(_, property)| schema::variable(self.schema, property));
        let help = match variable {
            Some(variable) => format!("add {name} = ..., or set the environment variable {variable}"),
            None => format!("add {name} = ..."),
        };
        let mut at = self.options.locate(error.instance_path().as_str());
        at.path = join(&at.path, name);
        if at.layer != self.config.layer() {
            // A table that only `[defaults]` has: the key is missing in the connector's file.
            (at.location, at.layer) = (self.config.location().clone(), self.config.layer());
        }
        if !at.is_unresolved {
            self.config.report().error(&at.location, &at.shown(), "is missing", Some(help));
        }
    }

    /// None of several schemas fits. If they only differ in the values or types they allow, those are listed;
    /// otherwise the violations of the schema that came nearest are reported.
    fn alternatives(&self, error: &ValidationError<'_>, context: &[Vec<ValidationError<'_>>]) {
        let here = error.instance_path().as_str();
        let mut names = vec![];
        let mut types = vec![];
        for inner in context.iter().flatten().filter(|inner| inner.instance_path().as_str() == here) {
            match inner.kind() {
                Kind::Enum { options } => names.extend(options.as_array().into_iter().flatten().cloned()),
                Kind::Constant { expected_value } => names.push(Value::clone(expected_value)),
                Kind::Type { .. } => types.extend(self.expected_types(inner)),
                _ => {}
            }
        }
        let fitting = context.iter().filter(|inner| inner.iter().all(|error| !is_about_type(error, here)));
        // A constant that differs is most likely the tag of another variant.
        let tags = |branch: &[ValidationError<'_>]| {
            branch
                .iter()
                .filter(|error| matches!(error.kind(), Kind::Constant { .. } | Kind::Enum { .. }))
                .count()
        };
        match fitting.min_by_key(|branch| (tags(branch), branch.len())) {
            _ if !names.is_empty() && !error.instance().is_object() => {
                let (message, help) = self.not_among(error, &names);
                self.plain(error, message, help);
            }
            Some(branch) => branch.iter().for_each(|inner| self.violation(inner)),
            None => self.plain(
                error,
                format!("expected {}, found {}", either(&types), found(error.instance())),
                None,
            ),
        }
    }

    fn not_among(&self, error: &ValidationError<'_>, names: &[Value]) -> (String, Option<String>) {
        let texts: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        match error.instance().as_ref() {
            Value::String(text) if texts.len() == names.len() => {
                let text = self.config.report().with_secrets(|secrets| secrets.mask(text).into_owned());
                (format!("unknown value {text:?}"), Some(suggest::help(&text, "known values", &texts)))
            }
            other if texts.len() == names.len() => {
                (format!("expected {}, found {}", quoted(&texts), found(other)), None)
            }
            _ => {
                let names: Vec<String> = names.iter().map(Value::to_string).collect();
                (format!("expected one of {}", names.join(", ")), None)
            }
        }
    }

    fn describe(&self, error: &ValidationError<'_>, kind: &Kind) -> String {
        match kind {
            Kind::Type { .. } => {
                format!("expected {}, found {}", either(&self.expected_types(error)), found(error.instance()))
            }
            Kind::Enum { options } => {
                let names = options.as_array().map(Vec::as_slice).unwrap_or_default();
                let (message, help) = self.not_among(error, names);
                help.map_or(message.clone(), |help| format!("{message}: {help}"))
            }
            Kind::Constant { expected_value } => format!("must be {expected_value}"),
            Kind::Minimum { limit } => format!("must be at least {limit}"),
            Kind::Maximum { limit } => format!("must be at most {limit}"),
            Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
            Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
            Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
            Kind::MinLength { limit } => format!("must have at least {limit} characters"),
            Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
            Kind::MinItems { limit } => format!("must have at least {limit} entries"),
            Kind::MaxItems { limit } => format!("must have at most {limit} entries"),
            Kind::UniqueItems => "has the same entry twice".to_owned(),
            Kind::Pattern { pattern } => self.mismatch(error, pattern),
            Kind::Format { format } => format!("must be a valid {format}"),
            // Other messages may contain the value, which may be a secret.
            other => format!("does not fit the plugin's schema: keyword {:?}", other.keyword()),
        }
    }

    /// A text that does not match a pattern: for types of the SDK in its words, since nobody wants to read their patterns.
    fn mismatch(&self, error: &ValidationError<'_>, pattern: &str) -> String {
        let (parent, _) = error.schema_path().as_str().rsplit_once('/').unwrap_or_default();
        let format = self.schema.pointer(parent).and_then(|schema| schema.get("x-format")?.as_str());
        let instance = error.instance();
        let text = instance.as_str().unwrap_or_default();
        let known = match format {
            Some("duration") => text.parse::<HumanDuration>().err().map(|error| error.to_string()),
            Some("size") => text.parse::<ByteSize>().err().map(|error| error.to_string()),
            _ => None,
        };
        known.unwrap_or_else(|| format!("must match the pattern {pattern:?}"))
    }

    fn expected_types(&self, error: &ValidationError<'_>) -> Vec<&str> {
        match self.schema.pointer(error.schema_path().as_str()) {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        }
    }

    /// The properties declared beside the one that a violation is about.
    fn siblings(&self, error: &ValidationError<'_>) -> Vec<(&str, &Value)> {
        let (parent, _) = error.schema_path().as_str().rsplit_once('/').unwrap_or_default();
        self.schema.pointer(parent).map(|schema| schema::properties(self.schema, schema)).unwrap_or_default()
    }
}

fn is_about_type(error: &ValidationError<'_>, path: &str) -> bool {
    matches!(error.kind(), Kind::Type { .. }) && error.instance_path().as_str() == path
}

/// "a string or null", in the words of TOML.
fn either(types: &[&str]) -> String {
    let mut names: Vec<&str> =
        types.iter().filter(|name| **name != "null").map(|name| in_words(name)).collect();
    names.dedup();
    if names.is_empty() { "another type".to_owned() } else { names.join(" or ") }
}

fn in_words(json_type: &str) -> &'static str {
    match json_type {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        _ => "nothing",
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "an integer",
        Value::Bool(_) => "a boolean",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
        Value::Null => "nothing",
    }
}
