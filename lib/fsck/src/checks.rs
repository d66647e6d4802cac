//! The checks, by what they are about. The order of the tables is the order in which they run: a check
//! comes after those that it needs.

mod data;
mod env;
mod error;
mod integrity;
mod lock;
mod name;
mod perm;
mod see;
mod sync;
mod tools;

use crate::check::Check;

/// Every table.
pub(crate) const TABLES: &[&[Check]] = &[
    env::CHECKS,
    error::CHECKS,
    env::TRIED,
    perm::CHECKS,
    name::FIRST,
    sync::CHECKS,
    data::FIRST,
    see::FIRST,
    name::CHECKS,
    lock::CHECKS,
    lock::LATER,
    data::CHECKS,
    sync::LATER,
    perm::SHARED,
    see::CHECKS,
    name::SHARED,
    data::SHARED,
    see::LOCKED,
    lock::DATA,
    integrity::CHECKS,
    crate::hold::CHECKS,
];

#[cfg(test)]
mod tests;
