//! What the decoders of binary formats share: reading of bytes and numbers, their limits, and errors that name the field.

mod error;
mod float;
mod limits;
mod source;

pub(crate) use error::{DataError, Fault};
pub(crate) use float::widen;
pub(crate) use limits::Bounds;
pub use limits::DecodeLimits;
pub(crate) use source::{Part, Source, zigzag};
