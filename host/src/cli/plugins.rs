//! `tidegate plugins`: lists plugins and shows their options.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::{HostOptions, output, setup, table};
use crate::{
    config::Environment,
    plugins::{Plugin, Registry},
};

#[derive(Debug, Args)]
pub(super) struct PluginsOptions {
    /// Plugin whose options are shown
    name: Option<String>,
    /// Print the JSON Schema of its options
    #[arg(long, requires = "name")]
    schema: bool,
}

pub(super) fn run(host: &HostOptions, options: &PluginsOptions) -> anyhow::Result<ExitCode> {
    let config = host.config(&Environment::process())?;
    setup::init_logging(&config);
    let found = setup::inspect(&config)?;
    for problem in &found.problems {
        eprintln!("warning: plugin library skipped: {problem}");
    }
    match &options.name {
        None => list(&found.registry)?,
        Some(name) => {
            let plugin = found.registry.get(name).with_context(|| unknown(name, &found.registry))?;
            show(plugin, options.schema)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str, registry: &Registry) -> String {
    let known: Vec<&str> = registry.iter().map(|plugin| plugin.manifest.name.as_str()).collect();
    format!("no plugin \"{name}\"; there are: {}", known.join(", "))
}

fn list(registry: &Registry) -> std::io::Result<()> {
    let lines = registry.iter().map(|plugin| {
        let manifest = &plugin.manifest;
        [manifest.name.as_str(), manifest.kind.name(), plugin.version(), manifest.description.as_str()]
    });
    output::print(table::plugins(lines))
}

fn show(plugin: &Plugin, schema: bool) -> anyhow::Result<()> {
    let manifest = &plugin.manifest;
    if schema {
        output::print_line(serde_json::to_string_pretty(&manifest.config_schema)?)?;
        return Ok(());
    }
    output::print_line(format_args!("{} ({}) {}", manifest.name, manifest.kind.name(), plugin.version()))?;
    output::print_line(&manifest.description)?;
    output::print_line(format_args!(
        "library: {}, built with {}",
        plugin.origin().display(),
        plugin.build()
    ))?;
    let Some(Value::Object(properties)) = manifest.config_schema.get("properties") else { return Ok(()) };
    let required = manifest.config_schema.get("required").and_then(Value::as_array);
    for (name, property) in properties {
        let required = required.is_some_and(|names| names.iter().any(|other| other == name));
        output::print_line(format_args!("\n  {name}{}", notes(&manifest.config_schema, property, required)))?;
        for line in property.get("description").and_then(Value::as_str).unwrap_or_default().lines() {
            output::print_line(format_args!("    {line}"))?;
        }
    }
    Ok(())
}

/// The type, default and other attributes of a property, in parentheses.
fn notes(root: &Value, property: &Value, required: bool) -> String {
    let mut notes = Vec::new();
    match (property.get("type"), property.get("$ref").and_then(Value::as_str)) {
        (Some(Value::String(kind)), _) => notes.push(kind.clone()),
        (Some(Value::Array(kinds)), _) => {
            notes.extend(kinds.iter().filter_map(Value::as_str).take(1).map(str::to_owned))
        }
        (_, Some(reference)) => notes.extend(choices(root, reference)),
        _ => {}
    }
    if required {
        notes.push("required".to_owned());
    }
    if let Some(default) = property.get("default").filter(|default| !default.is_null()) {
        notes.push(format!("default {default}"));
    }
    if let Some(variable) = property.get("x-env").and_then(Value::as_str) {
        notes.push(format!("environment {variable}"));
    }
    if property.get("x-secret") == Some(&Value::Bool(true)) {
        notes.push("secret".to_owned());
    }
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) }
}

/// The values of the enumeration that a property refers to.
fn choices(root: &Value, reference: &str) -> Option<String> {
    let target = root.pointer(reference.strip_prefix('#')?)?;
    let constants = target
        .get("oneOf")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(|one| one.get("const")).collect());
    let values: Vec<&Value> =
        constants.or_else(|| target.get("enum").and_then(Value::as_array).map(|all| all.iter().collect()))?;
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    (!values.is_empty()).then(|| values.join(" or "))
}
