//! Sends metrics and traces to the collector, from a thread of its own.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use prost::Message;
use serde::Serialize;

use super::{
    OtlpOptions, OtlpProtocol,
    backoff::Backoff,
    messages::{Accepted, KeyValue, Resource, Scope},
    metrics::{self, Period},
    queue::{self, TraceQueue},
    spans,
};
use crate::telemetry::{metrics::with_families, scrub};

/// For all of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Traces are kept for so many attempts.
const MAX_ATTEMPTS: u32 = 10;
/// Of what a collector says, the log shows no more than this.
const MAX_STATED: usize = 200;
/// The longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
/// How long the exporter sleeps while there is nothing to do.
const LONG: Duration = Duration::from_secs(3600);

/// A running exporter.
pub(super) struct Exporter {
    queue: &'static TraceQueue,
    ended: Receiver<()>,
}

impl Exporter {
    /// Starts the thread; `None` if that fails, which is logged.
    pub(super) fn start(options: OtlpOptions) -> Option<Self> {
        let (queue, (end, ended)) = (queue::open(), mpsc::channel());
        let mut sender = Sender::new(options);
        let run = move || {
            sender.run(queue);
            drop(end);
        };
        match thread::Builder::new().name("otlp".to_owned()).spawn(run) {
            Ok(_) => Some(Self { queue, ended }),
            Err(error) => {
                tracing::error!(%error, "cannot start the thread that exports metrics and traces; they are not exported");
                None
            }
        }
    }

    /// Sends what is left. Returns when that is done, or after this time.
    pub(super) fn stop(self, within: Duration) {
        self.queue.end();
        // The thread sends nothing, and drops its end.
        if self.ended.recv_timeout(within) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("the last metrics and traces were not sent in time");
        }
    }
}

/// The collector's answer to a request.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// It has accepted all or a part of it, and says why not all.
    Accepted { refused: Option<String> },
    /// It may accept it later. `after` is the delay that it asked for, if any.
    Later { reason: String, after: Option<Duration> },
    /// It does not accept it.
    Refused(String),
}

struct Sender {
    options: OtlpOptions,
    agent: ureq::Agent,
    resource: Resource,
    start_ns: u64,
    backoff: Backoff,
    random: RandomState,
    /// A request with traces that the collector has not accepted yet, and how often it was sent.
    pending: Option<(Vec<u8>, u32)>,
    /// When metrics are sent next.
    metrics_due: Option<Instant>,
}

