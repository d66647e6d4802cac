//! The use cases behind the commands: data in, data out.
//!
//! Nothing here prints, parses arguments or chooses an exit code. An error is a situation that an
//! operator acts on; the commands decide what is said about it.

pub mod dump_log;
pub mod inf;
pub mod status;

pub use miqm_qmgr::config::{BadValue, ConfigError};
pub use miqm_qmgr::env::{Env, Installation};
pub use miqm_qmgr::identity::IdentityError;
pub use miqm_qmgr::owner::OwnerError;
pub use miqm_qmgr::registry::{
    DefaultQmgr, Entry, InvalidEntry, Registry, RegistryError, WhyInvalid,
};
pub use miqm_qmgr::runtime::{LocalRole, StatusError};
pub use miqm_sys::{IoError, Op};

/// The directory of the program that this process runs.
///
/// # Errors
///
/// [`IoError`] if the kernel does not tell.
pub fn program_directory() -> Result<std::path::PathBuf, IoError> {
    miqm_sys::proc::exe_dir()
}
