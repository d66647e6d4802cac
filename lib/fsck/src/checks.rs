//! The checks, by what they are about. The order of the tables is the order in which they run: a check
//! comes after those that it needs.

mod data;
mod env;
mod lock;
mod name;
mod see;
mod sync;
mod tools;

use crate::check::Check;

/// Every table.
pub(crate) const TABLES: &[&[Check]] = &[
    env::CHECKS,
    name::CHECKS,
    lock::CHECKS,
    data::CHECKS,
    sync::CHECKS,
    see::CHECKS,
    name::SHARED,
    data::SHARED,
];

#[cfg(test)]
mod tests;
