//! A value is in its column unchanged, or it does not fit.

mod fits;
mod properties;
