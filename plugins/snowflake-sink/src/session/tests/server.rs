//! A small HTTP server that simulates Snowflake.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use url::Url;

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
}

impl Asked {
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Text of the statement, for queries.
    pub(super) fn sql(&self) -> &str {
        self.body["sqlText"].as_str().unwrap_or_default()
    }
}

/// A response.
pub(super) enum Reply {
    Json(Value),
    Http(u16, &'static str, String),
    Bytes(&'static [u8]),
    /// Close the connection.
    Nothing,
    /// Respond late.
    Late(Duration),
}

type Script = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

/// The server, which runs until the process ends.
pub(super) struct Server {
    pub(super) url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Responds as `script` says, or like a working Snowflake if it returns nothing.
    pub(super) fn start(script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, script): (_, Arc<Script>) = (Arc::clone(&asked), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                thread::spawn(move || serve(stream.unwrap(), &log, script.as_ref()));
            }
        });
        Self { url, asked }
    }

    /// The requests so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The statements so far.
    pub(super) fn statements(&self) -> Vec<String> {
        self.asked().iter().map(|asked| asked.sql().to_owned()).filter(|sql| !sql.is_empty()).collect()
    }

    /// Number of requests to a path.
    pub(super) fn count(&self, path: &str) -> usize {
        self.asked().iter().filter(|asked| asked.path() == path).count()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Asked>>, script: &Script) {
    let asked = read(&stream);
    log.lock().unwrap().push(asked.clone());
    let reply = script(&asked).unwrap_or_else(|| Reply::Json(usual(&asked)));
    let (status, headers, body) = match reply {
        Reply::Json(value) => (200, "Content-Type: application/json", value.to_string().into_bytes()),
        Reply::Http(status, headers, body) => (status, headers, body.into_bytes()),
        Reply::Bytes(bytes) => (200, "Content-Type: application/octet-stream", bytes.to_vec()),
        Reply::Nothing => return,
        Reply::Late(delay) => {
            thread::sleep(delay);
            (200, "Content-Type: application/json", usual(&asked).to_string().into_bytes())
        }
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\n{headers}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // A client that timed out does not read the response.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)));
}

fn read(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    Asked { method, target, headers, body: serde_json::from_slice(&body).unwrap_or_default() }
}

/// The default responses.
pub(super) fn usual(asked: &Asked) -> Value {
    match asked.path() {
        "/session/v1/login-request" => login(3_600, 14_400),
        "/session/token-request" => json!({ "success": true, "code": null, "message": null, "data": {
            "sessionToken": "session-2", "masterToken": "master-2", "validityInSecondsST": 3600, "validityInSecondsMT": 14400
        }}),
        "/session" => json!({ "success": true, "code": null, "message": null, "data": null }),
        _ => rows(&json!([["1"]])),
    }
}

/// A successful login.
pub(super) fn login(session_seconds: u64, master_seconds: u64) -> Value {
    json!({ "success": true, "code": null, "message": null, "data": {
        "token": "session-1", "masterToken": "master-1",
        "validityInSeconds": session_seconds, "masterValidityInSeconds": master_seconds,
        "sessionInfo": { "databaseName": "DB1", "schemaName": "PUBLIC", "warehouseName": "LOAD_WH", "roleName": "LOADER" },
        "parameters": [{ "name": "AUTOCOMMIT", "value": true }]
    }})
}

/// A login without one of the names, such as `warehouseName`.
pub(super) fn login_without(name: &str) -> Value {
    let mut login = login(3_600, 14_400);
    login["data"]["sessionInfo"][name] = Value::Null;
    login
}

/// A result with one column.
pub(super) fn rows(rows: &Value) -> Value {
    json!({ "success": true, "code": null, "message": null, "data": {
        "queryId": "01b-query", "rowtype": [{ "name": "C", "type": "text" }], "rowset": rows
    }})
}

/// An error response.
pub(super) fn refusal(code: &str, message: &str) -> Value {
    json!({ "success": false, "code": code, "message": message, "data": null })
}
