//! What the handlers share.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use serde_json::Value as Json;

use super::{clusters::ClusterQueries, problem::Problem};
use crate::{
    config::{ApiConfig, ConnectorDefinition, connector_schema},
    deployment::{ConnectorFile, DeployError, Deployer},
    kafka::GroupOffsets,
    supervisor::{Catalog, ConnectorStatus, HostStatus, Rejected},
};

/// What the handlers share.
pub(super) struct Api {
    pub(super) deployer: Deployer,
    pub(super) config: ApiConfig,
    /// `host:port` of this worker.
    pub(super) worker_id: String,
    pub(super) scheme: &'static str,
    /// The committed offsets when the topics of a connector were reset.
    topics_reset: Mutex<BTreeMap<String, GroupOffsets>>,
    pub(super) clusters: ClusterQueries,
}

impl Api {
    pub(super) fn new(
        deployer: Deployer,
        config: ApiConfig,
        address: Option<SocketAddr>,
        scheme: &'static str,
    ) -> Self {
        let worker_id = address.map_or_else(|| "control socket".to_owned(), |address| address.to_string());
        let (topics_reset, clusters) = Default::default();
        Self { deployer, config, worker_id, scheme, topics_reset, clusters }
    }

    /// The status of the host.
    ///
    /// # Errors
    /// When the host is stopping.
    pub(super) async fn status(&self) -> Result<HostStatus, Problem> {
        self.deployer.status().await.map_err(|_| stopping())
    }

    /// The status of one connector; `None` if it does not run.
    ///
    /// # Errors
    /// When the host is stopping.
    pub(super) async fn status_of(&self, name: &str) -> Result<Option<ConnectorStatus>, Problem> {
        Ok(self.status().await?.connectors.into_iter().find(|connector| connector.name == name))
    }

    /// A connector, running or not.
    pub(super) async fn find(&self, name: &str) -> Option<ConnectorFile> {
        self.deployer.connectors().await.into_iter().find(|connector| connector.name == name)
    }

    /// As [`Api::find`].
    ///
    /// # Errors
    /// That there is none, in Kafka Connect's words.
    pub(super) async fn require(&self, name: &str) -> Result<ConnectorFile, Problem> {
        self.find(name).await.ok_or_else(|| Problem::not_found(format!("Connector {name} not found")))
    }

    /// The definition that a connector runs with.
    ///
    /// # Errors
    /// When it does not run, because its file is off or invalid.
    pub(super) async fn definition(&self, name: &str) -> Result<ConnectorDefinition, Problem> {
        let own = name.to_owned();
        let definition = self.deployer.read(move |deployment| deployment.definition(&own)).await;
        definition.flatten().ok_or_else(|| {
            Problem::conflict(format!(
                "connector \"{name}\" does not run, because its file is off or invalid"
            ))
        })
    }

    /// The JSON Schema of connector files.
    ///
    /// # Errors
    /// When the host is stopping.
    pub(super) async fn schema(&self) -> Result<Json, Problem> {
        let schema = self
            .deployer
            .read(|deployment| connector_schema(&Catalog(deployment.registry()), deployment.config()));
        schema.await.ok_or_else(stopping)
    }

    /// The committed offsets of a connector when its topics were reset.
    pub(super) fn topics_reset(&self, name: &str) -> GroupOffsets {
        let resets = self.topics_reset.lock().unwrap_or_else(PoisonError::into_inner);
        resets.get(name).cloned().unwrap_or_default()
    }

    /// Resets the topics of a connector.
    pub(super) fn reset_topics(&self, name: &str, offsets: GroupOffsets) {
        self.topics_reset.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), offsets);
    }
}

/// The text of a connector's file: that of the file itself if it is not used, so that it can be corrected.
pub(super) async fn text_of(connector: &ConnectorFile) -> String {
    if let (Some(text), None) = (&connector.text, &connector.errors) {
        return text.clone();
    }
    let file = connector.file.clone();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file));
    read.await.ok().and_then(Result::ok).unwrap_or_default()
}

/// The text of a connector's file, if there is a connector.
pub(super) async fn text_of_existing(connector: Option<&ConnectorFile>) -> Option<String> {
    match connector {
        Some(connector) => Some(text_of(connector).await),
        None => None,
    }
}

pub(super) fn stopping() -> Problem {
    Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "the host is stopping")
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Self {
        Self::conflict(rejected.to_string())
    }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Unknown { name, .. } => Self::not_found(format!("Connector {name} not found")),
            DeployError::Exists(name) => Self::conflict(format!("Connector {name} already exists")),
            DeployError::Invalid(diagnostics) => super::connect::invalid::of_file(&diagnostics),
            DeployError::Stopping => stopping(),
            DeployError::File { .. }
            | DeployError::NoFolder
            | DeployError::Unavailable { .. }
            | DeployError::Ambiguous { .. } => Self::conflict(error.to_string()),
            DeployError::Plugin(_) => Self::internal(error.to_string()),
        }
    }
}
