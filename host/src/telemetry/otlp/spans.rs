//! The traces of batches as OTLP.

use super::{
    batch_trace::{BatchSpans, StageSpan},
    messages::{
        CLIENT, CONSUMER, ERROR, INTERNAL, KeyValue, Link, Resource, ResourceSpans, Scope, ScopeSpans, Span,
        Status, TracesRequest,
    },
};

/// The traces of batches in one request.
pub(super) fn request(batches: &[BatchSpans], resource: Resource, scope: Scope) -> TracesRequest {
    let spans = batches.iter().flat_map(of_batch).collect();
    TracesRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
        }],
    }
}

/// The span of the batch, and those of its stages.
fn of_batch(batch: &BatchSpans) -> impl Iterator<Item = Span> {
    let stages = batch.stages.iter().map(move |stage| of_stage(batch, stage));
    std::iter::once(whole(batch)).chain(stages)
}

fn whole(batch: &BatchSpans) -> Span {
    let mut attributes = of_task(batch);
    attributes.extend([
        KeyValue::text("messaging.system", "kafka"),
        KeyValue::text("messaging.operation.type", "process"),
        KeyValue::text("messaging.consumer.group.name", &batch.task.group),
        KeyValue::number("messaging.batch.message_count", batch.records),
    ]);
    attributes.extend(batch.topic.iter().map(|topic| KeyValue::text("messaging.destination.name", topic)));
    let links = batch.links.iter().map(|link| Link {
        trace_id: link.trace.to_be_bytes().into(),
        span_id: link.span.to_be_bytes().into(),
    });
    Span {
        trace_id: batch.context.trace.to_be_bytes().into(),
        span_id: batch.context.span.to_be_bytes().into(),
        parent_span_id: Vec::new(),
        name: "batch".to_owned(),
        kind: CONSUMER,
        start_time_unix_nano: batch.start_ns,
        end_time_unix_nano: batch.end_ns,
        attributes,
        links: links.collect(),
        dropped_links_count: batch.dropped_links,
        status: status(batch.error.as_deref()),
    }
}

fn of_stage(batch: &BatchSpans, stage: &StageSpan) -> Span {
    let mut attributes = of_task(batch);
    let mut name = stage.name.clone();
    if let Some(plugin) = &stage.plugin {
        name = format!("{name} {plugin}");
        attributes.push(KeyValue::text("tidegate.plugin", plugin));
    }
    Span {
        trace_id: batch.context.trace.to_be_bytes().into(),
        span_id: stage.span.to_be_bytes().into(),
        parent_span_id: batch.context.span.to_be_bytes().into(),
        name,
        kind: if matches!(stage.name.as_str(), "sink" | "flush" | "commit") { CLIENT } else { INTERNAL },
        start_time_unix_nano: stage.start_ns,
        end_time_unix_nano: stage.end_ns,
        attributes,
        links: Vec::new(),
        dropped_links_count: 0,
        status: status(stage.error.as_deref()),
    }
}

fn of_task(batch: &BatchSpans) -> Vec<KeyValue> {
    vec![
        KeyValue::text("tidegate.connector", &batch.task.connector),
        KeyValue::number("tidegate.task", batch.task.task.into()),
    ]
}

fn status(error: Option<&str>) -> Option<Status> {
    error.map(|error| Status { message: error.to_owned(), code: ERROR })
}
