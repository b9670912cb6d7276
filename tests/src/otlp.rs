//! An OpenTelemetry collector that keeps what it receives over HTTP.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::Value as Json;

use crate::{otlp_requests, root};

/// A running collector. Dropping it closes its port.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    exported: Vec<Exported>,
    /// The next requests are answered with these statuses.
    faults: Vec<u16>,
    refused: usize,
}

/// A request that was accepted.
#[derive(Clone, Debug)]
pub struct Exported {
    /// `/v1/metrics` or `/v1/traces`.
    pub path: String,
    /// The header `Content-Type`.
    pub content_type: String,
    /// The header `Authorization`.
    pub authorization: String,
    /// The body in OTLP's JSON, however it was encoded.
    pub body: Json,
}

impl Collector {
    /// Starts a collector on a free port.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts a collector at an address.
    ///
    /// # Panics
    /// If it is in use.
    #[must_use]
    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let collector = Self { address, state: Arc::default(), stopped: Arc::default() };
        let (state, stopped) = (Arc::clone(&collector.state), Arc::clone(&collector.stopped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let state = Arc::clone(&state);
                thread::spawn(move || serve(&stream, &state));
            }
        });
        collector
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the next requests with these statuses.
    pub fn fail_next(&self, statuses: &[u16]) {
        lock(&self.state).faults.extend(statuses);
    }

    /// How many requests it has not accepted.
    #[must_use]
    pub fn refused(&self) -> usize {
        lock(&self.state).refused
    }

    /// What it has received.
    #[must_use]
    pub fn exported(&self) -> Vec<Exported> {
        lock(&self.state).exported.clone()
    }

    /// All spans that it has received, with the attributes as an object.
    #[must_use]
    pub fn spans(&self) -> Vec<Json> {
        let requests = self.exported().into_iter().filter(|request| request.path == "/v1/traces");
        let scopes = requests.flat_map(|request| items(&request.body, &["resourceSpans", "scopeSpans"]));
        scopes.flat_map(|scope| items(&scope, &["spans"])).map(with_attributes).collect()
    }

    /// The metric of this name as it was received last.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<Json> {
        let requests = self.exported().into_iter().filter(|request| request.path == "/v1/metrics");
        let scopes = requests.flat_map(|request| items(&request.body, &["resourceMetrics", "scopeMetrics"]));
        scopes.flat_map(|scope| items(&scope, &["metrics"])).rfind(|metric| metric["name"] == name)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the thread, which may be gone.
        let _gone = TcpStream::connect(self.address).is_err();
    }
}

/// The items of lists in lists.
fn items(value: &Json, path: &[&str]) -> Vec<Json> {
    let Some((name, rest)) = path.split_first() else { return vec![value.clone()] };
    value[*name].as_array().into_iter().flatten().flat_map(|item| items(item, rest)).collect()
}

fn with_attributes(mut span: Json) -> Json {
    let attributes = span["attributes"].as_array().into_iter().flatten().map(|attribute| {
        let value = attribute["value"].as_object().and_then(|value| value.values().next());
        (attribute["key"].as_str().unwrap_or_default().to_owned(), value.cloned().unwrap_or_default())
    });
    span["attributes"] = Json::Object(attributes.collect());
    span
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some((exported, is_answered)) = receive(&mut reader, state) {
        let (status, more) = match is_answered {
            Some(status) => (status, "Retry-After: 1\r\n"),
            None => (200, ""),
        };
        if let (None, Some(exported)) = (is_answered, exported) {
            lock(state).exported.push(exported);
        }
        let answer = format!("HTTP/1.1 {status} x\r\n{more}Content-Length: 0\r\n\r\n");
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads a request; `None` at the end. Also returns the status of the answer if it is not accepted.
fn receive(reader: &mut impl BufRead, state: &Mutex<State>) -> Option<(Option<Exported>, Option<u16>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let path = first.split(' ').nth(1)?.to_owned();
    let (mut content_type, mut authorization, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-type" => content_type = value.to_owned(),
            "authorization" => authorization = value.to_owned(),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    {
        let mut state = lock(state);
        if !state.faults.is_empty() {
            state.refused += 1;
            return Some((None, Some(state.faults.remove(0))));
        }
    }
    let body = if content_type == "application/json" {
        serde_json::from_slice(&body).expect("JSON")
    } else {
        let request = match path.as_str() {
            "/v1/metrics" => "metrics.v1.ExportMetricsServiceRequest",
            _ => "trace.v1.ExportTraceServiceRequest",
        };
        otlp_requests::decode(&root().join("tests/data/otlp"), request, &body)
    };
    Some((Some(Exported { path, content_type, authorization, body }), None))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
