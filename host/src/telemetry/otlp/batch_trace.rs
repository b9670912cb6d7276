//! The trace of a batch: a span for the batch, and one for each stage that it passes.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tidegate_abi::printable::beginning;

use super::queue;
use crate::telemetry::scrub;

/// The most records of a batch whose traces the span of the batch is linked to.
const MAX_LINKS: usize = 64;
/// The longest reason of a failure, in bytes.
const MAX_REASON_BYTES: usize = 1_000;

/// What a task is called in its traces.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TracedTask {
    /// Connector.
    pub connector: String,
    /// Task.
    pub task: u32,
    /// Consumer group.
    pub group: String,
}

/// Identifies a span: its trace and itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct SpanContext {
    pub(super) trace: u128,
    pub(super) span: u64,
}

impl SpanContext {
    /// Reads the header `traceparent`, as the W3C specifies it: `00-<trace id>-<span id>-<flags>`, in hexadecimal.
    #[must_use]
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(header).ok()?.trim();
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let lengths = [version.len(), trace.len(), span.len(), flags.len()] == [2, 32, 16, 2];
        // Later versions may have more parts.
        let has_rest = parts.next().is_some();
        if !lengths || version == "ff" || (version == "00" && has_rest) {
            return None;
        }
        if ![version, trace, span, flags].into_iter().all(is_hex) {
            return None;
        }
        let context =
            Self { trace: u128::from_str_radix(trace, 16).ok()?, span: u64::from_str_radix(span, 16).ok()? };
        (context.trace != 0 && context.span != 0).then_some(context)
    }
}

/// Makes ids, and decides which batches are traced.
#[derive(Debug)]
pub struct Sampler {
    random: RandomState,
    made: u64,
    ratio: f64,
}

impl Sampler {
    /// Traces this part of all batches, from 0 to 1.
    #[must_use]
    pub fn new(ratio: f64) -> Self {
        Self { random: RandomState::new(), made: 0, ratio }
    }

    fn next(&mut self) -> u64 {
        self.made += 1;
        // Zero is no id.
        self.random.hash_one(self.made).max(1)
    }

    /// The ids of the next batch; `None` if it is not traced.
    fn sample(&mut self) -> Option<SpanContext> {
        let trace = u128::from(self.next()) << 64 | u128::from(self.next());
        // As OpenTelemetry's TraceIdRatioBased, by the lower half of the trace id.
        let is_sampled = (trace as u64) as f64 / u64::MAX as f64 <= self.ratio && self.ratio > 0.0;
        is_sampled.then(|| SpanContext { trace, span: self.next() })
    }
}

/// A span of a stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StageSpan {
    pub(super) span: u64,
    pub(super) name: String,
    pub(super) plugin: Option<String>,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) error: Option<String>,
}

/// The spans of a batch, as they are exported.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchSpans {
    pub(super) task: TracedTask,
    pub(super) context: SpanContext,
    /// The topic, if all records are of one.
    pub(super) topic: Option<String>,
    pub(super) records: u64,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) stages: Vec<StageSpan>,
    pub(super) links: BTreeSet<SpanContext>,
    pub(super) dropped_links: u32,
    pub(super) error: Option<String>,
}

impl BatchSpans {
    /// The names of the stages.
    #[cfg(test)]
    pub(crate) fn stages(&self) -> Vec<String> {
        self.stages.iter().map(|stage| stage.name.clone()).collect()
    }
}

/// The trace of a batch that is not settled yet. It is exported when it is dropped; unless it was
/// [ended](BatchTrace::end) before, with an error.
#[derive(Debug)]
pub struct BatchTrace {
    /// `None` once it is exported.
    spans: Option<Box<BatchSpans>>,
    /// A moment on both clocks.
    anchor: (Instant, u64),
    /// For the ids of stages.
    random: RandomState,
    is_written: bool,
}

impl BatchTrace {
    /// Begins the trace of a batch of `records` records, whose first one was polled at `began`; `None` if it is not traced.
    #[must_use]
    pub fn begin(
        task: &TracedTask,
        sampler: &mut Sampler,
        records: usize,
        topic: Option<&str>,
        began: Instant,
    ) -> Option<Self> {
        let context = sampler.sample()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut trace = Self {
            spans: None,
            anchor: (Instant::now(), nanoseconds(now)),
            random: sampler.random.clone(),
            is_written: false,
        };
        let start_ns = trace.at(began);
        trace.spans = Some(Box::new(BatchSpans {
            task: task.clone(),
            context,
            topic: topic.map(str::to_owned),
            records: records as u64,
            start_ns,
            end_ns: start_ns,
            stages: Vec::new(),
            links: BTreeSet::new(),
            dropped_links: 0,
            error: None,
        }));
        trace.stage("poll", None, began, None);
        Some(trace)
    }

    /// Links the batch to the span that a record came from, unless it has many links already.
    pub fn link(&mut self, header: &[u8]) {
        let Some(spans) = &mut self.spans else { return };
        let Some(context) = SpanContext::parse(header).filter(|context| !spans.links.contains(context))
        else {
            return;
        };
        if spans.links.len() < MAX_LINKS {
            spans.links.insert(context);
        } else {
            spans.dropped_links = spans.dropped_links.saturating_add(1);
        }
    }

