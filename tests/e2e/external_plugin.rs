//! A plugin from outside the workspace.

use tidegate_tests::{Broker, ExternalProject, Home};

/// The manifest of a plugin, as a user writes it.
pub(crate) fn manifest(name: &str) -> String {
    format!(
        "[workspace]\n[package]\nname = \"{name}\"\nversion = \"0.1.0\"\ndescription = \"A plugin of somebody's own\"\n\
         edition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\ntidegate-plugin = {{ path = \"@root/plugins/sdk\" }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\nschemars = \"1\"\n"
    )
}

const SOURCE: &str = r#"
#![forbid(unsafe_code)]
use tidegate_plugin::prelude::*;

/// Keeps rows whose amount reaches a minimum.
#[derive(Deserialize, JsonSchema)]
struct Config {
    /// The minimum.
    minimum: f64,
}

struct Large(Config);

impl Transform for Large {
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self> {
        Ok(Self(config))
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        let amount = record.value().get("amount").and_then(|amount| amount.as_f64());
        if amount.is_some_and(|amount| amount >= self.0.minimum) { out.emit(record) } else { Ok(()) }
    }
}

export_plugin!(transform: Large);
"#;

#[test]
fn a_plugin_from_another_project_runs_in_a_connector() {
    let project = ExternalProject::new(
        "large-only",
        [("Cargo.toml", manifest("large-only")), ("src/lib.rs", SOURCE.to_owned())],
    );
    let broker = Broker::with_events([r#"{"amount":1}"#, r#"{"amount":100.5}"#, r#"{"amount":"many"}"#]);
    let home = Home::new(&["misbehaving"]);
    home.add_library(&project.library("large-only"));
    let recording = home.recorder("a", "", "[[transforms]]\nplugin = \"large-only\"\nconfig.minimum = 50\n");
    let _finished = home.run_once(&broker).expect_code(0);
    assert_eq!(recording.offsets(), [1]);
    home.recorder("b", "", "[[transforms]]\nplugin = \"large-only\"\n");
    let finished = home.run(&["validate"]).expect_code(1);
    assert!(finished.stdout.contains("transforms[0].config.minimum: is missing"), "{}", finished.stdout);
}
