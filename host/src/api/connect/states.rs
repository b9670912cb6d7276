//! The state of a connector: status, restart, pause, resume, stop.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    query::{Query, is_set},
    views::StateInfo,
};
use crate::{
    api::{problem::Problem, state::Api},
    supervisor::{Command, DesiredState},
};

/// `GET /connectors/{name}/status`.
pub(in crate::api) async fn status(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<StateInfo>, Problem> {
    let unknown = || Problem::not_found(format!("No status found for connector {name}"));
    let connector = api.find(&name).await.ok_or_else(unknown)?;
    let status = api.status_of(&name).await?;
    Ok(Json(StateInfo::new(&connector, status.as_ref(), &api.worker_id)))
}

/// `POST /connectors/{name}/restart?includeTasks=..&onlyFailed=..`. Without parameters, Kafka Connect restarts the connector
/// without its tasks; here a connector is its tasks, so they are restarted.
pub(in crate::api) async fn restart(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found(format!("Unknown connector: {name}"));
    let connector = api.find(&name).await.ok_or_else(unknown)?;
    let (with_tasks, only_failed) = (is_set(&query, "includeTasks"), is_set(&query, "onlyFailed"));
    let status = api.status_of(&name).await?;
    let info = StateInfo::new(&connector, status.as_ref(), &api.worker_id);
    let is_stopped = connector.state == DesiredState::Stopped;
    if only_failed {
        let failed = info.tasks.iter().filter(|task| with_tasks && task.state == "FAILED");
        for task in failed {
            restart_task(&api, &name, task.id).await?;
        }
        let info = info.restarting(|task| with_tasks && task.state == "FAILED", false);
        return Ok((StatusCode::ACCEPTED, Json(info)).into_response());
    }
    // A stopped connector stays stopped.
    if !is_stopped {
        api.deployer.restart(Some(&name)).await?;
    }
    if !with_tasks {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(info.restarting(|_| true, true))).into_response())
}

/// Restarts one task. The others go on.
pub(super) async fn restart_task(api: &Api, connector: &str, task: u32) -> Result<(), Problem> {
    api.deployer.command(Command::RestartTask { connector: connector.to_owned(), task }).await?;
    Ok(())
}

/// `PUT /connectors/{name}/pause`.
pub(in crate::api) async fn pause(api: State<Arc<Api>>, name: Path<String>) -> Result<StatusCode, Problem> {
    send(&api, &name, Command::Pause, StatusCode::ACCEPTED).await
}

/// `PUT /connectors/{name}/resume`.
pub(in crate::api) async fn resume(api: State<Arc<Api>>, name: Path<String>) -> Result<StatusCode, Problem> {
    send(&api, &name, Command::Resume, StatusCode::ACCEPTED).await
}

/// `PUT /connectors/{name}/stop`.
pub(in crate::api) async fn stop(api: State<Arc<Api>>, name: Path<String>) -> Result<StatusCode, Problem> {
    send(&api, &name, Command::Stop, StatusCode::NO_CONTENT).await
}

async fn send(
    api: &Api,
    name: &str,
    command: fn(Option<String>) -> Command,
    done: StatusCode,
) -> Result<StatusCode, Problem> {
    if api.find(name).await.is_none() {
        return Err(Problem::not_found(format!("Unknown connector {name}")));
    }
    api.deployer.command(command(Some(name.to_owned()))).await?;
    Ok(done)
}
