//! The operating system: the only crate that calls it.