    /// Adds a stage that began then and has ended now, with an error or without. An error ends the batch as well.
    pub fn stage(&mut self, name: &str, plugin: Option<&str>, began: Instant, error: Option<&str>) {
        self.stage_until(name, plugin, (began, Instant::now()), error);
    }

    /// As [`BatchTrace::stage`], with its end.
    pub fn stage_until(
        &mut self,
        name: &str,
        plugin: Option<&str>,
        (began, ended): (Instant, Instant),
        error: Option<&str>,
    ) {
        let (start_ns, end_ns) = (self.at(began), self.at(ended));
        let Some(spans) = &mut self.spans else { return };
        let error = error.map(shortened);
        if let Some(error) = &error {
            spans.error = Some(error.clone());
        }
        let id = (spans.context.span, spans.stages.len());
        spans.stages.push(StageSpan {
            span: self.random.hash_one(id).max(1),
            name: name.to_owned(),
            plugin: plugin.map(str::to_owned),
            start_ns,
            end_ns,
            error,
        });
    }

    /// The batch is written. Stages that follow, such as its commit, are added nevertheless.
    pub fn end(&mut self) {
        let end_ns = self.at(Instant::now());
        self.is_written = true;
        if let Some(spans) = &mut self.spans {
            spans.end_ns = end_ns;
        }
    }

    /// A moment in nanoseconds since 1970.
    fn at(&self, moment: Instant) -> u64 {
        let (anchor, ns) = self.anchor;
        match moment.checked_duration_since(anchor) {
            Some(later) => ns.saturating_add(nanoseconds(later)),
            None => ns.saturating_sub(nanoseconds(anchor.saturating_duration_since(moment))),
        }
    }
}

impl Drop for BatchTrace {
    fn drop(&mut self) {
        let now = self.at(Instant::now());
        let Some(mut spans) = self.spans.take() else { return };
        if !self.is_written {
            spans.end_ns = now;
            let not_written = "the batch was not written: its task has failed or was stopped";
            spans.error.get_or_insert_with(|| not_written.to_owned());
        }
        queue::export(*spans);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

fn shortened(reason: &str) -> String {
    beginning(&scrub(reason), MAX_REASON_BYTES).to_owned()
}

/// The spans of a trace, which is not exported.
#[cfg(test)]
pub(super) fn spans_of(mut trace: BatchTrace) -> BatchSpans {
    *trace.spans.take().expect("it is not exported yet")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn begin(sampler: &mut Sampler) -> Option<BatchTrace> {
        let task = TracedTask { connector: "a".to_owned(), task: 0, group: "g".to_owned() };
        BatchTrace::begin(&task, sampler, 2, Some("t"), Instant::now())
    }

    #[test]
    fn headers_are_read_as_the_w3c_specifies() {
        let parse = |header: &str| SpanContext::parse(header.as_bytes());
        let context =
            SpanContext { trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span: 0x00f0_67aa_0ba9_02b7 };
        assert_eq!(parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), Some(context));
        assert_eq!(parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"), Some(context));
        for invalid in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parse(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn links_are_bounded_and_equal_ones_count_once() {
        let mut trace = begin(&mut Sampler::new(1.0)).expect("every batch is traced");
        for _ in 0..2 {
            for number in 1..=MAX_LINKS + 3 {
                trace.link(format!("00-{number:032x}-{number:016x}-00").as_bytes());
            }
        }
        let spans = spans_of(trace);
        assert_eq!((spans.links.len(), spans.dropped_links), (MAX_LINKS, 6));
    }

    #[test]
    fn stages_are_in_the_time_of_the_batch() {
        let mut trace = begin(&mut Sampler::new(1.0)).expect("every batch is traced");
        let began = Instant::now();
        trace.stage("sink", Some("file"), began, Some("it failed"));
        trace.end();
        let spans = spans_of(trace);
        assert_eq!(spans.error.as_deref(), Some("it failed"));
        let names: Vec<&str> = spans.stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names, ["poll", "sink"]);
        let times = [spans.start_ns, spans.stages[1].start_ns, spans.stages[1].end_ns, spans.end_ns];
        assert!(times.is_sorted(), "{times:?}");
        let ids: BTreeSet<u64> =
            spans.stages.iter().map(|stage| stage.span).chain([spans.context.span]).collect();
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn a_part_of_the_batches_is_traced() {
        let count = |ratio: f64| {
            let mut sampler = Sampler::new(ratio);
            (0..2_000).filter(|_| sampler.sample().is_some()).count()
        };
        assert_eq!((count(0.0), count(1.0)), (0, 2_000));
        assert!((300..700).contains(&count(0.25)));
    }

    proptest! {
        #[test]
        fn no_header_is_misread(header in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(SpanContext::parse(&header).is_none_or(|context| context.trace != 0));
        }
    }
}
