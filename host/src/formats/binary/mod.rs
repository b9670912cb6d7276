//! What the decoders of binary formats share: their limits, and errors that name the field.

mod error;
mod float;
mod limits;

pub(crate) use error::{DataError, Fault};
pub(crate) use float::widen;
pub(crate) use limits::Bounds;
pub use limits::DecodeLimits;
