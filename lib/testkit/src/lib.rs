//! Worlds for tests: a disk that crashes, a clock set by hand.

pub mod disk;
pub mod random;

pub use disk::{CrashDisk, CrashFile, CrashWorld, Fault, Revoked};
pub use random::Random;
