//! The sink worker: one `write` per batch, all or nothing, and flushes. Records that the sink rejects are found and handled.

mod claim;
mod flush;
mod isolate;
mod lost_position;
mod metrics;
mod parts;
mod state;
pub(super) mod written_log;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::Instant,
};

use tidegate_abi::host::Batch;

use self::{claim::named, parts::Parts, written_log::WrittenLog};
pub(in crate::pipeline) use self::{flush::Unflushed, metrics::SinkMetrics};
use super::{
    call_clock::CallClock,
    channels::{PollMessage, PollSender, SinkInput},
    error::{Stage, TaskError},
    message::Reopen,
    reject::{RejectionHandler, Unhandled},
    retry::Retrier,
    settings::{PluginSettings, TaskSettings},
    stop::StopSignal,
    traces::{self, TaskTraces},
};
use crate::{
    kafka::consumer::{OffsetResolver, TopicPartition},
    plugins::{CallError, ErrorClass, OpenParams, SinkInstance, StoredClaim, WriteReport},
    telemetry,
};

/// The sink worker of a task.
pub(super) struct SinkWorker {
    pub(super) settings: Arc<TaskSettings>,
    pub(super) inputs: Receiver<SinkInput>,
    /// One message per finished batch, so that the transform worker sends the next one.
    pub(super) ready: Sender<()>,
    pub(super) poll: PollSender,
    pub(super) offset_resolver: OffsetResolver,
    pub(super) rejections: Arc<RejectionHandler>,
    pub(super) retrier: Retrier,
    pub(super) clock: Arc<CallClock>,
    pub(super) stop: Arc<StopSignal>,
    pub(super) traces: Arc<TaskTraces>,
}

impl SinkWorker {
    /// Runs until the poll loop and the transform worker close the channel.
    ///
    /// # Errors
    /// Why the task fails.
    pub(super) fn run(self) -> Result<(), TaskError> {
        let plugins = &self.settings.plugins;
        let mut open = OpenSink {
            sink: self.open(plugins)?,
            stage: Stage::Sink(plugins.sink_name.clone()),
            plugins: plugins.clone(),
            owned: HashMap::new(),
            stores_offsets: false,
            unflushed: Unflushed::default(),
            metrics: SinkMetrics::new(&self.settings, &plugins.sink_name),
            written: WrittenLog::new(telemetry::batch_log_interval()),
            worker: &self,
        };
        match open.serve() {
            Ok(()) => open.close(),
            // Reported before the sink is dropped, which may take long.
            Err(error) => {
                let _ended = self.poll.send(PollMessage::StageFailed(error)).is_err();
            }
        }
        open.discard();
        Ok(())
    }

    fn open(&self, plugins: &PluginSettings) -> Result<SinkInstance, TaskError> {
        let settings = &self.settings;
        let params = OpenParams {
            connector: &settings.connector,
            task: settings.task,
            tasks: settings.tasks,
            instance: &plugins.sink_name,
            config: &plugins.sink_config,
        };
        let stage = Stage::Sink(plugins.sink_name.clone());
        self.retrier.open(&stage, || {
            self.clock.time(&stage, params.context(), || SinkInstance::open(&plugins.sink, &params))
        })
    }

    /// Drops a sink. This is timed like a call, since it runs code of the plugin.
    fn discard(&self, stage: &Stage, sink: SinkInstance) {
        self.clock.time(stage, sink.context(), || drop(sink));
    }
}

/// A partition that the sink has claimed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owned {
    /// Number of the assignment under which it was claimed.
    pub(super) generation: u64,
    /// The epoch that the sink returned.
    pub(super) epoch: u64,
    /// Its records could not be written. They are dropped until the partition is claimed again.
    pub(super) has_failed: bool,
}

pub(super) struct OpenSink<'r> {
    pub(super) worker: &'r SinkWorker,
    pub(super) sink: SinkInstance,
    pub(super) stage: Stage,
    /// The settings of the open sink.
    pub(super) plugins: PluginSettings,
    /// The claimed partitions.
    pub(super) owned: HashMap<String, HashMap<i32, Owned>>,
    /// The sink has returned an offset or an epoch for a claim: it is also passed the positions of batches without
    /// records.
    pub(super) stores_offsets: bool,
    pub(super) unflushed: Unflushed,
    pub(super) metrics: SinkMetrics,
    pub(super) written: WrittenLog,
}

