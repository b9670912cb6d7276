//! The work role: bytes become values, then transforms run.

use std::{
    ops::Range,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
};

use tidegate_abi::{
    Record,
    host::{Batch, Part, Partition, Refusal},
};

use super::{
    channels::{Inbox, SinkInput, WorkInput},
    clock::CallClock,
    error::{Stage, TaskError},
    failure_policy::{self, retry},
    isolate::Inputs,
    notices::NoticeLog,
    predicate,
    rejections::{Rejections, Unsettled},
    settings::{TaskSettings, TransformSettings},
    stop::StopSignal,
};
use crate::{
    config::OnReject,
    formats::{Reading, RecordDecoder},
    plugins::{CallError, ErrorClass, Opening, TransformInstance},
};

/// The work role of a task.
pub(super) struct Work {
    pub(super) settings: Arc<TaskSettings>,
    pub(super) rejections: Arc<Rejections>,
    pub(super) inputs: Receiver<WorkInput>,
    pub(super) sink: Sender<SinkInput>,
    /// One credit per batch that the sink role has finished.
    pub(super) sink_free: Receiver<()>,
    pub(super) poll: Sender<Inbox>,
    pub(super) clock: Arc<CallClock>,
    pub(super) stop: Arc<StopSignal>,
}

impl Work {
    /// Runs until the poll loop hangs up.
    ///
    /// # Errors
    /// Why the task fails.
    pub(super) fn run(self) -> Result<(), TaskError> {
        let mut stages = Stages::new(&self);
        match self.serve(&mut stages) {
            Ok(()) => stages.close(),
            // Told before the transforms are dropped, which may take long.
            Err(error) => {
                let _ended = self.poll.send(Inbox::StageFailed(error)).is_err();
            }
        }
        stages.discard();
        Ok(())
    }

    fn serve(&self, stages: &mut Stages) -> Result<(), TaskError> {
        stages.open()?;
        // The other roles are gone only when the task ends: there is nobody to tell.
        let _ended = self.poll.send(Inbox::WorkFree).is_err();
        while let Ok(input) = self.inputs.recv() {
            if self.stop.has_ended() {
                break;
            }
            match input {
                WorkInput::Reopen => {
                    stages.close();
                    stages.discard();
                    stages.open()?;
                    tracing::info!(transforms = stages.transforms.len(), "transforms opened anew");
                }
                WorkInput::Batch(mut batch) => {
                    let unsettled = stages.process(&mut batch)?;
                    if self.sink_free.recv().is_err() {
                        break;
                    }
                    // Now: letters of the batch before are written, and nothing of this one is.
                    self.rejections.settle(&batch, &unsettled)?;
                    if self.sink.send(SinkInput::Batch(batch)).is_err() {
                        break;
                    }
                    let _ended = self.poll.send(Inbox::WorkFree).is_err();
                }
            }
        }
        Ok(())
    }
}

/// The decoder and the transforms of a task: what is replaced as a whole between batches.
pub(super) struct Stages {
    settings: Arc<TaskSettings>,
    decoder: RecordDecoder,
    notices: NoticeLog,
    transforms: Vec<TransformInstance>,
    rejections: Arc<Rejections>,
    clock: Arc<CallClock>,
    stop: Arc<StopSignal>,
}

impl Stages {
    fn new(work: &Work) -> Self {
        let Work { settings, rejections, clock, stop, .. } = work;
        Self {
            decoder: RecordDecoder::new(settings.decoder.clone()),
            notices: NoticeLog::new(&settings.connector, settings.task),
            transforms: Vec::new(),
            settings: Arc::clone(settings),
            rejections: Arc::clone(rejections),
            clock: Arc::clone(clock),
            stop: Arc::clone(stop),
        }
    }

    /// Opens the transforms, one after the other. Those that are open when one fails are left to `discard`.
    fn open(&mut self) -> Result<(), TaskError> {
        let settings = Arc::clone(&self.settings);
        for transform in &settings.transforms {
            self.transforms.push(open(&settings, transform, &self.clock, &self.stop)?);
        }
        Ok(())
    }

    /// Stages with this transform, which no library has.
    #[cfg(test)]
    pub(super) fn of(work: &Work, transform: TransformInstance) -> Self {
        let mut stages = Self::new(work);
        stages.transforms.push(transform);
        stages
    }

