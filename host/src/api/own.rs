//! Tidegate's own endpoints: the status and commands for the command line, metrics, probes, the OpenAPI document.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{problem::Problem, state::Api};
use crate::{
    supervisor::{Command, ConnectorState, HostStatus},
    telemetry,
};

/// Names of the connectors that a command was accepted for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// Names of connectors.
    pub accepted: Vec<String>,
}

/// `GET /tidegate/v1/status`: what `tidegate status --json` prints.
pub(super) async fn status(State(api): State<Arc<Api>>) -> Result<Json<HostStatus>, Problem> {
    api.status().await.map(Json)
}

/// `POST /tidegate/v1/connectors/{name}/{command}`.
pub(super) async fn command(
    State(api): State<Arc<Api>>,
    Path((name, command)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let connectors = api.deployer.connectors().await;
    if !connectors.iter().any(|connector| connector.name == name) {
        let known: Vec<&str> = connectors.iter().map(|connector| connector.name.as_str()).collect();
        let known = known.join(", ");
        return Err(Problem::not_found(format!("no connector \"{name}\"; there are: {known}")));
    }
    send(&api, &command, Some(name)).await
}

/// `POST /tidegate/v1/{command}`: for all connectors.
pub(super) async fn command_all(
    State(api): State<Arc<Api>>,
    Path(command): Path<String>,
) -> Result<Response, Problem> {
    send(&api, &command, None).await
}

async fn send(api: &Api, command: &str, name: Option<String>) -> Result<Response, Problem> {
    let deployer = &api.deployer;
    let accepted = match command {
        "pause" => deployer.command(Command::Pause(name)).await?,
        "resume" => deployer.command(Command::Resume(name)).await?,
        "reopen" => deployer.command(Command::Reopen(name)).await?,
        "stop" => deployer.command(Command::Stop(name)).await?,
        // The command line shows the errors of the file as they are, and not in Kafka Connect's words.
        "restart" => {
            let restarted = deployer.restart(name.as_deref()).await;
            restarted.map_err(|error| Problem::conflict(error.to_string()))?
        }
        _ => return Err(Problem::of_status(StatusCode::NOT_FOUND)),
    };
    Ok((StatusCode::ACCEPTED, Json(Accepted { accepted })).into_response())
}

/// `GET /metrics`: all metrics in Prometheus' text format.
pub(super) async fn metrics() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::render_metrics())
}

/// `GET /livez`: whether the supervisor answers.
pub(super) async fn alive(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    api.status().await?;
    Ok(Json(json!({ "status": "alive" })).into_response())
}

/// `GET /readyz`: whether every connector has been started. One that has failed does not make the host unready, because the
/// others run. It says how many there are, not which, because nobody has to log in for it.
pub(super) async fn ready(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let status = api.status().await?;
    let body = readiness(&status);
    let code = if body["starting"] == 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((code, Json(body)).into_response())
}

fn readiness(status: &HostStatus) -> Value {
    let count =
        |state: ConnectorState| status.connectors.iter().filter(|connector| connector.state == state).count();
    let starting = count(ConnectorState::Starting);
    json!({
        "status": if starting == 0 { "ready" } else { "starting" },
        "starting": starting,
        "failed": count(ConnectorState::Failed),
        "rejected_files": status.rejected.len(),
    })
}

/// `GET /openapi.json`: this API as an OpenAPI document.
pub(super) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::RejectedFile;

    #[test]
    fn the_probe_names_no_connectors() {
        let rejected = RejectedFile {
            connector: "orders".to_owned(),
            file: "orders.toml".into(),
            errors: "no sink".to_owned(),
        };
        let status = HostStatus { rejected: vec![rejected], ..HostStatus::default() };
        assert_eq!(
            readiness(&status),
            json!({ "status": "ready", "starting": 0, "failed": 0, "rejected_files": 1 })
        );
    }
}
