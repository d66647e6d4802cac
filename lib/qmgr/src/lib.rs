//! What a queue manager is on disk and who may touch it: registry, settings, layout, locks, role.

pub mod autoconf;
pub mod boot;
pub mod config;
pub mod env;
pub mod identity;
pub mod instance;
pub mod intent;
pub mod layout;
pub mod owner;
pub mod registry;
pub mod runtime;
