//! Wraps a Rust value as a plugin instance: the functions behind the vtables.
//!
//! These functions must not unwind. The SDK implements the two traits with guards that catch panics; a panic
//! that escapes them aborts the process at the `extern "C"` boundary.

use abi_stable::{
    prefix_type::WithMetadata,
    std_types::{RResult, RSlice, RSliceMut},
};

use crate::{
    arena::Arena,
    batch::Batch,
    raw::{
        AbiError, BatchView, Claim, ErrorClass, Node, Outputs, PartitionView, ReportHandle, SinkObject,
        SinkVTable, SinkVTableRef, TransformObject, TransformVTable, TransformVTableRef,
    },
    value::Value,
};

/// A transform behind the boundary. Never panics.
pub trait RawTransform: Send + 'static {
    /// Processes the batch and appends its outputs, in input order.
    ///
    /// # Errors
    /// See [`ErrorClass`]; the host discards the outputs.
    fn apply<'b>(
        &mut self,
        batch: Batch<'b>,
        arena: Arena<'b>,
        outputs: &mut Outputs,
    ) -> Result<(), AbiError>;

    /// Closes the instance.
    ///
    /// # Errors
    /// The host logs them.
    fn close(&mut self) -> Result<(), AbiError>;
}

/// A sink behind the boundary. Never panics.
pub trait RawSink: Send + 'static {
    /// Writes all of a batch or nothing.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    fn write(&mut self, batch: Batch<'_>, report: &ReportHandle) -> Result<(), AbiError>;

    /// Takes ownership of partitions, and fills in one claim for each.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    fn claim(&mut self, partitions: &[PartitionView<'_>], claims: &mut [Claim]) -> Result<(), AbiError>;

    /// Releases partitions.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    fn release(&mut self, partitions: &[PartitionView<'_>]) -> Result<(), AbiError>;

    /// Deletes the stored offsets of claimed partitions.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    fn reset_offsets(&mut self, partitions: &[PartitionView<'_>]) -> Result<(), AbiError>;

    /// Makes all written records durable, or rejects some of them.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    fn flush(&mut self, report: &ReportHandle) -> Result<(), AbiError>;

    /// Closes the instance.
    ///
    /// # Errors
    /// The host logs them.
    fn close(&mut self) -> Result<(), AbiError>;
}

impl TransformObject {
    /// Wraps `transform`.
    pub fn new<T: RawTransform>(transform: T) -> Self {
        Self { instance: Box::into_raw(Box::new(transform)).cast(), vtable: transform_vtable::<T>() }
    }
}

impl SinkObject {
    /// Wraps `sink`.
    pub fn new<T: RawSink>(sink: T) -> Self {
        Self { instance: Box::into_raw(Box::new(sink)).cast(), vtable: sink_vtable::<T>() }
    }
}

/// The configuration that the host opens a plugin with.
#[must_use]
pub fn config_value(config: &Node) -> Value<'_> {
    // SAFETY: the host keeps the tree alive and unchanged while its root is borrowed.
    unsafe { Value::from_node(*config) }
}

struct Tables<T>(std::marker::PhantomData<T>);

impl<T: RawTransform> Tables<T> {
    const TRANSFORM: &'static WithMetadata<TransformVTable> = &WithMetadata::new(TransformVTable {
        apply: transform_apply::<T>,
        close: transform_close::<T>,
        drop: drop_instance::<T>,
    });
}

impl<T: RawSink> Tables<T> {
    const SINK: &'static WithMetadata<SinkVTable> = &WithMetadata::new(SinkVTable {
        write: sink_write::<T>,
        claim: sink_claim::<T>,
        release: sink_release::<T>,
        flush: sink_flush_without_report,
        close: sink_close::<T>,
        drop: drop_instance::<T>,
        reset_offsets: sink_reset_offsets::<T>,
        flush_reporting: sink_flush::<T>,
    });
}

fn transform_vtable<T: RawTransform>() -> TransformVTableRef {
    TransformVTableRef(Tables::<T>::TRANSFORM.static_as_prefix())
}

fn sink_vtable<T: RawSink>() -> SinkVTableRef {
    SinkVTableRef(Tables::<T>::SINK.static_as_prefix())
}

unsafe extern "C" fn transform_apply<T: RawTransform>(
    instance: *mut (),
    view: &BatchView,
    outputs: &mut Outputs,
) -> RResult<(), AbiError> {
    // SAFETY: `instance` came from `TransformObject::new::<T>`, and the host calls it from one thread at a time; the
    // host keeps the batch alive and unchanged during the call.
    let (transform, batch) = unsafe { (&mut *instance.cast::<T>(), Batch::from_view(view)) };
    let Some(arena) = batch.arena() else {
        return RResult::RErr(AbiError::new(
            ErrorClass::FATAL,
            "the host passed a batch without an arena to a transform",
        ));
    };
    transform.apply(batch, arena, outputs).into()
}

unsafe extern "C" fn transform_close<T: RawTransform>(instance: *mut ()) -> RResult<(), AbiError> {
    // SAFETY: as above.
    unsafe { &mut *instance.cast::<T>() }.close().into()
}

unsafe extern "C" fn sink_write<T: RawSink>(
    instance: *mut (),
    view: &BatchView,
    report: &ReportHandle,
) -> RResult<(), AbiError> {
    // SAFETY: `instance` came from `SinkObject::new::<T>`, and the host calls it from one thread at a time; the host
    // keeps the batch alive and unchanged during the call.
    let (sink, batch) = unsafe { (&mut *instance.cast::<T>(), Batch::from_view(view)) };
    sink.write(batch, report).into()
}

unsafe extern "C" fn sink_claim<T: RawSink>(
    instance: *mut (),
    partitions: RSlice<'_, PartitionView<'_>>,
    mut claims: RSliceMut<'_, Claim>,
) -> RResult<(), AbiError> {
    // SAFETY: as above.
    unsafe { &mut *instance.cast::<T>() }.claim(partitions.as_slice(), claims.as_mut_slice()).into()
}

unsafe extern "C" fn sink_release<T: RawSink>(
    instance: *mut (),
    partitions: RSlice<'_, PartitionView<'_>>,
) -> RResult<(), AbiError> {
    // SAFETY: as above.
    unsafe { &mut *instance.cast::<T>() }.release(partitions.as_slice()).into()
}

unsafe extern "C" fn sink_reset_offsets<T: RawSink>(
    instance: *mut (),
    partitions: RSlice<'_, PartitionView<'_>>,
) -> RResult<(), AbiError> {
    // SAFETY: as above.
    unsafe { &mut *instance.cast::<T>() }.reset_offsets(partitions.as_slice()).into()
}

unsafe extern "C" fn sink_flush_without_report(_: *mut ()) -> RResult<(), AbiError> {
    let message = "the host has called flush without a report of rejected records; update tidegate";
    RResult::RErr(AbiError::new(ErrorClass::FATAL, message))
}

unsafe extern "C" fn sink_flush<T: RawSink>(
    instance: *mut (),
    report: &ReportHandle,
) -> RResult<(), AbiError> {
    // SAFETY: as above.
    unsafe { &mut *instance.cast::<T>() }.flush(report).into()
}

unsafe extern "C" fn sink_close<T: RawSink>(instance: *mut ()) -> RResult<(), AbiError> {
    // SAFETY: as above.
    unsafe { &mut *instance.cast::<T>() }.close().into()
}

unsafe extern "C" fn drop_instance<T>(instance: *mut ()) {
    // SAFETY: `instance` came from `Box::into_raw` of a `T`, and this is the last call on it.
    drop(unsafe { Box::from_raw(instance.cast::<T>()) });
}
