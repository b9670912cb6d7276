//! The transform worker: decodes the records of a batch, then calls the transforms.

mod bisect;
mod notices;
mod predicate;
mod schemas;

use std::{
    ops::Range,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    time::Instant,
};

use tidegate_abi::{
    Record,
    host::{Batch, Part, Partition, Rejection},
};

use self::{bisect::Inputs, notices::NoticeLog};
use super::{
    call_clock::CallClock,
    channels::{PollMessage, PollSender, SinkInput, WorkerInput},
    error::{Stage, TaskError},
    message::Reopen,
    reject::{RejectionHandler, Unhandled},
    retry::Retrier,
    settings::{TaskSettings, TransformSettings},
    stop::StopSignal,
    traces::{self, CurrentTrace, TaskTraces},
};
use crate::{
    config::OnReject,
    formats::{Reading, RecordDecoder},
    plugins::{CallError, ErrorClass, OpenParams, TransformInstance},
    telemetry::{self, Histogram},
};

/// The transform worker of a task.
pub(super) struct TransformWorker {
    pub(super) settings: Arc<TaskSettings>,
    pub(super) rejections: Arc<RejectionHandler>,
    pub(super) inputs: Receiver<WorkerInput>,
    pub(super) sink: Sender<SinkInput>,
    /// One message per batch that the sink worker has finished.
    pub(super) sink_ready: Receiver<()>,
    pub(super) poll: PollSender,
    pub(super) retrier: Arc<Retrier>,
    pub(super) clock: Arc<CallClock>,
    pub(super) stop: Arc<StopSignal>,
    pub(super) traces: Arc<TaskTraces>,
}

impl TransformWorker {
    /// Runs until the poll loop closes the channel.
    ///
    /// # Errors
    /// Why the task fails.
    pub(super) fn run(self) -> Result<(), TaskError> {
        let mut stages = Stages::new(&self);
        match self.serve(&mut stages) {
            Ok(()) => stages.close(),
            // Reported before the transforms are dropped, which may take long.
            Err(error) => {
                let _ended = self.poll.send(PollMessage::StageFailed(error)).is_err();
            }
        }
        stages.discard();
        Ok(())
    }

    fn serve(&self, stages: &mut Stages) -> Result<(), TaskError> {
        stages.open()?;
        // The receivers are dropped only when the task ends.
        let _ended = self.poll.send(PollMessage::WorkerReady).is_err();
        while let Ok(input) = self.inputs.recv() {
            if self.stop.has_ended() {
                break;
            }
            match input {
                WorkerInput::Reopen(reopen) => {
                    let _ended = self.poll.send(PollMessage::Reopening).is_err();
                    stages.reopen(&reopen)?;
                    if self.sink.send(SinkInput::Reopen(reopen)).is_err() {
                        break;
                    }
                }
                WorkerInput::Batch(mut batch) => {
                    let mut trace = self.traces.transforming(&batch);
                    let unhandled = stages.process(&mut batch, &mut trace)?;
                    if self.sink_ready.recv().is_err() {
                        break;
                    }
                    // Dead letters keep the order of batches: those of the previous batch are already written.
                    self.rejections.handle(&batch, &unhandled)?;
                    self.traces.transformed(trace);
                    if self.sink.send(SinkInput::Batch(batch)).is_err() {
                        break;
                    }
                    let _ended = self.poll.send(PollMessage::WorkerReady).is_err();
                }
            }
        }
        Ok(())
    }
}

/// The decoder and the transforms of a task.
pub(super) struct Stages {
    settings: Arc<TaskSettings>,
    decoder: RecordDecoder,
    notices: NoticeLog,
    /// The settings of the transforms.
    definitions: Vec<TransformSettings>,
    transforms: Vec<TransformInstance>,
    /// How long each transform takes for a batch.
    transform_times: Vec<Histogram>,
    decode_time: Histogram,
    rejections: Arc<RejectionHandler>,
    retrier: Arc<Retrier>,
    clock: Arc<CallClock>,
    stop: Arc<StopSignal>,
    poll: PollSender,
}

impl Stages {
    fn new(worker: &TransformWorker) -> Self {
        let TransformWorker { settings, rejections, retrier, clock, stop, poll, .. } = worker;
        Self {
            decoder: RecordDecoder::new(settings.decoder.clone()),
            notices: NoticeLog::new(&settings.connector, settings.task),
            definitions: settings.plugins.transforms.clone(),
            transforms: Vec::new(),
            transform_times: transform_times(settings, &settings.plugins.transforms),
            decode_time: stage_time(settings, &[("stage", "decode")]),
            settings: Arc::clone(settings),
            rejections: Arc::clone(rejections),
            clock: Arc::clone(clock),
            retrier: Arc::clone(retrier),
            stop: Arc::clone(stop),
            poll: poll.clone(),
        }
    }

