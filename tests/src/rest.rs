//! A client of REST APIs, and recorded calls to Kafka Connect with which the answers of others are compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{root, wait_for};

/// A client of the API at a URL.
#[derive(Debug)]
pub struct Rest {
    url: String,
    client: ureq::Agent,
    /// How often a read that fails in the server is repeated.
    repeats: usize,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The header `Location`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The body; null without one, and a text if it is not JSON.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub body: Json,
}

impl Rest {
    /// A client for `http://host:port`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(100)))
            .http_status_as_error(false)
            .allow_non_standard_methods(true);
        Self { url: url.to_owned(), client: config.build().into(), repeats: 0 }
    }

    /// A client for a worker of Kafka Connect, which answers reads with an error of its own if it does not get to them in time.
    #[must_use]
    pub fn of_worker(url: &str) -> Self {
        Self { repeats: 30, ..Self::new(url) }
    }

    /// Sends a request with JSON, such as `PUT /connectors/a/config`.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn call(&self, call: &str, body: Option<&Json>) -> Answer {
        let headers = [("Content-Type", "application/json")];
        self.send(call, body.map(ToString::to_string).as_deref(), &headers)
            .unwrap_or_else(|error| panic!("{call}: {error}"))
    }

    /// Sends a request with these headers.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn send(
        &self,
        call: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let mut answer = self.send_once(call, body, headers);
        for _ in 0..self.repeats {
            let has_failed = answer.as_ref().is_ok_and(|answer| answer.status >= 500);
            if !has_failed || !call.starts_with("GET ") {
                break;
            }
            thread::sleep(Duration::from_secs(1));
            answer = self.send_once(call, body, headers);
        }
        answer
    }

    fn send_once(
        &self,
        call: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.unwrap_or_default().to_owned()).expect("a request");
        let mut response = self.client.run(request)?;
        let location = response.headers().get("location").and_then(|value| value.to_str().ok());
        let (status, location) = (response.status().as_u16(), location.map(str::to_owned));
        let text = response.body_mut().read_to_string()?;
        let body = match text.as_str() {
            "" => Json::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| Json::from(text)),
        };
        Ok(Answer { status, location, body })
    }

    /// Repeats a request until the answer satisfies `wanted`.
    ///
    /// # Panics
    /// If it never does.
    pub fn wait(&self, call: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let mut last = None;
        let found = wait_for(|| {
            let answer = self.call(call, None);
            last = Some(answer.clone());
            wanted(&answer).then_some(answer)
        });
        found.unwrap_or_else(|reason| panic!("{call}: {reason}: {last:?}"))
    }

    fn worker(&self) -> &str {
        self.url.split_once("://").map_or(self.url.as_str(), |(_, worker)| worker)
    }
}

/// A recorded call. `{folder}` in it stands for a folder of the test, `{worker}` for the address of the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedCall {
    /// Method and path.
    pub call: String,
    /// The body, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Json>,
    /// The body, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its type, if it is not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The call is repeated until the answer has these values, by their JSON pointers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<BTreeMap<String, Json>>,
    /// What Kafka Connect answered.
    pub answer: Answer,
}

/// A difference from Kafka Connect that is wanted.
#[derive(Clone, Debug, Deserialize)]
struct Difference {
    /// The start of the call.
    call: String,
    /// The start of the JSON pointer in the answer.
    path: String,
    /// Only with the broker of this name.
    #[serde(default)]
    broker: Option<String>,
    /// Only if Kafka Connect answers with this status.
    #[serde(default)]
    status: Option<u16>,
}

/// The recorded calls to a worker of Kafka Connect.
///
/// # Panics
/// If the file cannot be read.
#[must_use]
pub fn transcript() -> Vec<RecordedCall> {
    let text = fs::read_to_string(data("transcript.json")).expect("the transcript");
    serde_json::from_str(&text).expect("recorded calls")
}

/// Replaces the recorded calls.
///
/// # Panics
/// If the file cannot be written.
pub fn write_transcript(calls: &[RecordedCall]) {
    let lines: Vec<String> = calls.iter().map(|call| serde_json::to_string(call).expect("JSON")).collect();
    fs::write(data("transcript.json"), format!("[\n {}\n]\n", lines.join(",\n "))).expect("a file");
}

fn data(name: &str) -> PathBuf {
    root().join("tests/data/connect-rest").join(name)
}

