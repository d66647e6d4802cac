//! Where the files of a queue manager are, what they are called and who may use them.
//!
//! A directory of a queue manager is always read from `mqs.ini`: only creation may work one out
//! from a name, and it then records what it found free.

use std::path::{Path, PathBuf};

use miqm_types::{ExtentNo, QmgrName};

/// The mode of every directory: owner and group, and what is made in it gets its group.
pub const DIR_MODE: u32 = 0o2770;
/// The mode of the prefix itself: everyone may read the ini files in it.
pub const PREFIX_MODE: u32 = 0o2775;
/// The mode of data, log and lock files.
pub const FILE_MODE: u32 = 0o660;
/// The mode of ini files: everyone may read them.
pub const INI_MODE: u32 = 0o664;
/// The longest path of a log directory, in bytes.
pub const LOG_PATH_BYTES_MAX: usize = 1024;

/// The data directory of a queue manager.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// The directories in a data directory, in the order of their creation.
    pub const SUBDIRS: [&'static str; 5] = ["errors", "autocfg", "objects", "queues", "ssl"];
    /// The files in a data directory, the identity last: without it nothing starts.
    pub const FILES: [&'static str; 6] =
        ["qm.ini", "qmstatus.ini", "master", "active", "standby", "qmid"];

    /// The directory at a path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The queue manager's settings.
    pub fn qm_ini(&self) -> PathBuf {
        self.0.join("qm.ini")
    }

    /// What kind of queue manager it is and who made it, for people and monitors.
    pub fn qmstatus_ini(&self) -> PathBuf {
        self.0.join("qmstatus.ini")
    }

    /// The identity file: without it, this is not the directory of a queue manager.
    pub fn identity(&self) -> PathBuf {
        self.0.join("qmid")
    }

    /// What the identity file is called from the moment that deletion begins.
    pub fn deleted_identity(&self) -> PathBuf {
        self.0.join("qmid.deleting")
    }

    /// The lock that makes an instance the active one.
    pub fn master(&self) -> PathBuf {
        self.0.join("master")
    }

    /// The lock that the active instance holds beside `master`.
    pub fn active(&self) -> PathBuf {
        self.0.join("active")
    }

    /// The lock of standby instances, one range for each.
    pub fn standby(&self) -> PathBuf {
        self.0.join("standby")
    }

    /// The object definitions.
    pub fn objects(&self) -> PathBuf {
        self.0.join("objects")
    }

    /// The queues.
    pub fn queues(&self) -> PathBuf {
        self.0.join("queues")
    }

    /// The error logs.
    pub fn errors(&self) -> PathBuf {
        self.0.join("errors")
    }

    /// The copies of automatic configuration files.
    pub fn autocfg(&self) -> PathBuf {
        self.0.join("autocfg")
    }

    /// The default directory of keys and certificates.
    pub fn ssl(&self) -> PathBuf {
        self.0.join("ssl")
    }
}

/// The log directory of a queue manager.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogDir(PathBuf);

impl LogDir {
    /// The directory at a path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The log control file.
    pub fn control(&self) -> PathBuf {
        self.0.join("amqhlctl.lfh")
    }

    /// The directory of the extents.
    pub fn active(&self) -> PathBuf {
        self.0.join("active")
    }

    /// The file of an extent.
    pub fn extent(&self, number: ExtentNo) -> PathBuf {
        self.active().join(number.file_name())
    }
}

/// The names to try for the directory of a new queue manager, the best first.
///
/// The name as it is, with `!` for `.` and `&` for `/`; then, because that is taken, with `.000`
/// to `.999` after it.
pub fn candidates(name: &QmgrName) -> impl Iterator<Item = String> {
    let base = name.to_dir_component();
    std::iter::once(base.clone()).chain((0..1000).map(move |n| format!("{base}.{n:03}")))
}

/// The names to try where the file system refuses those of [`candidates`]: eight characters of
/// it and `.000` to `.999`.
pub fn short_candidates(name: &QmgrName) -> impl Iterator<Item = String> {
    let base: String = name.to_dir_component().chars().take(8).collect();
    (0..1000).map(move |n| format!("{base}.{n:03}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_directory_gets_a_suffix() {
        let name: QmgrName = "queue.manager/1".parse().unwrap();
        let all: Vec<_> = candidates(&name).collect();
        assert_eq!(all[..3], ["queue!manager&1", "queue!manager&1.000", "queue!manager&1.001"]);
        assert_eq!(all.len(), 1001);
        assert_eq!(short_candidates(&name).next().unwrap(), "queue!ma.000");
    }
}