    /// Opens the transforms in order. If one fails, `discard` drops those that are open.
    fn open(&mut self) -> Result<(), TaskError> {
        for index in 0..self.definitions.len() {
            let opened = self.open_one(index)?;
            self.transforms.push(opened);
        }
        Ok(())
    }

    /// Closes the transforms and opens them again, unless only others are to be replaced.
    fn reopen(&mut self, reopen: &Reopen) -> Result<(), TaskError> {
        if let Reopen::Changed(plugins) = reopen {
            if plugins.transforms == self.definitions {
                return Ok(());
            }
            self.close();
            self.discard();
            self.definitions.clone_from(&plugins.transforms);
            self.transform_times = transform_times(&self.settings, &self.definitions);
        } else {
            self.close();
            self.discard();
        }
        self.open()?;
        tracing::info!(transforms = self.transforms.len(), "transforms reopened");
        Ok(())
    }

    /// Stages with a transform that is not loaded from a library.
    #[cfg(test)]
    pub(super) fn of(worker: &TransformWorker, transform: TransformInstance) -> Self {
        let mut stages = Self::new(worker);
        stages.transforms.push(transform);
        stages
    }

    #[cfg(test)]
    pub(super) fn rejections(&self) -> &RejectionHandler {
        &self.rejections
    }

    /// Decodes and transforms a batch. Returns the rejections that are still to be handled.
    pub(super) fn process(
        &mut self,
        batch: &mut Batch,
        trace: &mut CurrentTrace,
    ) -> Result<Unhandled, TaskError> {
        let mut unhandled = Unhandled::default();
        // The poll loop has rejected records that are too large.
        self.rejections.admit(&Stage::Source, batch, &mut unhandled)?;
        if self.settings.reads_values {
            let began = Instant::now();
            let decoded = self.decode(batch);
            traces::stage(trace, "decode", None, began, &decoded);
            decoded?;
            self.decode_time.observe(began.elapsed().as_secs_f64());
            self.rejections.admit(&Stage::Decode(Part::Record), batch, &mut unhandled)?;
        }
        for index in 0..self.transforms.len() {
            let stage = Stage::Transform(self.transforms[index].name().to_owned());
            let began = Instant::now();
            let transformed = self.transform(index, &stage, batch);
            traces::stage(trace, "transform", Some(self.transforms[index].name()), began, &transformed);
            transformed?;
            if let Some(time) = self.transform_times.get(index) {
                time.observe(began.elapsed().as_secs_f64());
            }
            self.rejections.admit(&stage, batch, &mut unhandled)?;
        }
        batch.finish_unwrapped(&mut self.decoder);
        self.log_notices();
        Ok(unhandled)
    }

    /// Decodes a batch, and adds the decoder's state of each partition before and after it, which is stored with the offsets.
    fn decode(&mut self, batch: &mut Batch) -> Result<(), TaskError> {
        drop_former_assignments(batch);
        self.fetch_schemas(batch)?;
        let mut before = Vec::with_capacity(batch.partitions().len());
        for (slot, partition) in batch.partitions().iter().enumerate() {
            let first = batch.originals_below(slot, i64::MAX).next();
            let reading = Reading {
                topic: &partition.topic,
                partition: partition.partition,
                assignment: partition.generation,
                offset: first.map_or(partition.next_offset, |first| first.offset),
                state: batch.claimed_state(slot).map(|state| &**state),
            };
            self.decoder.open(&reading);
            before.push(self.decoder.state(&partition.topic, partition.partition));
        }
        batch.decode(&mut self.decoder);
        for (slot, before) in before.into_iter().enumerate() {
            let Partition { topic, partition, .. } = &batch.partitions()[slot];
            let after = self.decoder.state(topic, *partition);
            batch.set_states(slot, before, after);
        }
        Ok(())
    }

    /// Logs and counts the decoder's notices about records and outputs of transforms.
    fn log_notices(&mut self) {
        let Self { decoder, notices, .. } = self;
        decoder.drain_notices(|notice| notices.add(notice));
        notices.summarise(false);
    }

