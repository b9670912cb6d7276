//! `/connectors/{name}/offsets`: the committed offsets of a connector's group.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::query::{Query, is_set};
use crate::{
    api::{body, problem::Problem, state::Api},
    config::{ConnectorDefinition, Subscription},
    kafka::{GroupAdmin, GroupError, GroupOffsets},
    supervisor::{ConnectorState, ConnectorStatus, DesiredState},
};

/// How long to wait until a connector has stopped, and how often to look.
const STOP_TIMEOUT: Duration = Duration::from_secs(45);
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// The body of `PATCH`.
#[derive(Debug, Deserialize)]
struct NewOffsets {
    #[serde(default)]
    offsets: Vec<NewOffset>,
}

#[derive(Debug, Deserialize)]
struct NewOffset {
    #[serde(default)]
    partition: Option<Map<String, Value>>,
    #[serde(default)]
    offset: Option<Map<String, Value>>,
}

/// What `PATCH` asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    set: GroupOffsets,
    deleted: Vec<(String, i32)>,
}

/// `GET /connectors/{name}/offsets`.
pub(in crate::api) async fn read(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    api.require(&name).await?;
    let offsets = committed(&api, &name).await?;
    let offsets = offsets.into_iter().map(|((topic, partition), offset)| {
        json!({
            "partition": { "kafka_topic": topic, "kafka_partition": partition },
            "offset": { "kafka_offset": offset },
        })
    });
    Ok(Json(json!({ "offsets": offsets.collect::<Vec<_>>() })))
}

/// `PATCH /connectors/{name}/offsets`, of a stopped connector.
pub(in crate::api) async fn alter(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    query: Query,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    api.require(&name).await?;
    let changes = changes(body::json(&body)?)?;
    require_stopped(&api, &name).await?;
    refuse_if_stored_by_sink(&api, &name, &query).await?;
    with_group(&api, &name, move |group| {
        if !changes.set.is_empty() {
            group.alter(&changes.set)?;
        }
        match changes.deleted.is_empty() {
            true => Ok(()),
            false => group.delete_offsets(&changes.deleted),
        }
    })
    .await?;
    Ok(changed("altered"))
}

/// `DELETE /connectors/{name}/offsets`, of a stopped connector.
pub(in crate::api) async fn reset(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<Value>, Problem> {
    api.require(&name).await?;
    require_stopped(&api, &name).await?;
    refuse_if_stored_by_sink(&api, &name, &query).await?;
    with_group(&api, &name, GroupAdmin::delete_group).await?;
    Ok(changed("reset"))
}

/// Refuses a change of the group's offsets if the sink stores offsets with its data, because those take precedence. `?force=true`
/// changes them anyway, for users who have deleted the sink's.
async fn refuse_if_stored_by_sink(api: &Api, name: &str, query: &Query) -> Result<(), Problem> {
    if is_set(query, "force") {
        return Ok(());
    }
    let own = name.to_owned();
    let sink = api.deployer.read(move |deployment| deployment.sink_that_stores_offsets(&own)).await.flatten();
    let Some(sink) = sink else { return Ok(()) };
    Err(Problem::bad_request(format!(
        "Failed to modify offsets for connector {name} because it doesn't support external modification of offsets: the sink \
         \"{sink}\" stores them together with its data. Delete what it has stored, and change those of the consumer group with ?force=true"
    )))
}

/// A sink that was built before sinks said so may have stored offsets of its own.
fn changed(how: &str) -> Json<Value> {
    let message = format!(
        "The Connect framework-managed offsets for this connector have been {how} successfully. However, if this connector manages \
         offsets externally, they will need to be manually {how} in the system that the connector uses."
    );
    Json(json!({ "message": message }))
}

/// The committed offsets in the topics of a connector.
pub(super) async fn committed(api: &Api, name: &str) -> Result<GroupOffsets, Problem> {
    let subscription = api.definition(name).await?.source.subscription;
    with_group(api, name, move |group| {
        group.committed(|topic| match &subscription {
            Subscription::Topics(topics) => topics.iter().any(|known| known == topic),
            Subscription::Pattern(pattern) => pattern.takes(topic),
        })
    })
    .await
}

/// Calls `work` with a client of the connector's group, on a thread that may block.
async fn with_group<T: Send + 'static>(
    api: &Api,
    name: &str,
    work: impl FnOnce(&GroupAdmin) -> Result<T, GroupError> + Send + 'static,
) -> Result<T, Problem> {
    let ConnectorDefinition { source, .. } = api.definition(name).await?;
    let done = api.clusters.run(move || {
        let properties = source.properties.to_map();
        let group = GroupAdmin::connect(&source.bootstrap_servers, &source.group_id, &properties)?;
        work(&group)
    });
    done.await?.map_err(|error| {
        let message = error.to_string();
        match error {
            GroupError::NoPartition(_) | GroupError::Unsupported(_) => Problem::bad_request(message),
            GroupError::HasMembers(_) => Problem::conflict(message),
            _ => Problem::internal(message),
        }
    })
}

