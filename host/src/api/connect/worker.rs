//! `/` and `/health`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::CONNECT_VERSION;
use crate::api::{problem::Problem, state::Api};

/// `GET /`: the version of Kafka Connect that clients know, and that of Tidegate.
pub(in crate::api) async fn root(State(api): State<Arc<Api>>) -> Json<Value> {
    let servers = api.deployer.read(|deployment| deployment.config().kafka.clone()).await;
    let cluster = match servers {
        Some(kafka) => api.clusters.cluster_id(kafka).await,
        None => None,
    };
    Json(json!({
        "version": CONNECT_VERSION,
        "commit": "unknown",
        "kafka_cluster_id": cluster,
        "tidegate_version": env!("CARGO_PKG_VERSION"),
    }))
}

/// `GET /health`.
pub(in crate::api) async fn health(State(api): State<Arc<Api>>) -> Result<Json<Value>, Problem> {
    api.status().await?;
    let message = "Worker has completed startup and is ready to handle requests.";
    Ok(Json(json!({ "status": "healthy", "message": message })))
}