    /// Calls a transform with the batch. If it rejects the whole call, bisects the batch to find the invalid records.
    fn transform(&mut self, index: usize, stage: &Stage, batch: &mut Batch) -> Result<(), TaskError> {
        let mut inputs = Inputs::all(batch.input_count());
        while let Some(part) = inputs.next() {
            let used = batch.used_bytes();
            let Err(error) = self.apply(index, stage, batch, part)? else {
                inputs.done();
                continue;
            };
            let failed = |source| Err(TaskError::Call { stage: stage.clone(), source });
            if self.settings.errors.on_reject == OnReject::Fail {
                return failed(error);
            }
            if self.transforms[index].is_gone() {
                self.transforms[index] = self.open_one(index)?;
            }
            let Some(input) = inputs.split() else { continue };
            let is_too_large = error.class == ErrorClass::OutOfMemoryBudget;
            // The records before it in the batch have used up the memory budget, rather than the record itself.
            if is_too_large && batch.input_count() > 1 && used > self.settings.batch_memory / 2 {
                return failed(error);
            }
            let part = Part::Record;
            batch.reject_input(input, Rejection { part, too_large: is_too_large, reason: error.message });
            inputs.done();
        }
        Ok(())
    }

    /// Calls a transform once, for the consumed records with numbers in `part`. An error that a record may have caused is
    /// returned in `Ok(Err(..))`.
    fn apply(
        &mut self,
        index: usize,
        stage: &Stage,
        batch: &mut Batch,
        part: Range<u32>,
    ) -> Result<Result<(), CallError>, TaskError> {
        let transform = &mut self.transforms[index];
        let when = self.definitions[index].when.as_ref();
        let all = part.len() == batch.input_count();
        let (clock, decoder, limit) = (&self.clock, &mut self.decoder, self.settings.batch_memory);
        self.retrier.call(stage, || {
            clock.time(stage, transform.context(), || {
                let mut selects = |record: Record<'_>| {
                    (all || part.contains(&record.input()))
                        && when.is_none_or(|when| predicate::holds(when, record))
                };
                let selects: Option<&mut dyn FnMut(Record<'_>) -> bool> =
                    if when.is_some() || !all { Some(&mut selects) } else { None };
                transform.apply(batch, limit, selects, decoder)
            })
        })
    }

    fn open_one(&self, index: usize) -> Result<TransformInstance, TaskError> {
        let (settings, transform) = (&self.settings, &self.definitions[index]);
        let params = OpenParams {
            connector: &settings.connector,
            task: settings.task,
            tasks: settings.tasks,
            instance: &transform.name,
            config: &transform.config,
        };
        let stage = Stage::Transform(transform.name.clone());
        self.retrier.open(&stage, || {
            self.clock.time(&stage, params.context(), || TransformInstance::open(&transform.plugin, &params))
        })
    }

    fn close(&mut self) {
        for transform in &mut self.transforms {
            let stage = Stage::Transform(transform.name().to_owned());
            if let Err(error) = self.clock.time(&stage, transform.context(), || transform.close()) {
                tracing::warn!(stage = %stage, "closing: {}", error.message);
            }
        }
    }

    /// Drops the transforms. This is timed like a call, since it runs code of the plugins.
    fn discard(&mut self) {
        for transform in self.transforms.drain(..) {
            let stage = Stage::Transform(transform.name().to_owned());
            self.clock.time(&stage, transform.context(), || drop(transform));
        }
    }
}

/// The histograms of how long each of these transforms takes for a batch, with retries.
fn transform_times(settings: &TaskSettings, transforms: &[TransformSettings]) -> Vec<Histogram> {
    let time = |transform: &TransformSettings| {
        stage_time(settings, &[("stage", "transform"), ("plugin", &transform.name)])
    };
    transforms.iter().map(time).collect()
}

fn stage_time(settings: &TaskSettings, labels: &[(&str, &str)]) -> Histogram {
    telemetry::task_histogram(&settings.connector, settings.task, "stage_duration_seconds", labels)
}

/// Drops records that were read under an earlier assignment of a partition than the latest. The sink worker would drop them
/// as well, and they must not change the decoder's state.
fn drop_former_assignments(batch: &mut Batch) {
    let partitions = batch.partitions();
    let newest = |slot: &Partition| {
        let same =
            partitions.iter().filter(|other| other.partition == slot.partition && other.topic == slot.topic);
        same.map(|other| other.generation).max()
    };
    let newest: Vec<Option<u64>> = partitions.iter().map(newest).collect();
    if partitions.iter().zip(&newest).all(|(slot, newest)| *newest == Some(slot.generation)) {
        return;
    }
    let mut newest = newest.into_iter();
    batch.retain_partitions(|slot| newest.next().flatten() == Some(slot.generation));
}
