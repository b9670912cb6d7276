//! Async sinks, with a runtime for each instance.
//!
//! tokio is never shared across the boundary: every library has its own copy, whose types and thread-locals are different
//! from those of the host's copy.

use std::future::Future;

use tidegate_abi::Batch;
use tokio::runtime::{Builder, Runtime};

use crate::{
    config::PluginConfig,
    context::Context,
    error::Result,
    sink::{BatchDefaults, Claim, FlushDefaults, FlushReport, Partition, Report, Sink, cannot_reset_offsets},
};

/// A [`Sink`] with async functions, which run on a current-thread runtime of this instance. See [`Sink`] for the
/// contract of each function. `check` is not async, because it connects to nothing.
#[expect(missing_docs, reason = "each function is documented at `Sink`")]
pub trait AsyncSink: Send + Sized + 'static {
    type Config: PluginConfig;

    const DESCRIPTION: &'static str = "";

    const READS_VALUES: bool = true;

    const ISOLATES_PARTITIONS: bool = false;

    const DURABLE_ON_FLUSH: bool = false;

    const STORES_OFFSETS: bool = false;

    const ONE_COPY_PER_PROCESS: bool = false;

    #[must_use]
    fn batch_defaults() -> BatchDefaults {
        BatchDefaults::default()
    }

    #[must_use]
    fn flush_defaults() -> FlushDefaults {
        FlushDefaults::default()
    }

    fn check(config: &Self::Config) -> Result<()> {
        let _ = config;
        Ok(())
    }

    fn open(config: Self::Config, context: &Context) -> impl Future<Output = Result<Self>>;

    fn write(&mut self, batch: &Batch<'_>) -> impl Future<Output = Result<Report>>;

    fn claim(&mut self, partitions: &[Partition<'_>]) -> impl Future<Output = Result<Vec<Claim>>> {
        async { Ok(vec![Claim::default(); partitions.len()]) }
    }

    fn release(&mut self, partitions: &[Partition<'_>]) -> impl Future<Output = Result<()>> {
        let _ = partitions;
        async { Ok(()) }
    }

    fn reset_offsets(&mut self, partitions: &[Partition<'_>]) -> impl Future<Output = Result<()>> {
        let error = cannot_reset_offsets(partitions);
        async { Err(error) }
    }

    fn flush(&mut self) -> impl Future<Output = Result<FlushReport>> {
        async { Ok(FlushReport::flushed()) }
    }

    fn close(&mut self) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }
}

/// Adapts an [`AsyncSink`] to [`Sink`], with its own runtime.
pub struct Blocking<S> {
    runtime: Runtime,
    sink: S,
}

impl<S: AsyncSink> Sink for Blocking<S> {
    type Config = S::Config;

    const DESCRIPTION: &'static str = S::DESCRIPTION;

    const READS_VALUES: bool = S::READS_VALUES;

    const ISOLATES_PARTITIONS: bool = S::ISOLATES_PARTITIONS;

    const DURABLE_ON_FLUSH: bool = S::DURABLE_ON_FLUSH;

    const STORES_OFFSETS: bool = S::STORES_OFFSETS;

    const ONE_COPY_PER_PROCESS: bool = S::ONE_COPY_PER_PROCESS;

    fn batch_defaults() -> BatchDefaults {
        S::batch_defaults()
    }

    fn flush_defaults() -> FlushDefaults {
        S::flush_defaults()
    }

    fn check(config: &Self::Config) -> Result<()> {
        S::check(config)
    }

    fn open(config: Self::Config, context: &Context) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let sink = runtime.block_on(S::open(config, context))?;
        Ok(Self { runtime, sink })
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<Report> {
        self.runtime.block_on(self.sink.write(batch))
    }

    fn claim(&mut self, partitions: &[Partition<'_>]) -> Result<Vec<Claim>> {
        self.runtime.block_on(self.sink.claim(partitions))
    }

    fn release(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        self.runtime.block_on(self.sink.release(partitions))
    }

    fn reset_offsets(&mut self, partitions: &[Partition<'_>]) -> Result<()> {
        self.runtime.block_on(self.sink.reset_offsets(partitions))
    }

    fn flush(&mut self) -> Result<FlushReport> {
        self.runtime.block_on(self.sink.flush())
    }

    fn close(&mut self) -> Result<()> {
        self.runtime.block_on(self.sink.close())
    }
}
