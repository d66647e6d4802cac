//! Stories over several commands and hosts.

mod storage_faults;
mod tutorial;