/// A connector that was asked to stop may need a moment for the records that it is writing.
async fn require_stopped(api: &Api, name: &str) -> Result<(), Problem> {
    let deadline = Instant::now() + STOP_TIMEOUT;
    while api.require(name).await?.state == DesiredState::Stopped {
        let status = api.status_of(name).await?;
        let is_running =
            |status: ConnectorStatus| status.tasks.iter().any(|task| task.state != ConnectorState::Stopped);
        if !status.is_some_and(is_running) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Problem::conflict(format!("connector \"{name}\" is still stopping: try again")));
        }
        tokio::time::sleep(STOP_INTERVAL).await;
    }
    Err(Problem::bad_request(format!(
        "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector \
         by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
    )))
}

fn changes(new: NewOffsets) -> Result<Changes, Problem> {
    if new.offsets.is_empty() {
        return Err(Problem::bad_request(
            "Partitions / offsets need to be provided for an alter offsets request",
        ));
    }
    let mut changes = Changes::default();
    for NewOffset { partition, offset } in new.offsets {
        let at = partition_of(partition)?;
        match offset {
            None => changes.deleted.push(at),
            Some(offset) => drop(changes.set.insert(at, offset_of(&offset)?)),
        }
    }
    Ok(changes)
}

fn partition_of(partition: Option<Map<String, Value>>) -> Result<(String, i32), Problem> {
    let missing = "The partition for a sink connector offset cannot be null or missing";
    let partition = partition.ok_or_else(|| Problem::bad_request(missing))?;
    let keys = (partition.get("kafka_topic"), partition.get("kafka_partition"));
    let (Some(topic), Some(number)) = keys else {
        let message = "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'";
        return Err(Problem::bad_request(message));
    };
    let number = integer(number).map_err(|text| {
        Problem::bad_request(format!(
            "Failed to parse the following Kafka partition value in the provided offsets: '{text}'. Partition values for sink \
             connectors need to be integers."
        ))
    })?;
    let topic = topic.as_str().map_or_else(|| topic.to_string(), str::to_owned);
    match i32::try_from(number) {
        Ok(number) if number >= 0 => Ok((topic, number)),
        _ => Err(Problem::bad_request(format!("there is no partition {number}: write 0 or more"))),
    }
}

fn offset_of(offset: &Map<String, Value>) -> Result<i64, Problem> {
    let missing = "The offset for a sink connector should either be null or contain the key 'kafka_offset'";
    let value = offset.get("kafka_offset").ok_or_else(|| Problem::bad_request(missing))?;
    let offset = integer(value).map_err(|text| {
        Problem::bad_request(format!(
            "Failed to parse the following Kafka offset value in the provided offsets: '{text}'. Offset values for sink connectors \
             need to be integers."
        ))
    })?;
    match offset {
        0.. => Ok(offset),
        _ => Err(Problem::bad_request(format!("{offset} is not an offset: write 0 or more"))),
    }
}

/// An integer, or the text of one.
fn integer(value: &Value) -> Result<i64, String> {
    match value {
        Value::Number(number) => number.as_i64().ok_or_else(|| number.to_string()),
        Value::String(text) => text.trim().parse().map_err(|_| text.clone()),
        other => Err(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_may_be_texts_and_null_deletes() {
        let new = |json| changes(serde_json::from_value(json).unwrap());
        let at = |partition| json!({ "kafka_topic": "t", "kafka_partition": partition });
        let parsed = new(json!({ "offsets": [
            { "partition": at(json!("1")), "offset": { "kafka_offset": "5" } },
            { "partition": at(json!(2)), "offset": null },
        ] }));
        let expected = Changes {
            set: GroupOffsets::from([(("t".to_owned(), 1), 5)]),
            deleted: vec![("t".to_owned(), 2)],
        };
        assert_eq!(parsed, Ok(expected));
        for wrong in [
            json!({}),
            json!({ "offsets": [{ "offset": { "kafka_offset": 1 } }] }),
            json!({ "offsets": [{ "partition": at(json!(-1)), "offset": { "kafka_offset": 1 } }] }),
            json!({ "offsets": [{ "partition": at(json!(0)), "offset": { "kafka_offset": 1.5 } }] }),
        ] {
            assert_eq!(new(wrong).unwrap_err().status, axum::http::StatusCode::BAD_REQUEST);
        }
    }
}
