//! What a queue manager is on disk and who may touch it: registry, settings, layout, locks, role.

pub mod config;
pub mod env;
pub mod identity;
pub mod instance;
pub mod layout;
pub mod owner;
pub mod registry;
pub mod runtime;
