//! `/connectors/{name}/tasks`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;

use super::{
    configs, states,
    views::{TaskId, TaskState, tasks},
};
use crate::{
    api::{problem::Problem, state::Api},
    config::Options,
};

/// A task and its configuration.
#[derive(Debug, Serialize)]
pub(in crate::api) struct TaskInfo {
    id: TaskId,
    config: Options,
}

/// `GET /connectors/{name}/tasks`. All tasks have the configuration of their connector.
pub(in crate::api) async fn list(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<Vec<TaskInfo>>, Problem> {
    let connector = api.require(&name).await?;
    let status = api.status_of(&name).await?;
    let mut config = configs::shown(&connector, &api.schema().await?).await;
    let class = config.get("connector.class").cloned().unwrap_or_default();
    config.insert("task.class".to_owned(), class);
    let tasks = tasks(&connector, status.as_ref());
    let info =
        tasks.iter().map(|task| TaskInfo { id: TaskId::new(&name, task.task), config: config.clone() });
    Ok(Json(info.collect()))
}

/// `GET /connectors/{name}/tasks/{task}/status`.
pub(in crate::api) async fn status(
    State(api): State<Arc<Api>>,
    Path((name, task)): Path<(String, String)>,
) -> Result<Json<TaskState>, Problem> {
    let task = number(&task)?;
    let unknown = || Problem::not_found(format!("No status found for task {name}-{task}"));
    let connector = api.find(&name).await.ok_or_else(unknown)?;
    let status = api.status_of(&name).await?;
    let found = tasks(&connector, status.as_ref()).iter().find(|one| one.task == task).ok_or_else(unknown)?;
    Ok(Json(TaskState::new(found, &api.worker_id)))
}

/// `POST /connectors/{name}/tasks/{task}/restart`. The other tasks go on. The file and the libraries of the connector are not read
/// again, because all its tasks share them.
pub(in crate::api) async fn restart(
    State(api): State<Arc<Api>>,
    Path((name, task)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let task = number(&task)?;
    let unknown = || Problem::not_found(format!("Unknown connector: {name}"));
    let connector = api.find(&name).await.ok_or_else(unknown)?;
    let status = api.status_of(&name).await?;
    if !tasks(&connector, status.as_ref()).iter().any(|one| one.task == task) {
        return Err(Problem::not_found(format!("Unknown task: {name}-{task}")));
    }
    states::restart_task(&api, &name, task).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The number of a task in a path; anything else is no path.
fn number(text: &str) -> Result<u32, Problem> {
    text.parse().map_err(|_| Problem::of_status(StatusCode::NOT_FOUND))
}
