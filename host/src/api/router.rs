//! All endpoints.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::StatusCode,
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post, put},
};

use super::{
    connect::{configs, connectors, loggers, offsets, plugins, states, tasks, topics, worker},
    guard::{Guard, guard},
    own,
    problem::Problem,
    server::{self, ApiListener},
    socket::ControlSocket,
    state::Api,
};
use crate::{config::ApiConfig, deployment::Deployer};

/// The largest body that is read.
const MAX_BODY_BYTES: usize = 1 << 20;
/// As long as Kafka Connect takes at most, including the time in which the client sends the body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Serves the API on the control socket and, if there is one, on `listener`, as long as the future is polled.
pub async fn serve(
    deployer: Deployer,
    config: ApiConfig,
    socket: &ControlSocket,
    listener: Option<ApiListener>,
) {
    let guard = Arc::new(Guard::new(&config));
    let address = listener.as_ref().and_then(ApiListener::address);
    let scheme = listener.as_ref().map_or("http", ApiListener::scheme);
    let api = Arc::new(Api::new(deployer, config, address, scheme));
    server::serve(router(api, guard), socket, listener).await;
}

fn router(api: Arc<Api>, checks: Arc<Guard>) -> Router {
    Router::new()
        .merge(connect_routes())
        .merge(own_routes())
        .method_not_allowed_fallback(async || Problem::of_status(StatusCode::METHOD_NOT_ALLOWED))
        .fallback(async || Problem::of_status(StatusCode::NOT_FOUND))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(with_timeout))
        .layer(from_fn_with_state(checks, guard))
        .with_state(api)
}

/// Kafka Connect's endpoints.
fn connect_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/", get(worker::root))
        .route("/health", get(worker::health))
        .route("/connectors", get(connectors::list).post(connectors::create))
        .route("/connectors/{name}", get(connectors::info).delete(connectors::remove))
        .route("/connectors/{name}/config", get(configs::read).put(configs::replace).patch(configs::change))
        .route("/connectors/{name}/status", get(states::status))
        .route("/connectors/{name}/restart", post(states::restart))
        .route("/connectors/{name}/pause", put(states::pause))
        .route("/connectors/{name}/resume", put(states::resume))
        .route("/connectors/{name}/stop", put(states::stop))
        .route("/connectors/{name}/tasks", get(tasks::list))
        .route("/connectors/{name}/tasks/{task}/status", get(tasks::status))
        .route("/connectors/{name}/tasks/{task}/restart", post(tasks::restart))
        .route("/connectors/{name}/topics", get(topics::list))
        .route("/connectors/{name}/topics/reset", put(topics::reset))
        .route(
            "/connectors/{name}/offsets",
            get(offsets::read).patch(offsets::alter).merge(delete(offsets::reset)),
        )
        .route("/connector-plugins", get(plugins::list))
        .route("/connector-plugins/{plugin}/config", get(plugins::definitions))
        .route("/connector-plugins/{plugin}/config/validate", put(plugins::validate))
        .route("/admin/loggers", get(loggers::list))
        .route("/admin/loggers/{logger}", get(loggers::read).put(loggers::set))
}

fn own_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/livez", get(own::alive))
        .route("/readyz", get(own::ready))
        .route("/metrics", get(own::metrics))
        .route("/openapi.json", get(own::openapi))
        .route("/tidegate/v1/status", get(own::status))
        .route("/tidegate/v1/{command}", post(own::command_all))
        .route("/tidegate/v1/connectors/{name}/{command}", post(own::command))
}

async fn with_timeout(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => in_json(response),
        Err(_) => {
            Problem::internal("Request timed out. The connector may be busy: try again.").into_response()
        }
    }
}

/// Errors that the framework answers, such as that of a body that is too large, in the form of all others.
fn in_json(response: Response) -> Response {
    let is_json = response.headers().get("content-type").is_some_and(|kind| kind == "application/json");
    let status = response.status();
    match !is_json && (status.is_client_error() || status.is_server_error()) {
        true => Problem::of_status(status).into_response(),
        false => response,
    }
}
