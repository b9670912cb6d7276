//! The work role: bytes become values, then transforms run.

use std::sync::{
    Arc,
    mpsc::{Receiver, Sender},
};

use tidegate_abi::{Record, host::Batch};

use super::{
    channels::{Inbox, SinkInput, WorkInput},
    clock::CallClock,
    error::{Stage, TaskError},
    failure_policy::{self, Rejections, retry},
    predicate,
    settings::{TaskSettings, TransformSettings},
    stop::StopSignal,
};
use crate::{
    formats::RecordDecoder,
    plugins::{Opening, TransformInstance},
};

/// The work role of a task.
pub(super) struct Work {
    pub(super) settings: Arc<TaskSettings>,
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
        let mut stages = Stages::new(&self.settings, &self.clock, &self.stop);
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
                    stages.process(&mut batch)?;
                    if self.sink_free.recv().is_err() || self.sink.send(SinkInput::Batch(batch)).is_err() {
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
struct Stages {
    settings: Arc<TaskSettings>,
    decoder: RecordDecoder,
    transforms: Vec<TransformInstance>,
    rejections: Rejections,
    clock: Arc<CallClock>,
    stop: Arc<StopSignal>,
}

impl Stages {
    fn new(settings: &Arc<TaskSettings>, clock: &Arc<CallClock>, stop: &Arc<StopSignal>) -> Self {
        Self {
            settings: Arc::clone(settings),
            decoder: RecordDecoder::new(settings.decoder.clone()),
            transforms: Vec::new(),
            rejections: Rejections::new(&settings.errors),
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

    fn process(&mut self, batch: &mut Batch) -> Result<(), TaskError> {
        // What is too large was refused by the poll loop already.
        self.settle(&Stage::Source, batch, 0)?;
        let settled = batch.rejected().len();
        if self.settings.reads_values {
            batch.decode(&mut self.decoder);
            self.settle(&Stage::Decode, batch, settled)?;
        }
        for index in 0..self.transforms.len() {
            self.transform(index, batch)?;
        }
        Ok(())
    }

    fn transform(&mut self, index: usize, batch: &mut Batch) -> Result<(), TaskError> {
        let settled = batch.rejected().len();
        let transform = &mut self.transforms[index];
        let when = self.settings.transforms[index].when.as_ref();
        let stage = Stage::Transform(transform.name().to_owned());
        let (clock, decoder, limit) = (&self.clock, &mut self.decoder, self.settings.batch_memory);
        let outcome = retry(&self.settings.errors.retry, &stage, &self.stop, || {
            clock.time(&stage, transform.context(), || {
                let mut selects = |record: Record<'_>| when.is_none_or(|when| predicate::holds(when, record));
                let selects: Option<&mut dyn FnMut(Record<'_>) -> bool> =
                    if when.is_some() { Some(&mut selects) } else { None };
                transform.apply(batch, limit, selects, decoder)
            })
        })?;
        // A transform names the records that it refuses; an error of that class about the whole batch names none.
        outcome.map_err(|source| TaskError::Call { stage: stage.clone(), source })?;
        self.settle(&stage, batch, settled)
    }

    fn settle(&mut self, stage: &Stage, batch: &Batch, from: usize) -> Result<(), TaskError> {
        for rejected in &batch.rejected()[from..] {
            self.rejections.settle(stage, batch, rejected.input, &rejected.reason)?;
        }
        Ok(())
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