    #[cfg(test)]
    pub(super) fn rejections(&self) -> &Rejections {
        &self.rejections
    }

    /// Decodes and transforms; returns what was refused on the way and is still to be settled.
    pub(super) fn process(&mut self, batch: &mut Batch) -> Result<Unsettled, TaskError> {
        let mut unsettled = Unsettled::default();
        // What is too large was refused by the poll loop already.
        self.rejections.admit(&Stage::Source, batch, &mut unsettled)?;
        if self.settings.reads_values {
            self.decode(batch);
            self.rejections.admit(&Stage::Decode(Part::Record), batch, &mut unsettled)?;
        }
        for index in 0..self.transforms.len() {
            let stage = Stage::Transform(self.transforms[index].name().to_owned());
            self.transform(index, &stage, batch)?;
            self.rejections.admit(&stage, batch, &mut unsettled)?;
        }
        self.tell_of_notices();
        Ok(unsettled)
    }

    /// Decodes, and notes what is known of each partition before and after the batch: it is stored with the offsets.
    fn decode(&mut self, batch: &mut Batch) {
        drop_former_assignments(batch);
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
    }

    /// Logs and measures what the decoder has noticed, transforms' outputs included.
    fn tell_of_notices(&mut self) {
        let Self { decoder, notices, .. } = self;
        decoder.drain_notices(|notice| notices.add(notice));
        notices.sum_up(false);
    }

    /// Runs a transform over the batch; where it refuses the whole, over parts of it, to find the records at fault.
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
                self.transforms[index] =
                    open(&self.settings, &self.settings.transforms[index], &self.clock, &self.stop)?;
            }
            let Some(input) = inputs.split() else { continue };
            let out_of_room = error.class == ErrorClass::OutOfRoom;
            // What came before it in the batch takes the room, rather than the record itself.
            if out_of_room && batch.input_count() > 1 && used > self.settings.batch_memory / 2 {
                return failed(error);
            }
            let part = Part::Record;
            batch.reject_input(input, Refusal { part, too_large: out_of_room, reason: error.message });
            inputs.done();
        }
        Ok(())
    }

    /// One call, for the records that were consumed as numbers `part` of the batch. An error that may be some record's
    /// fault is handed back in `Ok(Err(..))`.
    fn apply(
        &mut self,
        index: usize,
        stage: &Stage,
        batch: &mut Batch,
        part: Range<u32>,
    ) -> Result<Result<(), CallError>, TaskError> {
        let transform = &mut self.transforms[index];
        let when = self.settings.transforms[index].when.as_ref();
        let all = part.len() == batch.input_count();
        let (clock, decoder, limit) = (&self.clock, &mut self.decoder, self.settings.batch_memory);
        retry(&self.settings.errors.retry, stage, &self.stop, || {
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

    fn close(&mut self) {
        for transform in &mut self.transforms {
            let stage = Stage::Transform(transform.name().to_owned());
            if let Err(error) = self.clock.time(&stage, transform.context(), || transform.close()) {
                tracing::warn!(stage = %stage, "closing: {}", error.message);
            }
        }
    }

    /// Drops the transforms, which runs code of theirs as any call does.
    fn discard(&mut self) {
        for transform in self.transforms.drain(..) {
            let stage = Stage::Transform(transform.name().to_owned());
            self.clock.time(&stage, transform.context(), || drop(transform));
        }
    }
}

/// Drops what was read of a partition under an assignment before its latest: the sink would drop it, too, and it must not
/// count for what is known of the partition.
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

fn open(
    settings: &TaskSettings,
    transform: &TransformSettings,
    clock: &CallClock,
    stop: &StopSignal,
) -> Result<TransformInstance, TaskError> {
    let opening = Opening {
        connector: &settings.connector,
        task: settings.task,
        tasks: settings.tasks,
        instance: &transform.name,
        config: &transform.config,
    };
    let stage = Stage::Transform(transform.name.clone());
    failure_policy::open(&settings.errors.retry, &stage, stop, || {
        clock.time(&stage, opening.context(), || TransformInstance::open(&transform.plugin, &opening))
    })
}
