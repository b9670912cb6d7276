//! Errors of calls into a plugin.

use abi_stable::{StableAbi, std_types::RString};

/// Determines how the host handles an error. Open: an unknown class is fatal.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorClass(pub u8);

impl ErrorClass {
    /// The task fails.
    pub const FATAL: Self = Self(0);
    /// The same call may succeed later.
    pub const RETRIABLE: Self = Self(1);
    /// A record of the batch is invalid, but the plugin does not know which one. The host bisects the batch.
    pub const REJECTED: Self = Self(2);
    /// Another task owns the partition now: stop, and write nothing more.
    pub const FENCED: Self = Self(3);
    /// The plugin panicked. The instance was dropped; the host must open a new one.
    pub const PANIC: Self = Self(4);
    /// An option of the configuration is invalid. The task fails and is not restarted.
    pub const CONFIG: Self = Self(5);
}

/// An error of a plugin. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct AbiError {
    /// How the host handles it.
    pub class: ErrorClass,
    /// Minimum delay before a retry in milliseconds; 0 leaves it to the host.
    pub retry_after_ms: u64,
    /// Readable message; starts with a lowercase letter, and names the object and the fix.
    pub message: RString,
    /// Zero.
    pub reserved: [usize; 2],
}

/// An error in a configuration. Frozen; grows into `reserved`.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct ConfigError {
    /// `CONFIG` if the option is invalid; `FATAL` if it only cannot be used on this machine now, for example because it names
    /// a file that does not exist.
    pub class: ErrorClass,
    /// The option, as a JSON Pointer (RFC 6901) into the configuration, such as `/conditions/0/matches`; empty for the
    /// configuration as a whole.
    pub option: RString,
    /// Readable message, without the option.
    pub message: RString,
    /// Zero.
    pub reserved: [usize; 2],
}

impl AbiError {
    /// Creates an error of `class`.
    pub fn new(class: ErrorClass, message: impl Into<RString>) -> Self {
        Self { class, retry_after_ms: 0, message: message.into(), reserved: [0; 2] }
    }
}