/// Makes the recorded calls to another server. `folder` is for the files that connectors write.
///
/// # Panics
/// If it does not answer, or a state is never reached.
#[must_use]
pub fn replay(rest: &Rest, folder: &Path) -> Vec<RecordedCall> {
    transcript().into_iter().map(|recorded| replay_one(rest, folder, recorded)).collect()
}

fn replay_one(rest: &Rest, folder: &Path, recorded: RecordedCall) -> RecordedCall {
    let folder = folder.display().to_string();
    let body = recorded.body.as_ref().map(ToString::to_string).or_else(|| recorded.text.clone());
    let body = body.map(|body| body.replace("{folder}", &folder));
    let kind = recorded.content_type.as_deref().unwrap_or("application/json");
    let call = || {
        let headers = [("Content-Type", kind)];
        rest.send(&recorded.call, body.as_deref(), &headers)
            .unwrap_or_else(|error| panic!("{}: {error}", recorded.call))
    };
    let mut last = call();
    if let Some(until) = &recorded.until {
        let reached = wait_for(|| {
            last = call();
            until.iter().all(|(pointer, value)| last.body.pointer(pointer) == Some(value)).then_some(())
        });
        reached.unwrap_or_else(|reason| panic!("{}: {reason}: {last:?}", recorded.call));
    }
    without_place(&mut last.body);
    let text = serde_json::to_string(&last).expect("JSON");
    let text = text.replace(&folder, "{folder}").replace(rest.worker(), "{worker}");
    RecordedCall { answer: serde_json::from_str(&text).expect("JSON"), ..recorded }
}

/// Cuts the place in the body off a message of Kafka Connect's JSON parser: it depends on the length of the folder's path.
fn without_place(body: &mut Json) {
    if let Some(Json::String(message)) = body.get_mut("message")
        && let Some(place) = message.find("\n at [Source")
    {
        message.truncate(place);
    }
}

/// Compares answers with those of Kafka Connect, path by path. Returns the differences that are not in `differences.json`, and the
/// entries of that file that do not occur. `broker` is what the entries call the broker.
#[must_use]
pub fn unexplained(answers: &[RecordedCall], broker: &str) -> Vec<String> {
    let text = fs::read_to_string(data("differences.json")).expect("the differences");
    let allowed: Vec<Difference> = serde_json::from_str(&text).expect("differences");
    let (mut found, mut used) = (vec![], BTreeSet::new());
    for (recorded, own) in transcript().iter().zip(answers) {
        for (path, theirs, ours) in differences(&recorded.answer, &own.answer) {
            let explains = |one: &&Difference| {
                recorded.call.starts_with(&one.call)
                    && path.starts_with(&one.path)
                    && one.broker.as_ref().is_none_or(|only| only == broker)
                    && one.status.is_none_or(|status| status == recorded.answer.status)
            };
            match allowed.iter().position(|one| explains(&one)) {
                Some(index) => drop(used.insert(index)),
                None => found.push(format!("{}: {path}: {theirs} there, {ours} here", recorded.call)),
            }
        }
    }
    let here = |one: &Difference| one.broker.as_ref().is_none_or(|only| only == broker);
    let unused = allowed.iter().enumerate().filter(|(index, one)| here(one) && !used.contains(index));
    found.extend(unused.map(|(_, one)| format!("{} {}: does not differ any more", one.call, one.path)));
    found
}

/// The paths at which two answers differ, with both values.
fn differences(left: &Answer, right: &Answer) -> Vec<(String, Json, Json)> {
    let flat = |answer: &Answer| {
        let mut values = BTreeMap::new();
        flatten("", &serde_json::to_value(answer).expect("JSON"), &mut values);
        values
    };
    let (left, right) = (flat(left), flat(right));
    let paths: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let value =
        |values: &BTreeMap<String, Json>, path: &String| values.get(path).cloned().unwrap_or_default();
    let both = paths.into_iter().map(|path| (path.clone(), value(&left, path), value(&right, path)));
    both.filter(|(_, left, right)| left != right).collect()
}

fn flatten(path: &str, value: &Json, values: &mut BTreeMap<String, Json>) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| flatten(&format!("{path}/{name}"), value, values));
        }
        Json::Array(items) if !items.is_empty() => {
            // The order of names in lists of connectors is not specified.
            let mut items = items.clone();
            if items.iter().all(Json::is_string) {
                items.sort_by_key(ToString::to_string);
            }
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| flatten(&format!("{path}/{index}"), item, values));
        }
        value => drop(values.insert(path.to_owned(), value.clone())),
    }
}
