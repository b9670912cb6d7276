//! The sink role: one `write` per batch, all or nothing; what the sink refuses is found and settled.

mod apart;
mod claim;
#[cfg(test)]
mod commit_rule;
mod state;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    time::Instant,
};

use tidegate_abi::host::Batch;

use self::claim::named;
use super::{
    channels::{Inbox, Settled, SinkInput},
    clock::CallClock,
    error::{Stage, TaskError},
    failure_policy::{self, retry},
    rejections::{Rejections, Unsettled},
    settings::TaskSettings,
    split::Parts,
    stop::StopSignal,
    summary::log_written,
};
use crate::{
    kafka::consumer::{LookUp, TopicPartition},
    plugins::{CallError, ErrorClass, Opening, SinkInstance, StoredClaim, WriteReport},
};

/// The sink role of a task.
pub(super) struct Deliver {
    pub(super) settings: Arc<TaskSettings>,
    pub(super) inputs: Receiver<SinkInput>,
    /// One credit per finished batch.
    pub(super) free: Sender<()>,
    pub(super) poll: Sender<Inbox>,
    pub(super) look_up: LookUp,
    pub(super) rejections: Arc<Rejections>,
    pub(super) clock: Arc<CallClock>,
    pub(super) stop: Arc<StopSignal>,
}

impl Deliver {
    /// Runs until both other roles hang up.
    ///
    /// # Errors
    /// Why the task fails.
    pub(super) fn run(self) -> Result<(), TaskError> {
        let stage = Stage::Sink(self.settings.sink_name.clone());
        let mut open =
            OpenSink { sink: self.open()?, stage, owned: HashMap::new(), stores_offsets: false, role: &self };
        match open.serve() {
            Ok(()) => open.close(),
            // Told before the sink is dropped, which may take long.
            Err(error) => {
                let _ended = self.poll.send(Inbox::StageFailed(error)).is_err();
            }
        }
        open.discard();
        Ok(())
    }

    fn open(&self) -> Result<SinkInstance, TaskError> {
        let settings = &self.settings;
        let opening = Opening {
            connector: &settings.connector,
            task: settings.task,
            tasks: settings.tasks,
            instance: &settings.sink_name,
            config: &settings.sink_config,
        };
        let stage = Stage::Sink(settings.sink_name.clone());
        failure_policy::open(&settings.errors.retry, &stage, &self.stop, || {
            self.clock.time(&stage, opening.context(), || SinkInstance::open(&settings.sink, &opening))
        })
    }

    /// Drops a sink, which runs its own code as any call does.
    fn discard(&self, stage: &Stage, sink: SinkInstance) {
        self.clock.time(stage, sink.context(), || drop(sink));
    }
}

/// A partition that the sink has claimed.
#[derive(Clone, Copy, Debug)]
struct Owned {
    /// Number of the assignment under which it was claimed.
    generation: u64,
    /// What the sink answered.
    epoch: u64,
    /// What was read of it is let go, until it is claimed anew.
    set_back: bool,
}

struct OpenSink<'r> {
    role: &'r Deliver,
    sink: SinkInstance,
    stage: Stage,
    /// The claimed partitions.
    owned: HashMap<String, HashMap<i32, Owned>>,
    /// The sink answered a claim with an offset or an epoch: it wants positions even of empty batches.
    stores_offsets: bool,
}

