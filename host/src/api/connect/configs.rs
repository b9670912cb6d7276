//! `/connectors/{name}/config`, and how configurations become files.

use std::{path::Path as FilePath, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use super::{connectors, invalid, views::ConnectorInfo};
use crate::{
    api::{
        auth::Peer,
        body,
        problem::Problem,
        state::{Api, text_of, text_of_existing},
    },
    config::{ApiConfig, Import, Options, Severity, from_file, is_connector_name, references, to_file},
    deployment::{ConnectorFile, Put, PutOutcome},
    supervisor::DesiredState,
};

/// A configuration that was sent.
pub(super) struct Source<'r> {
    pub(super) peer: &'r Peer,
    pub(super) options: Options,
    pub(super) put: Put,
    pub(super) initial: Option<DesiredState>,
}

/// The configuration of a connector, without secrets. Of a file that is not TOML, only the name.
pub(super) async fn shown(connector: &ConnectorFile, schema: &Value) -> Options {
    let name = &connector.name;
    from_file(name, &text_of(connector).await, schema)
        .unwrap_or_else(|_| Options::from([("name".to_owned(), name.clone())]))
}

/// `GET /connectors/{name}/config`.
pub(in crate::api) async fn read(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<Options>, Problem> {
    let connector = api.require(&name).await?;
    Ok(Json(shown(&connector, &api.schema().await?).await))
}

/// `PUT /connectors/{name}/config`: creates or replaces a connector.
pub(in crate::api) async fn replace(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    peer: axum::Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let options = body::set_options(body::json::<Map<String, Value>>(&body)?)?;
    let source = Source { peer: &peer, options, put: Put::CreateOrReplace, initial: None };
    let (outcome, info) = put(&api, &name, source).await?;
    Ok(match outcome.created {
        true => connectors::created(&api, &headers, info),
        false => Json(info).into_response(),
    })
}

/// `PATCH /connectors/{name}/config`: changes some options; `null` removes one.
pub(in crate::api) async fn change(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    peer: axum::Extension<Peer>,
    body: Bytes,
) -> Result<Json<ConnectorInfo>, Problem> {
    let connector = api.require(&name).await?;
    let changes = body::options(body::json::<Map<String, Value>>(&body)?)?;
    let mut options = shown(&connector, &api.schema().await?).await;
    for (option, value) in changes {
        match value {
            Some(value) => drop(options.insert(option, value)),
            None => drop(options.remove(&option)),
        }
    }
    let source = Source { peer: &peer, options, put: Put::Replace, initial: None };
    Ok(Json(put(&api, &name, source).await?.1))
}

/// Writes the file of a connector, and runs it.
pub(super) async fn put(
    api: &Api,
    name: &str,
    source: Source<'_>,
) -> Result<(PutOutcome, ConnectorInfo), Problem> {
    check_name(name, &source.options)?;
    let current = api.find(name).await;
    if current.is_some() && source.put == Put::Create {
        return Err(Problem::conflict(format!("Connector {name} already exists")));
    }
    let schema = api.schema().await?;
    let text = text_of_existing(current.as_ref()).await;
    let import = to_file(name, &source.options, text.as_deref(), &schema);
    if import.has_errors() {
        return Err(invalid::of_options(&import));
    }
    check_references(&import.text, text.as_deref(), source.peer, &api.config)?;
    let outcome = api.deployer.put(name, import.text.clone(), source.put, source.initial).await?;
    Ok((outcome, answer(api, name, &import, &schema).await?))
}

async fn answer(api: &Api, name: &str, import: &Import, schema: &Value) -> Result<ConnectorInfo, Problem> {
    let connector = api.require(name).await?;
    let status = api.status_of(name).await?;
    let mut info = ConnectorInfo::new(&connector, shown(&connector, schema).await, status.as_ref());
    info.warnings = import.of(Severity::Warning).map(|finding| finding.message.clone()).collect();
    Ok(info)
}

fn check_name(name: &str, options: &Options) -> Result<(), Problem> {
    if let Some(other) = options.get("name").filter(|other| *other != name) {
        return Err(Problem::bad_request(format!(
            "Connector name configuration ({other}) doesn't match connector name in the URL ({name})"
        )));
    }
    if name.is_empty() {
        return Err(Problem::bad_request(
            "Connector configuration is invalid and contains the following 1 error(s):\nInvalid value  for configuration name: \
             String may not be empty\nYou can also find the above list of errors at the endpoint \
             `/connector-plugins/{connectorType}/config/validate`",
        ));
    }
    // It becomes the name of a file.
    if is_connector_name(name) && name.len() <= 200 {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "{name:?} is not the name of a connector: use ASCII letters, digits, \".\", \"_\" and \"-\""
    )))
}

/// Over the network, placeholders read only what the host file allows, or what the file read before: otherwise a client could
/// send any secret of the machine to a destination of its own.
pub(super) fn check_references(
    text: &str,
    current: Option<&str>,
    peer: &Peer,
    config: &ApiConfig,
) -> Result<(), Problem> {
    if *peer == Peer::Owner {
        return Ok(());
    }
    let known = current.map(references).unwrap_or_default();
    let found = references(text);
    for (file, key) in found.files.iter().filter(|known_file| !known.files.contains_key(known_file.0)) {
        if !is_allowed_file(file, config) {
            let message = format!(
                "{key}: ${{file:{file}}} may not be read over the API: add its folder to allow_files in [api] of the host file"
            );
            return Err(Problem::bad_request(message));
        }
    }
    for (name, key) in found.variables.iter().filter(|variable| !known.variables.contains_key(variable.0)) {
        if !is_allowed_variable(name, config) {
            let message = format!(
                "{key}: ${{env:{name}}} may not be read over the API: add it to allow_env in [api] of the host file"
            );
            return Err(Problem::bad_request(message));
        }
    }
    Ok(())
}

fn is_allowed_file(file: &str, config: &ApiConfig) -> bool {
    let path = FilePath::new(file);
    let is_plain = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
    is_plain && config.allow_files.iter().any(|allowed| path.starts_with(allowed))
}

fn is_allowed_variable(name: &str, config: &ApiConfig) -> bool {
    config.allow_env.iter().any(|allowed| match allowed.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == allowed,
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn placeholders_over_the_network_read_what_is_allowed() {
        let network =
            Peer::Network { address: Ipv4Addr::LOCALHOST.into(), is_local: true, certificate: None };
        let config = ApiConfig {
            allow_files: vec!["/run/secrets".into()],
            allow_env: vec!["KAFKA_*".to_owned(), "REGION".to_owned()],
            ..ApiConfig::default()
        };
        let check = |value: &str, current: Option<&str>, peer: &Peer| {
            check_references(&format!("a = \"{value}\""), current, peer, &config).is_ok()
        };
        for allowed in ["${file:/run/secrets/a/b}", "${env:KAFKA_PASSWORD}", "${env:REGION:-eu}", "plain"] {
            assert!(check(allowed, None, &network), "{allowed}");
        }
        for refused in [
            "${file:/etc/shadow}",
            "${file:/run/secrets/../../etc/shadow}",
            "${file:/run/secrets-too/a}",
            "${env:AWS_SECRET}",
            "x ${env:REGIONS} y",
        ] {
            assert!(!check(refused, None, &network), "{refused}");
            assert!(check(refused, None, &Peer::Owner), "{refused}");
            assert!(check(refused, Some(&format!("b = \"{refused}\"")), &network), "it was there before");
        }
    }
}
