//! Names, identifiers, positions and limits: the words of miqm.
//!
//! A value of one of these types has already been checked, so code that holds one never validates
//! again. Nothing here does I/O, reads a clock or allocates more than a short string.

mod id;
mod log;
mod name;
mod time;

pub use id::{BadId, BootId, Epoch, HostName, InstanceId, QmgrId};
pub use log::{
    BadGeometry, BadLsn, EXTENT_PAGES_MAX, EXTENT_PAGES_MIN, ExtentNo, LOG_FILES_MAX,
    LOG_FILES_MIN, LogGeometry, LogManagement, LogType, Lsn, PAGE_BYTES, PRIMARY_MAX, PRIMARY_MIN,
    SECONDARY_MAX, SECONDARY_MIN,
};
pub use name::{BadName, ChannelName, ObjectName, QmgrName};
pub use time::UtcTime;
