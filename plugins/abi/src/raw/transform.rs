//! The vtable of a transform.

use abi_stable::{StableAbi, std_types::RResult};

use super::{AbiError, BatchView, Outputs};

/// Functions of a transform instance. They must not unwind. A prefix type: append only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = TransformVTableRef)))]
#[sabi(missing_field(panic))]
pub struct TransformVTable {
    /// Reads a batch and appends its outputs, in input order. On an error the host discards the outputs.
    pub apply: unsafe extern "C" fn(
        instance: *mut (),
        batch: &BatchView,
        outputs: &mut Outputs,
    ) -> RResult<(), AbiError>,
    /// Closes the instance.
    pub close: unsafe extern "C" fn(instance: *mut ()) -> RResult<(), AbiError>,
    /// Frees the instance. No other function is called after it.
    #[sabi(last_prefix_field)]
    pub drop: unsafe extern "C" fn(instance: *mut ()),
}

/// An opened transform. Frozen.
#[repr(C)]
#[derive(StableAbi)]
pub struct TransformObject {
    /// First argument of every function.
    pub instance: *mut (),
    /// The functions.
    pub vtable: TransformVTableRef,
}

// SAFETY: the SDK opens only `Send` transforms, and the host calls one from one thread at a time.
unsafe impl Send for TransformObject {}
