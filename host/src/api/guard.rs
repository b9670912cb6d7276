//! What every request has to pass: who sends it, from where, how often; and the log of changes.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, Method, StatusCode, Uri,
        header::{CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    auth::{Denied, Identity, Logins, Peer},
    problem::Problem,
};
use crate::config::{ApiConfig, ApiScope};

/// Requests per second of an address, after a burst.
const REQUESTS_PER_SECOND: f64 = 100.0;
const BURST: f64 = 500.0;
/// A wrong login counts as so many requests.
const LOGIN_COST: f64 = 25.0;
/// Addresses that are remembered.
const MAX_ADDRESSES: usize = 10_000;

/// Checks requests before they are handled.
pub(super) struct Guard {
    logins: Arc<Logins>,
    hosts: Vec<String>,
    rates: Mutex<HashMap<IpAddr, Rate>>,
}

/// What is left for an address, as of a time.
#[derive(Clone, Copy, Debug)]
struct Rate {
    left: f64,
    at: Instant,
}

impl Rate {
    /// Takes `cost`, if it is left.
    fn take(&mut self, cost: f64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * REQUESTS_PER_SECOND).min(BURST);
        self.at = now;
        let enough = self.left >= cost;
        if enough {
            self.left -= cost;
        }
        enough
    }

    /// Takes `cost` even if less is left, so that nothing can be sent until it has been made up for. A negative one gives back.
    fn charge(&mut self, cost: f64) {
        self.left = (self.left - cost).min(BURST);
    }
}

impl Guard {
    pub(super) fn new(config: &ApiConfig) -> Self {
        Self {
            logins: Arc::new(Logins::new(config.clone())),
            hosts: config.hosts.clone(),
            rates: Mutex::default(),
        }
    }

    fn take(&self, peer: &Peer, cost: f64) -> Result<(), Problem> {
        let Peer::Network { address, .. } = peer else { return Ok(()) };
        let now = Instant::now();
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.len() >= MAX_ADDRESSES && !rates.contains_key(address) {
            rates.clear();
        }
        let rate = rates.entry(*address).or_insert(Rate { left: BURST, at: now });
        match rate.take(cost, now) {
            true => Ok(()),
            false => Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests: send fewer")),
        }
    }

    fn charge(&self, peer: &Peer, cost: f64) {
        let Peer::Network { address, .. } = peer else { return };
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rate) = rates.get_mut(address) {
            rate.charge(cost);
        }
    }

    async fn check(
        &self,
        (method, uri): (&Method, &Uri),
        headers: &HeaderMap,
        peer: &Peer,
    ) -> Result<Identity, Problem> {
        self.take(peer, 1.0)?;
        let writes = is_write(method);
        if *peer != Peer::Owner {
            check_host(headers, uri.authority().map(|own| own.as_str()), &self.hosts)?;
            if writes {
                check_origin(headers)?;
            }
        }
        if writes {
            check_content_type(headers)?;
        }
        if is_public(uri.path()) {
            return Ok(Identity { name: "anybody".to_owned(), scope: ApiScope::Read });
        }
        let needed = if writes { ApiScope::Write } else { ApiScope::Read };
        // Verifying a password is expensive, so it is paid for before, and many at once cannot pass before the first is wrong.
        let is_paid = self.logins.has_to_verify(peer, headers);
        if is_paid {
            self.take(peer, LOGIN_COST)?;
        }
        let checked = self.logins.check(peer, headers, needed).await;
        match (checked.as_ref().err(), is_paid) {
            (Some(Denied::Login), false) => self.charge(peer, LOGIN_COST),
            (Some(Denied::Login), true) | (_, false) => {}
            (_, true) => self.charge(peer, -LOGIN_COST),
        }
        checked.map_err(problem)
    }
}

/// Checks a request, handles it, and logs it if it is a change.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request<Body>, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return Problem::internal("the connection is unknown").into_response();
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (parts, body) = request.into_parts();
    let checked = guard.check((&parts.method, &parts.uri), &parts.headers, &peer).await;
    let (who, response) = match checked {
        Ok(identity) => (Some(identity.name), next.run(Request::from_parts(parts, body)).await),
        Err(problem) => {
            let asks_for_login = problem.status == StatusCode::UNAUTHORIZED;
            let mut response = problem.into_response();
            if asks_for_login {
                let schemes = axum::http::HeaderValue::from_static("Bearer, Basic realm=\"tidegate\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, schemes);
            }
            (None, response)
        }
    };
    // Checking a configuration changes nothing.
    if is_write(&method) && !path.ends_with("/config/validate") {
        audit(who.as_deref(), &peer, &method, &path, response.status());
    }
    response
}

/// One line for each change, and for each that was refused.
fn audit(who: Option<&str>, peer: &Peer, method: &Method, path: &str, status: StatusCode) {
    let from = match peer {
        Peer::Owner => "control socket".to_owned(),
        Peer::Network { address, .. } => address.to_string(),
    };
    let status = status.as_u16();
    match who {
        Some(who) => tracing::info!(target: "tidegate::audit", who, from, status, "{method} {path}"),
        None => tracing::warn!(target: "tidegate::audit", from, status, "refused: {method} {path}"),
    }
}

fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// For probes, which have no login, and which say nothing about connectors.
fn is_public(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/health")
}

fn problem(denied: Denied) -> Problem {
    match denied {
        Denied::Login => {
            Problem::new(StatusCode::UNAUTHORIZED, "log in with a bearer token, or with user and password")
        }
        Denied::ReadOnly => {
            Problem::new(StatusCode::FORBIDDEN, "this login may only read: use one with scope = \"write\"")
        }
        Denied::NoLogins => Problem::new(
            StatusCode::FORBIDDEN,
            "changes over the network need a login: add [[api.tokens]] or [[api.users]] to the host file, or listen on 127.0.0.1",
        ),
    }
}

/// A web page whose name was made to resolve to this host sends its own name.
fn check_host(headers: &HeaderMap, authority: Option<&str>, known: &[String]) -> Result<(), Problem> {
    let header = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = authority.or(header).map(name_of).unwrap_or_default();
    let is_address = host.parse::<IpAddr>().is_ok();
    if is_address
        || host.eq_ignore_ascii_case("localhost")
        || known.iter().any(|one| one.eq_ignore_ascii_case(host))
    {
        return Ok(());
    }
    let message =
        format!("this host is not known as {host:?}: add the name to hosts in [api] of the host file");
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, message))
}

/// The name in `name:port`, `1.2.3.4:port` or `[::1]:port`.
fn name_of(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(name, _)| name),
    }
}

/// Browsers say which page a request comes from.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let other_site =
        headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    let origin = text(&ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    let is_other = origin.is_some() && origin != text(&HOST);
    if other_site || is_other {
        return Err(Problem::new(StatusCode::FORBIDDEN, "changes from web pages of other sites are refused"));
    }
    Ok(())
}

/// Forms of web pages cannot send JSON without asking first.
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        pairs.collect::<Vec<(axum::http::HeaderName, axum::http::HeaderValue)>>().into_iter().collect()
    }

    #[test]
    fn names_that_point_here_are_refused() {
        let check = |host: &'static str| {
            check_host(&headers(&[("host", host)]), None, &["tidegate.local".to_owned()])
        };
        for host in
            ["127.0.0.1:8083", "[::1]:8083", "localhost:8083", "10.1.2.3", "tidegate.local:8083", "LOCALHOST"]
        {
            assert_eq!(check(host), Ok(()), "{host}");
        }
        for host in ["evil.example:8083", "evil.example", "127.0.0.1.evil.example", ""] {
            assert_eq!(check(host).unwrap_err().status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        }
    }

    #[test]
    fn pages_of_other_sites_change_nothing() {
        for (pairs, allowed) in [
            (&[("host", "127.0.0.1:8083")][..], true),
            (&[("host", "127.0.0.1:8083"), ("origin", "http://127.0.0.1:8083")], true),
            (&[("host", "127.0.0.1:8083"), ("origin", "http://evil.example")], false),
            (&[("host", "127.0.0.1:8083"), ("origin", "null")], false),
            (&[("host", "127.0.0.1:8083"), ("sec-fetch-site", "cross-site")], false),
        ] {
            assert_eq!(check_origin(&headers(pairs)).is_ok(), allowed, "{pairs:?}");
        }
        for (kind, allowed) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("application/x-www-form-urlencoded", false),
            ("text/plain", false),
        ] {
            assert_eq!(check_content_type(&headers(&[("content-type", kind)])).is_ok(), allowed, "{kind}");
        }
    }

    #[test]
    fn a_rate_recovers() {
        let start = Instant::now();
        let mut rate = Rate { left: BURST, at: start };
        assert!((0..BURST as usize).all(|_| rate.take(1.0, start)));
        assert!(!rate.take(1.0, start));
        assert!(rate.take(LOGIN_COST, start + Duration::from_secs(1)));
    }

    #[test]
    fn a_wrong_login_costs_more_than_is_left() {
        let start = Instant::now();
        let mut rate = Rate { left: 1.0, at: start };
        rate.charge(LOGIN_COST);
        assert!(!rate.take(1.0, start + Duration::from_millis(200)));
        assert!(rate.take(1.0, start + Duration::from_millis(300)));
        rate.charge(-2.0 * BURST);
        assert!(
            !rate.take(BURST + 1.0, start + Duration::from_millis(300)),
            "giving back does not add to the burst"
        );
    }

    #[tokio::test]
    async fn guessing_passwords_ends_soon() {
        let user = crate::config::ApiUser {
            name: "ops".to_owned(),
            password_hash: "x".to_owned(),
            scope: ApiScope::Read,
        };
        let guard = Guard::new(&ApiConfig { users: vec![user], ..ApiConfig::default() });
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        let peer = Peer::Network { address, is_local: true, certificate: None };
        let headers = headers(&[("host", "localhost"), ("authorization", "Basic b3BzOng=")]);
        let uri = Uri::from_static("/connectors");
        let mut statuses = vec![];
        for _ in 0..40 {
            let checked = guard.check((&Method::GET, &uri), &headers, &peer).await;
            statuses.push(checked.unwrap_err().status);
        }
        assert_eq!(statuses.first(), Some(&StatusCode::UNAUTHORIZED));
        assert_eq!(statuses.last(), Some(&StatusCode::TOO_MANY_REQUESTS));
    }
}
