//! Worlds for tests: a disk that crashes, a clock set by hand.
