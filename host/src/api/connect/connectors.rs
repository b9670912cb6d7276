//! `/connectors` and `/connectors/{name}`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{
        HeaderMap, StatusCode,
        header::{HOST, LOCATION},
    },
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    configs::{self, Source},
    query::Query,
    views::{ConnectorInfo, StateInfo},
};
use crate::{
    api::{auth::Peer, body, problem::Problem, state::Api},
    deployment::Put,
    supervisor::DesiredState,
};

/// The body of `POST /connectors`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewConnector {
    #[serde(default)]
    name: Option<String>,
    config: Map<String, Value>,
    #[serde(default)]
    initial_state: Option<DesiredState>,
}

/// A connector in an expanded list.
#[derive(Debug, Serialize)]
struct Expanded {
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<ConnectorInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StateInfo>,
}

/// `GET /connectors`, with `?expand=info` and `?expand=status`.
pub(in crate::api) async fn list(State(api): State<Arc<Api>>, query: Query) -> Result<Response, Problem> {
    let connectors = api.deployer.connectors().await;
    let expand: Vec<&str> =
        query.iter().filter(|(name, _)| name == "expand").map(|(_, value)| value.as_str()).collect();
    if expand.is_empty() {
        let names: Vec<&str> = connectors.iter().map(|connector| connector.name.as_str()).collect();
        return Ok(Json(names).into_response());
    }
    let status = api.status().await?;
    let schema = api.schema().await?;
    let mut all = BTreeMap::new();
    for connector in &connectors {
        let status = status.connectors.iter().find(|status| status.name == connector.name);
        let info = match expand.contains(&"info") {
            true => Some(ConnectorInfo::new(connector, configs::shown(connector, &schema).await, status)),
            false => None,
        };
        let state = expand.contains(&"status").then(|| StateInfo::new(connector, status, &api.worker_id));
        all.insert(connector.name.clone(), Expanded { info, status: state });
    }
    Ok(Json(all).into_response())
}

/// `POST /connectors`.
pub(in crate::api) async fn create(
    State(api): State<Arc<Api>>,
    peer: axum::Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let new: NewConnector = body::json(&body)?;
    let options = body::set_options(new.config)?;
    let name = new.name.or_else(|| options.get("name").cloned()).unwrap_or_default();
    let source = Source { peer: &peer, options, put: Put::Create, initial: new.initial_state };
    let (_, info) = configs::put(&api, name.trim(), source).await?;
    Ok(created(&api, &headers, info))
}

/// The answer to the creation of a connector.
pub(super) fn created(api: &Api, headers: &HeaderMap, info: ConnectorInfo) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(&api.worker_id);
    let location = format!("{}://{host}/connectors/{}", api.scheme, info.name);
    (StatusCode::CREATED, [(LOCATION, location)], Json(info)).into_response()
}

/// `GET /connectors/{name}`.
pub(in crate::api) async fn info(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<ConnectorInfo>, Problem> {
    let connector = api.require(&name).await?;
    let status = api.status_of(&name).await?;
    let config = configs::shown(&connector, &api.schema().await?).await;
    Ok(Json(ConnectorInfo::new(&connector, config, status.as_ref())))
}

/// `DELETE /connectors/{name}`.
pub(in crate::api) async fn remove(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    api.require(&name).await?;
    api.deployer.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
