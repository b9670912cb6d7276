//! How a call into a plugin fails.

use abi_stable::{StableAbi, std_types::RString};

/// What the host should do about an error. Open: an unknown class is fatal.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorClass(pub u8);

impl ErrorClass {
    /// The task fails.
    pub const FATAL: Self = Self(0);
    /// The same call may succeed later.
    pub const RETRIABLE: Self = Self(1);
    /// Some record of the batch is at fault, but the plugin cannot say which: the host bisects.
    pub const REJECTED: Self = Self(2);
    /// Another owner has taken the partition: stop, and write nothing more.
    pub const FENCED: Self = Self(3);
    /// The plugin panicked. Its instance is gone and must be opened anew.
    pub const PANIC: Self = Self(4);
}

/// An error of a plugin. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct AbiError {
    /// What to do about it.
    pub class: ErrorClass,
    /// For a retriable error: wait at least so long, in milliseconds; 0 leaves it to the host.
    pub retry_after_ms: u64,
    /// For people; starts lowercase, names the thing and the fix.
    pub message: RString,
    /// Zero.
    pub reserved: [usize; 2],
}

impl AbiError {
    /// An error of `class`.
    pub fn new(class: ErrorClass, message: impl Into<RString>) -> Self {
        Self { class, retry_after_ms: 0, message: message.into(), reserved: [0; 2] }
    }
}
