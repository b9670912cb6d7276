//! A stub of a schema registry's REST API, over TCP, with or without TLS. Included by several test programs.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use openssl::ssl::SslAcceptor;

/// Paths of the two APIs of an Apicurio registry.
const APICURIO: &str = "/apis/registry/v2";
const CONFLUENT: &str = "/apis/ccompat/v7";

/// What a stub does instead of answering.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Answers every request with this status.
    Status(u16),
    /// Answers after this time.
    Slow(Duration),
    /// Closes the connection without an answer.
    Close,
}

#[derive(Default)]
struct State {
    /// Status and body by path.
    answers: HashMap<String, (u16, String)>,
    /// Paths that were requested.
    requests: Vec<String>,
    /// What the header `Authorization` has to be.
    authorization: Option<String>,
    fault: Option<Fault>,
}

/// A running stub. Dropping it closes its port.
pub struct RegistryStub {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

impl RegistryStub {
    /// Starts a stub on a free port.
    pub fn start() -> Self {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), None)
    }

    /// Starts a stub with TLS on a free port.
    pub fn start_tls(acceptor: SslAcceptor) -> Self {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), Some(acceptor))
    }

    /// Starts a stub on the port of an earlier one.
    pub fn start_at(address: SocketAddr) -> Self {
        Self::listen(address, None)
    }

    fn listen(address: SocketAddr, acceptor: Option<SslAcceptor>) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let stub = Self {
            address: listener.local_addr().expect("an address"),
            scheme: if acceptor.is_some() { "https" } else { "http" },
            state: Arc::default(),
            stopped: Arc::default(),
        };
        let (state, stopped) = (Arc::clone(&stub.state), Arc::clone(&stub.stopped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (state, acceptor) = (Arc::clone(&state), acceptor.clone());
                thread::spawn(move || match acceptor {
                    Some(acceptor) => {
                        // A client without a certificate fails here.
                        if let Ok(stream) = acceptor.accept(stream) {
                            serve(stream, &state);
                        }
                    }
                    None => serve(stream, &state),
                });
            }
        });
        stub
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    /// Its base URL as that of an Apicurio registry.
    pub fn apicurio_url(&self) -> String {
        self.url() + APICURIO
    }

    /// Answers requests for `path` with this status and body.
    pub fn answer(&self, path: &str, status: u16, body: &str) {
        lock(&self.state).answers.insert(path.to_owned(), (status, body.to_owned()));
    }

    /// Has a schema under this id.
    pub fn add_schema(&self, id: u32, schema: &str) {
        let body = serde_json::json!({ "schema": schema }).to_string();
        self.answer(&format!("/schemas/ids/{id}"), 200, &body);
    }

    /// Has the schemas of a capture: a list of objects with `id`, `schema` and, unless it is Avro, `schemaType`.
    pub fn add_capture(&self, schemas: &serde_json::Value) {
        for entry in schemas.as_array().into_iter().flatten() {
            let mut body = serde_json::json!({ "schema": entry["schema"].as_str().expect("a schema") });
            if let Some(schema_type) = entry.get("schemaType") {
                body["schemaType"] = schema_type.clone();
            }
            self.answer(&format!("/schemas/ids/{}", entry["id"]), 200, &body.to_string());
        }
    }

    /// Has the schema of a line of `tests/data/formats`, under all its ids, and all that it refers to. The URL is that of
    /// [`Self::apicurio_url`] for ids of Apicurio.
    pub fn add_fixture(&self, fixture: &serde_json::Value) {
        let kind = fixture["schema_type"].as_str().expect("a type");
        self.add_references(&fixture["references"], kind);
        let body = body(fixture, kind);
        let id = &fixture["schema_id"];
        for base in ["", CONFLUENT] {
            self.answer(&format!("{base}/schemas/ids/{id}"), 200, &body);
        }
        if let Some(guid) = fixture["guid"].as_str() {
            self.answer(&format!("/schemas/guids/{guid}"), 200, &body);
        }
        let schema = fixture["schema"].as_str().expect("a schema");
        self.answer(&format!("{APICURIO}/ids/contentIds/{id}"), 200, schema);
        self.answer(&format!("{APICURIO}/ids/globalIds/{}", fixture["global_id"]), 200, schema);
    }

    fn add_references(&self, references: &serde_json::Value, kind: &str) {
        for reference in references.as_array().into_iter().flatten() {
            self.add_references(&reference["references"], kind);
            let subject = reference["subject"].as_str().expect("a subject").replace('/', "%2F");
            let path = format!("/subjects/{subject}/versions/{}", reference["version"]);
            self.answer(&path, 200, &body(reference, kind));
        }
    }

    /// Rejects requests whose header `Authorization` is another.
    pub fn require(&self, authorization: &str) {
        lock(&self.state).authorization = Some(authorization.to_owned());
    }

    /// From now on, does this instead of answering; `None` to answer again.
    pub fn fail(&self, fault: Option<Fault>) {
        lock(&self.state).fault = fault;
    }

    /// How often `path` was requested.
    pub fn requests(&self, path: &str) -> usize {
        lock(&self.state).requests.iter().filter(|requested| *requested == path).count()
    }
}

impl Drop for RegistryStub {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

/// A schema as Confluent's API returns it.
fn body(schema: &serde_json::Value, kind: &str) -> String {
    let references: Vec<serde_json::Value> = schema["references"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|reference| {
            let part = |name: &str| reference[name].clone();
            serde_json::json!({ "name": part("name"), "subject": part("subject"), "version": part("version") })
        })
        .collect();
    let body =
        serde_json::json!({ "schema": schema["schema"], "schemaType": kind, "references": references });
    body.to_string()
}

fn serve(mut stream: impl Read + Write, state: &Mutex<State>) {
    let mut reader = BufReader::new(&mut stream);
    let (mut path, mut authorization) = (String::new(), None);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            rest.split(' ').next().unwrap_or_default().clone_into(&mut path);
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.trim().to_owned());
        }
        if line == "\r\n" {
            break;
        }
    }
    let (fault, answer) = {
        let mut state = lock(state);
        state.requests.push(path.clone());
        let is_allowed = state.authorization.is_none() || state.authorization == authorization;
        let unknown = || (404, r#"{"error_code":40403,"message":"Schema not found"}"#.to_owned());
        let answer = if is_allowed {
            state.answers.get(&path).cloned().unwrap_or_else(unknown)
        } else {
            (401, r#"{"error_code":401,"message":"Unauthorized"}"#.to_owned())
        };
        (state.fault, answer)
    };
    let (status, body) = match fault {
        Some(Fault::Close) => return,
        Some(Fault::Status(status)) => (status, "<html>out of order</html>".to_owned()),
        Some(Fault::Slow(time)) => {
            thread::sleep(time);
            answer
        }
        None => answer,
    };
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // The client may have given up.
    let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
