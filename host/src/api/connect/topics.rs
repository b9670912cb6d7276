//! `/connectors/{name}/topics`: the topics that a connector has read since they were reset.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::offsets;
use crate::api::{problem::Problem, state::Api};

/// `GET /connectors/{name}/topics`: topics in which the connector's group has committed an offset, and another one than when
/// they were reset.
pub(in crate::api) async fn list(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let mut topics = BTreeSet::new();
    if api.find(&name).await.is_some() {
        let before = api.topics_reset(&name);
        let now = offsets::committed(&api, &name).await?;
        let read = now.into_iter().filter(|(partition, offset)| before.get(partition) != Some(offset));
        topics = read.map(|((topic, _), _)| topic).collect();
    }
    Ok(Json(json!({ name: { "topics": topics } })))
}

/// `PUT /connectors/{name}/topics/reset`.
pub(in crate::api) async fn reset(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    if api.find(&name).await.is_some() {
        let now = offsets::committed(&api, &name).await?;
        api.reset_topics(&name, now);
    }
    Ok(StatusCode::ACCEPTED)
}
