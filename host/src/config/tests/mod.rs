//! Tests of the whole module: from files and variables to definitions and findings.

mod bad_input;
mod files;
mod placeholders;
mod plugins;
mod precedence;
mod registry;
mod whole_file;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A folder with a host's file and connector files, an environment, and a few plugins.
struct Folder {
    dir: TempDir,
    host: Option<String>,
    flags: HostFlags,
    environment: Vec<(String, String)>,
}

/// A connector file that is fine.
const MINIMAL: &str = "source.topics = [\"cdc.public.customers\"]\nsink.plugin = \"discard\"\n";

impl Folder {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("connectors.d")).unwrap();
        Self { dir, host: None, flags: HostFlags::default(), environment: vec![] }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), content).unwrap();
        self
    }

    fn connector(self, name: &str, content: &str) -> Self {
        self.file(&format!("connectors.d/{name}.toml"), content)
    }

    fn host(mut self, content: &str) -> Self {
        self.host = Some(content.to_owned());
        self.file("tidegate.toml", content)
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn environment(&self) -> Environment {
        self.environment.iter().cloned().collect()
    }

    /// The host's configuration and its findings.
    fn read_host(&self) -> (HostConfig, Vec<String>) {
        let path = self.host.as_ref().map(|_| self.path("tidegate.toml"));
        let (config, diagnostics) = HostConfig::read(path.as_deref(), &self.flags, &self.environment());
        (config, self.lines(&diagnostics))
    }

    /// All connectors and the findings in their files; the host's file must be fine.
    fn load(&self) -> LoadedConnectors {
        let (host, findings) = self.read_host();
        assert_eq!(findings, [""; 0]);
        load_connectors(&[self.path("connectors.d")], &host, &Plugins, &self.environment())
    }

    /// The findings in connector files, without the folder's name.
    fn findings(&self) -> Vec<String> {
        self.lines(&self.load().diagnostics)
    }

    /// The only connector, which must be fine.
    fn only(&self) -> ConnectorDefinition {
        let mut loaded = self.load();
        assert_eq!(self.lines(&loaded.diagnostics), [""; 0]);
        assert_eq!(loaded.valid.len(), 1);
        loaded.valid.remove(0)
    }

    fn lines(&self, diagnostics: &Diagnostics) -> Vec<String> {
        let folder = format!("{}/", self.dir.path().display());
        diagnostics.iter().map(|diagnostic| diagnostic.to_string().replace(&folder, "")).collect()
    }
}

/// The findings in one connector file.
fn findings_in(content: &str) -> Vec<String> {
    Folder::new().connector("a", content).findings()
}

/// The findings in a file that is fine but for `extra`, which begins in line 3.
fn findings_with(extra: &str) -> Vec<String> {
    findings_in(&format!("{MINIMAL}{extra}"))
}

/// The only connector of a file that is fine.
fn only(content: &str) -> ConnectorDefinition {
    Folder::new().connector("a", content).only()
}

/// `discard` takes nothing, `console` a little, `snowflake` a lot, `prices` is a transform.
struct Plugins;

impl PluginCatalog for Plugins {
    fn find(&self, name: &str) -> Option<PluginSummary> {
        let (kind, config_schema) = match name {
            "discard" => (PluginKind::Sink, json!({ "type": "object", "additionalProperties": false })),
            "console" => (PluginKind::Sink, console()),
            "snowflake" => (PluginKind::Sink, snowflake()),
            "prices" => (PluginKind::Transform, prices()),
            "broken" => (PluginKind::Sink, json!({ "type": "no such type" })),
            _ => return None,
        };
        Some(PluginSummary { name: name.to_owned(), kind, config_schema, durable_on_flush: false })
    }

    fn names(&self) -> Vec<String> {
        ["snowflake", "discard", "console", "prices", "broken"].map(str::to_owned).into()
    }
}

/// As schemars writes it: enums with documented variants, optional values, references.
fn console() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "style": { "$ref": "#/$defs/Style" },
            "color": { "type": ["boolean", "null"] },
            "target": { "anyOf": [{ "$ref": "#/$defs/Target" }, { "type": "null" }] },
            "indent": { "type": "integer", "minimum": 0, "maximum": 8 },
            "tables": { "type": "array", "items": { "type": "string", "minLength": 1 } }
        },
        "$defs": {
            "Style": { "oneOf": [{ "type": "string", "enum": ["human", "json"] }, { "const": "compact" }] },
            "Target": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "path": { "type": "string" } },
                "required": ["path"]
            }
        }
    })
}

fn snowflake() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["account", "database"],
        "properties": {
            "account": { "type": "string", "x-env": "SNOWFLAKE_ACCOUNT" },
            "database": { "type": "string" },
            "password": { "type": ["string", "null"], "x-env": "SNOWFLAKE_PASSWORD", "x-secret": true },
            "pin": { "type": "integer", "x-secret": true },
            "mode": { "enum": ["key", "token"], "x-secret": true },
            "timeout": { "type": "number", "x-env": "SNOWFLAKE_TIMEOUT" },
            "retries": { "type": "integer", "minimum": 0, "x-env": "SNOWFLAKE_RETRIES" },
            "verify": { "type": "boolean", "x-env": "SNOWFLAKE_VERIFY" },
            "proxy": { "$ref": "#/$defs/Proxy" }
        },
        "$defs": {
            "Proxy": {
                "type": "object",
                "properties": {
                    "url": { "type": "string", "x-env": "PROXY_URL" },
                    "headers": {
                        "type": "object",
                        "additionalProperties": { "type": "string", "x-secret": true }
                    }
                }
            }
        }
    })
}

fn prices() -> Value {
    json!({ "type": "object", "required": ["field"], "properties": { "field": { "type": "string" } } })
}