impl OpenSink<'_> {
    fn serve(&mut self) -> Result<(), TaskError> {
        let role = self.role;
        // The other roles are gone only when the task ends: there is nobody to tell.
        let _ended = role.poll.send(Inbox::SinkOpen).is_err();
        let _ended = role.free.send(()).is_err();
        while let Ok(input) = role.inputs.recv() {
            if role.stop.has_ended() {
                break;
            }
            match input {
                SinkInput::Batch(batch) => {
                    let batch = self.deliver(batch)?;
                    let _ended = role.poll.send(Inbox::Delivered(batch)).is_err();
                    let _ended = role.free.send(()).is_err();
                }
                // Whoever is about to leave claims nothing: that would fence the next owner.
                SinkInput::Claim { .. } if role.stop.is_asked() => {}
                SinkInput::Claim { generation, partitions, settled, states } => {
                    if let Some(claimed) = self.claim(generation, &partitions, &settled, states)? {
                        let _ended = role.poll.send(Inbox::Claimed(claimed)).is_err();
                    }
                }
                SinkInput::Release(partitions) => self.release(&partitions)?,
                SinkInput::Reopen => self.reopen()?,
            }
        }
        Ok(())
    }

    /// Writes a batch, part by part should the sink refuse some of it. The batch comes back for its memory.
    fn deliver(&mut self, mut batch: Batch) -> Result<Batch, TaskError> {
        self.drop_what_is_not_ours(&mut batch);
        if batch.input_count() == 0 {
            return Ok(batch);
        }
        let mut parts = Parts::whole(&batch);
        let mut grouped = false;
        while let Some(range) = parts.next() {
            if range.is_empty() && !self.stores_offsets {
                self.settled(&batch, range.end, 0);
                parts.settle();
                continue;
            }
            let began = Instant::now();
            match self.write(&batch, range.clone())? {
                Ok(report) if report.rejected.is_empty() => {
                    log_written(&batch, range.clone(), &report.rows, began.elapsed());
                    self.settled(&batch, range.end, range.len());
                    parts.settle();
                }
                Ok(report) => {
                    let removed = self.reject(&mut batch, range.start, report)?;
                    parts.shrink(removed);
                }
                Err(error) if error.class == ErrorClass::Retriable => {
                    self.take_apart(&mut batch, &mut parts, error, &mut grouped);
                }
                // There is nothing in it that could be at fault.
                Err(source) if range.is_empty() => {
                    return Err(TaskError::Call { stage: self.stage.clone(), source });
                }
                Err(refused) => {
                    if parts.split(&batch) {
                        continue;
                    }
                    let report = WriteReport {
                        rejected: (0..range.len() as u32)
                            .map(|index| (index, refused.message.clone()))
                            .collect(),
                        rows: Vec::new(),
                    };
                    let removed = self.reject(&mut batch, range.start, report)?;
                    parts.shrink(removed);
                }
            }
        }
        if grouped {
            // What was filtered out of the partitions that are left is settled, even if no part followed.
            self.settled(&batch, batch.len(), 0);
        }
        Ok(batch)
    }

    /// Takes out what was read under an assignment that is over. The partition was given away, and perhaps claimed anew:
    /// whoever has it reads these records again, and must not find them written under its own epoch.
    fn drop_what_is_not_ours(&self, batch: &mut Batch) {
        let before = batch.input_count();
        batch.retain_partitions(|slot| {
            let owned = self.owned.get(&*slot.topic).and_then(|topic| topic.get(&slot.partition));
            owned.is_some_and(|owned| owned.generation == slot.generation && !owned.set_back)
        });
        let records = before - batch.input_count();
        if records > 0 {
            tracing::info!(
                records,
                "records of partitions that were handed over or set back are left to whoever reads them next"
            );
        }
    }

    fn write(
        &mut self,
        batch: &Batch,
        range: std::ops::Range<usize>,
    ) -> Result<Result<WriteReport, CallError>, TaskError> {
        let apart = !range.is_empty() && self.takes_partitions_apart();
        let Self { role, sink, stage, owned, .. } = self;
        let epoch = |topic: &str, partition: i32| {
            owned.get(topic).and_then(|topic| topic.get(&partition)).map_or(0, |owned| owned.epoch)
        };
        let positions = state::positions_before(&role.settings.decoder, batch, range.end);
        let call =
            || role.clock.time(stage, sink.context(), || sink.write(batch, range.clone(), &positions, epoch));
        if apart {
            return failure_policy::once(stage, &role.stop, call);
        }
        retry(&role.settings.errors.retry, stage, &role.stop, call)
    }

    /// Takes refused records, given by their index behind `start`, out of the batch, each with all that was made of the
    /// consumed record that it came from, and settles them: before anything that comes after them is written. Returns how
    /// many records left.
    fn reject(&mut self, batch: &mut Batch, start: usize, report: WriteReport) -> Result<usize, TaskError> {
        let mut refused: Vec<(u32, String)> =
            report.rejected.into_iter().map(|(index, reason)| (start as u32 + index, reason)).collect();
        refused.sort_by_key(|(index, _)| *index);
        let mut unsettled = Unsettled::after(batch.rejected_count());
        let removed = batch.reject(refused);
        self.role.rejections.admit(&self.stage, batch, &mut unsettled)?;
        self.role.rejections.settle(batch, &unsettled)?;
        Ok(removed)
    }

    fn settled(&self, batch: &Batch, end: usize, delivered: usize) {
        let positions = state::positions_before(&self.role.settings.decoder, batch, end);
        let settled = Settled { positions, delivered };
        let _ended = self.role.poll.send(Inbox::Settled(settled)).is_err();
    }

    /// Lets partitions go. A sink that cannot is told of, and still has the others; one that panicked is gone.
    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), TaskError> {
        for at in partitions {
            if let Some(topic) = self.owned.get_mut(&at.topic) {
                topic.remove(&at.partition);
            }
        }
        let (clock, sink) = (&self.role.clock, &mut self.sink);
        match clock.time(&self.stage, sink.context(), || sink.release(&named(partitions))) {
            Err(source) if source.class == ErrorClass::Panic => {
                return Err(TaskError::Call { stage: self.stage.clone(), source });
            }
            Err(error) => tracing::warn!(stage = %self.stage, "letting partitions go: {}", error.message),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Opens the sink anew. Partitions stay claimed under new epochs, so that the instance before is fenced.
    fn reopen(&mut self) -> Result<(), TaskError> {
        self.close();
        let before = std::mem::replace(&mut self.sink, self.role.open()?);
        self.role.discard(&self.stage, before);
        let partitions: Vec<TopicPartition> = self
            .owned
            .iter()
            .flat_map(|(topic, partitions)| {
                partitions.keys().map(move |partition| TopicPartition::new(topic, *partition))
            })
            .collect();
        if !partitions.is_empty() {
            let claims = self.ask_to_claim(&partitions)?;
            for (at, StoredClaim { epoch, .. }) in partitions.iter().zip(claims) {
                if let Some(owned) =
                    self.owned.get_mut(&at.topic).and_then(|topic| topic.get_mut(&at.partition))
                {
                    owned.epoch = epoch;
                }
            }
        }
        tracing::info!("sink opened anew");
        Ok(())
    }

    fn close(&mut self) {
        let (clock, sink) = (&self.role.clock, &mut self.sink);
        if let Err(error) = clock.time(&self.stage, sink.context(), || sink.close()) {
            tracing::warn!(stage = %self.stage, "closing: {}", error.message);
        }
    }

    fn discard(self) {
        self.role.discard(&self.stage, self.sink);
    }
}
