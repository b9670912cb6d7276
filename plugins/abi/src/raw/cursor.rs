//! The bump pointer with which host and plugins allocate in a batch's memory.

use abi_stable::StableAbi;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the plugin interface is defined for 64-bit targets only: node payloads are 64 bits wide");

/// Free memory in the current chunk of a batch's arena. Allocating is inlined on both sides; only `grow` is a call.
#[repr(C)]
#[derive(StableAbi)]
pub struct Cursor {
    /// First free byte.
    pub ptr: *mut u8,
    /// One past the last free byte of the chunk.
    pub end: *mut u8,
    /// The host's arena.
    pub ctx: *mut (),
    /// Adds a chunk and returns `size` bytes aligned to `align`, or null if the memory limit of the batch is reached.
    pub grow: unsafe extern "C" fn(cursor: *mut Cursor, size: usize, align: usize) -> *mut u8,
}
