//! The producer: sends records and waits for their acknowledgements.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer as _, PurgeConfig};

use super::reports::{DeliveryFailure, Reports, State};
use super::{ProduceError, ProducerSettings};
use crate::kafka::access::Access;
use crate::kafka::client::ClientError;
use crate::kafka::ffi;
use crate::kafka::oauth::{TokenOutcome, TokenRefresher, apply_token};

/// Maximum number of bytes in flight; a larger record is sent alone.
const WINDOW: usize = 16 << 20;
/// How long to wait between polls for reports: at first, and after `SOON`.
const SHORT_PAUSE: Duration = Duration::from_millis(1);
const LONG_PAUSE: Duration = Duration::from_millis(20);
const SOON: Duration = Duration::from_millis(200);
/// How long to wait for the reports of purged records.
const PURGE_TIME: Duration = Duration::from_millis(500);

/// A record to be produced.
#[derive(Clone, Copy, Debug)]
pub struct ProducerRecord<'r> {
    /// Topic.
    pub topic: &'r str,
    /// Partition; `None` for a hash of the key, or a random one without a key.
    pub partition: Option<i32>,
    /// Milliseconds since 1970, negative before; `None` for now, and [`NO_TIMESTAMP`](super::NO_TIMESTAMP) for none.
    pub timestamp_ms: Option<i64>,
    /// Key; `None` is Kafka's null.
    pub key: Option<&'r [u8]>,
    /// Value; `None` is Kafka's null.
    pub value: Option<&'r [u8]>,
    /// Headers, in order.
    pub headers: &'r [(&'r [u8], Option<&'r [u8]>)],
}

impl ProducerRecord<'_> {
    /// Bytes of key, value and headers.
    fn bytes(&self) -> usize {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + length(*value));
        length(self.key) + length(self.value) + headers.sum::<usize>()
    }
}

/// The progress of a send, which is reported to the caller at intervals.
#[derive(Clone, Copy, Debug)]
pub struct SendProgress<'w> {
    /// The topic.
    pub topic: &'w str,
    /// Time since the start.
    pub since: Duration,
    /// The last known reason for the delay.
    pub reason: Option<&'w str>,
}

/// Produces records that must not be lost. It cannot be used after an error.
pub struct Producer {
    pub(super) settings: ProducerSettings,
    pub(super) base: Arc<BaseProducer<Reports>>,
    /// Partition counts of topics that are known to exist.
    pub(super) topics: HashMap<String, i32>,
    _refresher: Option<TokenRefresher>,
}

impl Producer {
    /// Creates the client. Does not wait for brokers.
    ///
    /// # Errors
    /// When a property is invalid.
    pub fn open(settings: &ProducerSettings) -> Result<Self, ProduceError> {
        let (config, tokens) = settings.to_config()?;
        let base = BaseProducer::from_config_and_context(&config, Reports::new(&settings.owner));
        let base = Arc::new(base.map_err(ClientError::from_creation)?);
        ffi::hook_records(base.client());
        let weak = Arc::downgrade(&base);
        let set_token = move |token: &_| {
            weak.upgrade().map_or(TokenOutcome::ClientGone, |base| apply_token(base.client(), token))
        };
        let refresher = TokenRefresher::for_client(tokens, &settings.owner, set_token)?;
        Ok(Self { settings: settings.clone(), base, topics: HashMap::new(), _refresher: refresher })
    }

    /// Sends records and waits until all of them are acknowledged by all replicas. Those of a partition keep their order.
    ///
    /// `keep_waiting` is called at intervals; when it returns false, unsent records are purged and the call fails.
    ///
    /// # Errors
    /// When one of them is rejected, or not acknowledged in time.
    pub fn send<'r>(
        &mut self,
        records: impl IntoIterator<Item = ProducerRecord<'r>>,
        keep_waiting: &mut dyn FnMut(SendProgress<'_>) -> bool,
    ) -> Result<(), ProduceError> {
        let began = Instant::now();
        let mut last = String::new();
        for record in records {
            record.topic.clone_into(&mut last);
            let bytes = record.bytes();
            self.wait(&last, began, keep_waiting, |state| state.bytes == 0 || state.bytes + bytes <= WINDOW)?;
            self.enqueue(&record, bytes, began, keep_waiting)?;
        }
        self.wait(&last, began, keep_waiting, |state| state.records == 0)
    }