impl Sender {
    fn new(options: OtlpOptions) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(REQUEST_TIMEOUT))
            .http_status_as_error(false)
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .tls_config(
                ureq::tls::TlsConfig::builder()
                    .provider(ureq::tls::TlsProvider::NativeTls)
                    .root_certs(ureq::tls::RootCerts::PlatformVerifier)
                    .build(),
            )
            .build()
            .into();
        let attributes = options.resource.iter().map(|(name, value)| KeyValue::text(name, value)).collect();
        Self {
            agent,
            resource: Resource { attributes },
            start_ns: now_ns(),
            backoff: Backoff::default(),
            random: RandomState::new(),
            pending: None,
            metrics_due: options.metrics_interval.map(|interval| Instant::now() + interval),
            options,
        }
    }

    fn run(&mut self, queue: &TraceQueue) {
        let mut retry_at: Option<Instant> = None;
        loop {
            let until = retry_at.or(self.metrics_due).unwrap_or_else(|| Instant::now() + LONG);
            if queue.wait(until, retry_at.is_none()) {
                return self.finish(queue);
            }
            let now = Instant::now();
            retry_at = self.send_due(queue, now).map(|delay| now + delay);
        }
    }

    /// Sends what is due. Returns how long to wait if the collector is away.
    fn send_due(&mut self, queue: &TraceQueue, now: Instant) -> Option<Duration> {
        if self.pending.is_some() || queue.is_due(now) {
            loop {
                self.take_traces(queue);
                if let Some(delay) = self.send_pending() {
                    return Some(delay);
                }
                if !queue.is_due(now) {
                    break;
                }
            }
        }
        if self.metrics_due.is_some_and(|due| now >= due) {
            let outcome = self.post("/v1/metrics", &self.metrics());
            if let Some(delay) = self.after(outcome, "metrics") {
                return Some(delay);
            }
            self.metrics_due = self.options.metrics_interval.map(|interval| now + interval);
        }
        None
    }

    /// Sends everything once, when the host ends.
    fn finish(&mut self, queue: &TraceQueue) {
        while self.pending.is_some() || !queue.is_empty() {
            self.take_traces(queue);
            if self.send_pending().is_some() {
                break;
            }
        }
        if self.options.metrics_interval.is_some() {
            let outcome = self.post("/v1/metrics", &self.metrics());
            self.after(outcome, "metrics");
        }
    }

    fn take_traces(&mut self, queue: &TraceQueue) {
        if self.pending.is_some() {
            return;
        }
        let (batches, dropped) = queue.take();
        if dropped > 0 {
            tracing::warn!(
                batches = dropped,
                "traces were left out, because the collector is away or too slow"
            );
        }
        if !batches.is_empty() {
            let request = spans::request(&batches, self.resource.clone(), scope());
            self.pending = Some((self.encode(&request), 0));
        }
    }

    fn send_pending(&mut self) -> Option<Duration> {
        let (body, attempts) = self.pending.take()?;
        let outcome = self.post("/v1/traces", &body);
        let is_lost = attempts + 1 >= MAX_ATTEMPTS;
        if matches!(outcome, Outcome::Later { .. }) && !is_lost {
            self.pending = Some((body, attempts + 1));
        }
        self.after(outcome, "traces")
    }

    fn metrics(&self) -> Vec<u8> {
        let period = Period { start_ns: self.start_ns, now_ns: now_ns() };
        let request =
            with_families(|families| metrics::request(families, period, self.resource.clone(), scope()));
        request.map(|request| self.encode(&request)).unwrap_or_default()
    }

    fn encode(&self, request: &(impl Message + Serialize)) -> Vec<u8> {
        match self.options.protocol {
            OtlpProtocol::Protobuf => request.encode_to_vec(),
            // Its maps have texts as keys, so it cannot fail.
            OtlpProtocol::Json => serde_json::to_vec(request).unwrap_or_default(),
        }
    }

    fn post(&self, path: &str, body: &[u8]) -> Outcome {
        let content_type = match self.options.protocol {
            OtlpProtocol::Protobuf => "application/x-protobuf",
            OtlpProtocol::Json => "application/json",
        };
        let mut request =
            self.agent.post(format!("{}{path}", self.options.endpoint)).header("Content-Type", content_type);
        for (name, value) in &self.options.headers {
            request = request.header(name, value);
        }
        let mut response = match request.send(body) {
            Ok(response) => response,
            Err(error) => return Outcome::Later { reason: error.to_string(), after: None },
        };
        let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        let answer =
            response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec().unwrap_or_default();
        match status {
            200..300 => Outcome::Accepted { refused: refused(&answer, self.options.protocol) },
            429 | 502..=504 => {
                Outcome::Later { reason: format!("status {status}"), after: after.map(Duration::from_secs) }
            }
            _ => {
                let stated: String = String::from_utf8_lossy(&answer).chars().take(MAX_STATED).collect();
                Outcome::Refused(format!("status {status}: {stated}"))
            }
        }
    }

    /// Logs what is worth it. Returns how long to wait if the collector is away.
    fn after(&mut self, outcome: Outcome, what: &str) -> Option<Duration> {
        let endpoint = &self.options.endpoint;
        match outcome {
            Outcome::Accepted { refused } => {
                if self.backoff.is_failing() {
                    tracing::info!("{what} are sent to {endpoint} again");
                }
                self.backoff.succeeded();
                if let Some(reason) = refused {
                    tracing::warn!("the collector has not accepted all {what}: {}", scrub(&reason));
                }
                None
            }
            Outcome::Refused(reason) => {
                self.backoff.succeeded();
                tracing::warn!("the collector {endpoint} does not accept {what}: {}", scrub(&reason));
                None
            }
            Outcome::Later { reason, after } => {
                let random = self.random.hash_one(now_ns()) as f64 / u64::MAX as f64;
                let delay = self.backoff.failed(after, random);
                if self.backoff.has_just_begun() {
                    tracing::warn!("cannot send {what} to {endpoint}, trying again: {}", scrub(&reason));
                }
                Some(delay)
            }
        }
    }
}

/// Why a part of what was sent was not accepted.
fn refused(answer: &[u8], protocol: OtlpProtocol) -> Option<String> {
    let (rejected, message) = match protocol {
        OtlpProtocol::Protobuf => {
            let partial = Accepted::decode(answer).ok()?.partial_success?;
            (partial.rejected.to_string(), partial.error_message)
        }
        OtlpProtocol::Json => {
            let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
            let partial = answer.get("partialSuccess")?;
            let text = |name: &str| match partial.get(name) {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => String::new(),
            };
            let rejected = [text("rejectedSpans"), text("rejectedDataPoints")].concat();
            (rejected, text("errorMessage"))
        }
    };
    let is_nothing = matches!(rejected.as_str(), "" | "0") && message.is_empty();
    (!is_nothing).then(|| format!("{rejected} rejected: {message}").chars().take(MAX_STATED).collect())
}

fn scope() -> Scope {
    Scope { name: "tidegate".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().try_into().unwrap_or(u64::MAX)
}