impl OpenSink<'_> {
    fn serve(&mut self) -> Result<(), TaskError> {
        let worker = self.worker;
        // The receivers are dropped only when the task ends.
        let _ended = worker.poll.send(PollMessage::SinkOpen).is_err();
        let _ended = worker.ready.send(()).is_err();
        while let Some(input) = self.next_input() {
            if worker.stop.has_ended() {
                break;
            }
            match input {
                SinkInput::Batch(batch) => {
                    let (records, bytes, began) =
                        (batch.input_count(), batch.payload_bytes(), Instant::now());
                    let mut trace = worker.traces.writing();
                    let delivered = self.deliver(batch);
                    traces::stage(&mut trace, "sink", Some(&self.plugins.sink_name), began, &delivered);
                    let batch = delivered?;
                    self.metrics.batch(records, bytes, began.elapsed());
                    worker.traces.written(trace, self.plugins.flush.is_some());
                    let _ended = worker.poll.send(PollMessage::BatchDone(batch)).is_err();
                    let _ended = worker.ready.send(()).is_err();
                }
                // A claim by a task that is about to leave the group would fence the next owner.
                SinkInput::Claim { .. } if worker.stop.is_requested() => {}
                SinkInput::Claim { generation, partitions, mut committable, mut states } => {
                    self.flush_before_claim(&partitions, &mut committable, &mut states)?;
                    if let Some(claimed) = self.claim(generation, &partitions, &committable, states)? {
                        let _ended = worker.poll.send(PollMessage::Claimed(claimed)).is_err();
                    }
                }
                SinkInput::Flush => self.flush()?,
                SinkInput::Release(partitions) => self.release(&partitions)?,
                SinkInput::Reopen(Reopen::All) => self.reopen()?,
                SinkInput::Reopen(Reopen::Changed(plugins)) => {
                    self.replace(*plugins)?;
                    let _ended = worker.poll.send(PollMessage::Reopened).is_err();
                }
            }
        }
        Ok(())
    }

    /// Waits for the next input, and logs in the meantime what was written. Returns nothing once the channel is closed.
    fn next_input(&mut self) -> Option<SinkInput> {
        let worker = self.worker;
        while let Some(left) = self.written.time_left(Instant::now()) {
            match worker.inputs.recv_timeout(left) {
                Ok(input) => return Some(input),
                Err(RecvTimeoutError::Timeout) => self.written.log_due(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        worker.inputs.recv().ok()
    }

    /// Writes a batch, in parts if the sink rejects some of it. Returns the batch so that its memory is reused.
    pub(super) fn deliver(&mut self, mut batch: Batch) -> Result<Batch, TaskError> {
        self.drop_unowned(&mut batch);
        if batch.input_count() == 0 {
            return Ok(batch);
        }
        let mut parts = Parts::whole(&batch);
        let mut grouped = false;
        while let Some(range) = parts.next() {
            if range.is_empty() && !self.stores_offsets {
                self.on_written(&batch, range.end, 0);
                parts.settle();
                continue;
            }
            let began = Instant::now();
            match self.write(&batch, range.clone())? {
                Ok(report) if report.rejected.is_empty() => {
                    self.written.add(&batch, range.clone(), &report.rows, began.elapsed());
                    self.on_written(&batch, range.end, range.len());
                    parts.settle();
                }
                Ok(report) => {
                    let removed = self.reject(&mut batch, range.start, report)?;
                    parts.shrink(removed);
                }
                Err(error) if error.class == ErrorClass::Retriable => {
                    self.isolate_partition(&mut batch, &mut parts, error, &mut grouped);
                }
                // The batch contains no record that could be invalid.
                Err(source) if range.is_empty() => {
                    return Err(TaskError::Call { stage: self.stage.clone(), source });
                }
                Err(rejected) => {
                    if parts.split(&batch) {
                        continue;
                    }
                    let report = WriteReport {
                        rejected: (0..range.len() as u32)
                            .map(|index| (index, rejected.message.clone()))
                            .collect(),
                        rows: Vec::new(),
                    };
                    let removed = self.reject(&mut batch, range.start, report)?;
                    parts.shrink(removed);
                }
            }
        }
        if grouped {
            // Filtered records of the remaining partitions are settled, even if no part followed.
            self.on_written(&batch, batch.len(), 0);
        }
        self.keep_originals(&batch);
        Ok(batch)
    }

    /// Drops records that were read under a former assignment. The owner of the partition, which may be this task
    /// again, reads these records again; they must not be written under its epoch.
    fn drop_unowned(&self, batch: &mut Batch) {
        let before = batch.input_count();
        batch.retain_partitions(|slot| {
            let owned = self.owned.get(&*slot.topic).and_then(|topic| topic.get(&slot.partition));
            owned.is_some_and(|owned| owned.generation == slot.generation && !owned.has_failed)
        });
        let records = before - batch.input_count();
        if records > 0 {
            tracing::info!(
                records,
                "dropped records of partitions that were handed over or paused: they are read again"
            );
        }
    }

    fn write(
        &mut self,
        batch: &Batch,
        range: std::ops::Range<usize>,
    ) -> Result<Result<WriteReport, CallError>, TaskError> {
        let isolates = !range.is_empty() && self.isolates_partitions();
        let Self { worker, sink, stage, owned, .. } = self;
        let epoch = |topic: &str, partition: i32| {
            owned.get(topic).and_then(|topic| topic.get(&partition)).map_or(0, |owned| owned.epoch)
        };
        let positions = state::positions_before(&worker.settings.decoder, batch, range.end);
        let call = || {
            worker.clock.time(stage, sink.context(), || sink.write(batch, range.clone(), &positions, epoch))
        };
        if isolates {
            return worker.retrier.call_once(stage, call);
        }
        worker.retrier.call(stage, call)
    }

    /// Removes rejected records, given by their index after `start`, from the batch, each with all outputs of the
    /// consumed record that it came from, and handles them before any later record is written. Returns how many records
    /// were removed.
    fn reject(&mut self, batch: &mut Batch, start: usize, report: WriteReport) -> Result<usize, TaskError> {
        let mut rejected: Vec<(u32, String)> =
            report.rejected.into_iter().map(|(index, reason)| (start as u32 + index, reason)).collect();
        rejected.sort_by_key(|(index, _)| *index);
        let mut unhandled = Unhandled::after(batch.rejected_count());
        let removed = batch.reject(rejected);
        self.worker.rejections.admit(&self.stage, batch, &mut unhandled)?;
        self.worker.rejections.handle(batch, &unhandled)?;
        Ok(removed)
    }

    /// Releases partitions. An error is logged, and the sink keeps working for the other partitions, unless it panicked.
    pub(super) fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), TaskError> {
        self.forget_unflushed(partitions);
        for at in partitions {
            if let Some(topic) = self.owned.get_mut(&at.topic) {
                topic.remove(&at.partition);
            }
        }
        let (clock, sink) = (&self.worker.clock, &mut self.sink);
        match clock.time(&self.stage, sink.context(), || sink.release(&named(partitions))) {
            Err(source) if source.class == ErrorClass::Panic => {
                return Err(TaskError::Call { stage: self.stage.clone(), source });
            }
            Err(error) => tracing::warn!(stage = %self.stage, "releasing partitions: {}", error.message),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Closes the sink and opens another instance, which claims the partitions under new epochs, so that the old one is fenced.
    fn reopen(&mut self) -> Result<(), TaskError> {
        self.flush_before_reopen()?;
        self.open_another()?;
        let partitions: Vec<TopicPartition> = self
            .owned
            .iter()
            .flat_map(|(topic, partitions)| {
                partitions.keys().map(move |partition| TopicPartition::new(topic, *partition))
            })
            .collect();
        if !partitions.is_empty() {
            let claims = self.claim_from_sink(&partitions)?;
            for (at, StoredClaim { epoch, .. }) in partitions.iter().zip(claims) {
                if let Some(owned) =
                    self.owned.get_mut(&at.topic).and_then(|topic| topic.get_mut(&at.partition))
                {
                    owned.epoch = epoch;
                }
            }
        }
        tracing::info!("sink reopened");
        Ok(())
    }

    /// Replaces the sink by one with other settings, if they differ. Records that were read before are dropped, because the new
    /// sink may have stored other offsets: the partitions are claimed again, and read from those.
    fn replace(&mut self, plugins: PluginSettings) -> Result<(), TaskError> {
        let is_same = plugins.sink == self.plugins.sink && plugins.sink_config == self.plugins.sink_config;
        if is_same {
            self.plugins = plugins;
            return Ok(());
        }
        self.flush_before_reopen()?;
        self.plugins = plugins;
        self.open_another()?;
        tracing::info!("sink reopened with new settings");
        self.disown_all();
        Ok(())
    }

    /// Drops all records until their partitions are claimed again.
    pub(super) fn disown_all(&mut self) {
        (self.owned, self.stores_offsets) = (HashMap::new(), false);
        let _ended = self.worker.poll.send(PollMessage::SinkReplaced).is_err();
    }

    fn open_another(&mut self) -> Result<(), TaskError> {
        self.close();
        let before = std::mem::replace(&mut self.sink, self.worker.open(&self.plugins)?);
        self.worker.discard(&self.stage, before);
        self.metrics = SinkMetrics::new(&self.worker.settings, &self.plugins.sink_name);
        Ok(())
    }

    fn close(&mut self) {
        let (clock, sink) = (&self.worker.clock, &mut self.sink);
        if let Err(error) = clock.time(&self.stage, sink.context(), || sink.close()) {
            tracing::warn!(stage = %self.stage, "closing: {}", error.message);
        }
    }

    fn discard(self) {
        self.worker.discard(&self.stage, self.sink);
    }
}