    fn enqueue(
        &self,
        record: &ProducerRecord<'_>,
        bytes: usize,
        began: Instant,
        keep_waiting: &mut dyn FnMut(SendProgress<'_>) -> bool,
    ) -> Result<(), ProduceError> {
        let rejected = |code| ProduceError::rejected(record.topic, &self.principal(), code, None);
        let topic = CString::new(record.topic).map_err(|_| rejected(RDKafkaErrorCode::InvalidTopic))?;
        let ProducerRecord { partition, timestamp_ms, key, value, headers, .. } = *record;
        let produced = ffi::Produced { topic: &topic, partition, timestamp_ms, key, value, headers };
        loop {
            {
                // Counted before sending, because the report may arrive immediately.
                let mut state = self.base.context().state();
                (state.records, state.bytes) = (state.records + 1, state.bytes + bytes);
            }
            let Err(code) = ffi::produce(self.base.client(), &produced, bytes) else { return Ok(()) };
            let on_their_way = {
                let mut state = self.base.context().state();
                (state.records, state.bytes) = (state.records - 1, state.bytes - bytes);
                state.records
            };
            if code != RDKafkaErrorCode::QueueFull || on_their_way == 0 {
                self.give_up();
                return Err(rejected(code));
            }
            self.wait(record.topic, began, keep_waiting, |state| state.records < on_their_way)?;
        }
    }

    /// Polls for reports until `enough` returns true.
    fn wait(
        &self,
        topic: &str,
        began: Instant,
        keep_waiting: &mut dyn FnMut(SendProgress<'_>) -> bool,
        enough: impl Fn(&State) -> bool,
    ) -> Result<(), ProduceError> {
        loop {
            let waited = began.elapsed();
            let (failure, done, reason) = {
                let state = self.base.context().state();
                (state.failure.clone(), enough(&state), state.reason.clone())
            };
            if let Some(failure) = failure {
                self.give_up();
                return Err(self.failed(failure, waited, reason));
            }
            if done {
                return Ok(());
            }
            if !keep_waiting(SendProgress { topic, since: waited, reason: reason.as_deref() }) {
                self.give_up();
                let reason = reason.unwrap_or_else(|| "no broker has responded".to_owned());
                return Err(ProduceError::GivenUp { topic: topic.to_owned(), reason });
            }
            self.base.poll(if waited < SOON { SHORT_PAUSE } else { LONG_PAUSE });
        }
    }

    /// Purges unsent records: nothing may be written after the error was returned.
    fn give_up(&self) {
        self.base.purge(PurgeConfig::default().queue().inflight());
        if let Err(error) = self.base.flush(PURGE_TIME) {
            tracing::debug!(%error, "waiting for the reports of purged records");
        }
    }

    fn failed(&self, failure: DeliveryFailure, waited: Duration, reason: Option<String>) -> ProduceError {
        let DeliveryFailure { topic, mut code, mut text } = failure;
        // Records are purged when the producer as a whole cannot continue, for example without a permission.
        if matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
            && let Some((fatal, reason)) = self.base.client().fatal_error()
        {
            (code, text) = (fatal, Some(reason));
        }
        if code == RDKafkaErrorCode::MessageTimedOut {
            let reason = reason.unwrap_or_else(|| "the brokers do not acknowledge".to_owned());
            return ProduceError::TimedOut { topic, waited, reason };
        }
        ProduceError::rejected(&topic, &self.principal(), code, text)
    }

    /// The user as in ACLs.
    pub(super) fn principal(&self) -> String {
        Access::of(&self.settings.properties).principal()
    }
}
