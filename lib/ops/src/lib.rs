//! The use cases behind the commands: data in, data out.
//!
//! Nothing here prints, parses arguments or chooses an exit code. An error is a situation that an
//! operator acts on; the commands decide what is said about it.

pub mod boot;
pub mod create;
pub mod delete;
pub mod dump_log;
pub mod end;
pub mod inf;
pub mod instance;
pub mod maintain;
pub mod provision;
pub mod start;
pub mod status;
pub mod systemd;

/// The highest command level of the interface that queue managers can have.
pub use miqm_engine::level::MAX as COMMAND_LEVEL_MAX;
pub use miqm_qmgr::autoconf::AutoConfigError;
pub use miqm_qmgr::config::{BadValue, ConfigError, SecurityPolicy};
pub use miqm_qmgr::env::{Env, Installation};
pub use miqm_qmgr::identity::IdentityError;
pub use miqm_qmgr::instance::hold::Loss;
pub use miqm_qmgr::owner::OwnerError;
pub use miqm_qmgr::registry::{
    DefaultQmgr, Entry, InvalidEntry, Registry, RegistryError, WhyInvalid,
};
pub use miqm_qmgr::runtime::{LocalRole, StatusError};
pub use miqm_server::control::client::CallError;
pub use miqm_server::{Error as ServerError, Refused};
pub use miqm_sys::{IoError, Op};

/// The directory of the program that this process runs.
///
/// # Errors
///
/// [`IoError`] if the kernel does not tell.
pub fn program_directory() -> Result<std::path::PathBuf, IoError> {
    miqm_sys::proc::exe_dir()
}

/// The name of the user who calls.
pub fn caller_name() -> String {
    miqm_sys::user::caller()
        .map_or_else(|_| "unknown".to_owned(), |caller| miqm_sys::user::user_name(caller.uid))
}

/// What can be wrong with a log and the objects in it.
pub mod store {
    pub use miqm_engine::level::BadLevel;
    pub use miqm_engine::{ChangeError, RecoverError, SnapshotError};
    pub use miqm_server::StoreError;
    pub use miqm_wal::{OpenError, ReplayError};
}
