//! The runtime directory of a queue manager: what the host itself knows of its instance.
//!
//! ```text
//! RUNTIME/<name>/instance.lock  locked by the instance as long as it lives: one for each host
//! RUNTIME/<name>/status         what the instance is doing, as a stanza; replaced by rename
//! RUNTIME/<name>/active         "1" only while the instance serves, else "0"; replaced by rename
//! RUNTIME/<name>/control        the socket on which it takes orders
//! RUNTIME/<name>/start          the socket of a command that waits for the service manager to start it
//! RUNTIME/<name>/start.lock     locked by that command: one at a time
//! RUNTIME/<name>/options        the options that such a command has given; replaced by rename
//! RUNTIME/active@<name>         there only while the instance serves, for a path unit of systemd, which
//!                               sees whether there is a file; <name> as in the name of the unit
//! ```
//!
//! As everywhere, the lock decides: a status without the lock is left over from a dead instance.
//! Nothing here is on shared storage, so nothing here waits for a network.

use std::path::{Path, PathBuf};

use miqm_format::stanza::{BadStanza, Document};
use miqm_sys::fs::{Owner, Presence};
use miqm_sys::lock::{self, LockedFile, Range};
use miqm_sys::{IoError, fs};
use miqm_types::{Epoch, HostName, InstanceId, QmgrName, UtcTime};

use crate::layout::{DIR_MODE, FILE_MODE, INI_MODE, PREFIX_MODE};

/// The largest status file, in bytes.
const FILE_BYTES_MAX: usize = 65_536;
const STANZA: &str = "Instance";

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalRole {
    /// It has begun.
    Starting,
    /// It has the locks and replays the log.
    Recovering,
    /// It waits for the locks.
    Standby,
    /// It serves.
    Active,
    /// It ends when applications have disconnected.
    Quiescing,
    /// It ends when calls have completed.
    EndingImmediately,
    /// It ends.
    EndingPreemptively,
}

impl LocalRole {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Recovering,
        Self::Standby,
        Self::Active,
        Self::Quiescing,
        Self::EndingImmediately,
        Self::EndingPreemptively,
    ];

    /// The word in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Recovering => "Recovering",
            Self::Standby => "Standby",
            Self::Active => "Active",
            Self::Quiescing => "Quiescing",
            Self::EndingImmediately => "EndingImmediately",
            Self::EndingPreemptively => "EndingPreemptively",
        }
    }
}

/// What an instance says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalStatus {
    /// What it is doing.
    pub role: LocalRole,
    /// Its process.
    pub pid: u32,
    /// The epoch it writes in; a standby has none.
    pub epoch: Option<Epoch>,
    /// Since when it has had this role.
    pub since: UtcTime,
    /// Its identity.
    pub instance: InstanceId,
    /// What the host is called.
    pub host: HostName,
    /// Whether it permits a standby, or is one.
    pub multi_instance: bool,
}

/// Why the status file does not tell.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// It does not keep to the grammar.
    #[error("{} is not a file of stanzas", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, and what is wrong with it.
        source: BadStanza,
    },
    /// An attribute is missing or wrong.
    #[error("{}: {key} is missing or wrong", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The attribute.
        key: &'static str,
    },
}

impl LocalStatus {
    /// The bytes of the status file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let epoch = self.epoch.map_or(0, |epoch| epoch.0);
        let multi = if self.multi_instance { "Yes" } else { "No" };
        format!(
            "{STANZA}:\n   Role={}\n   Pid={}\n   Epoch={epoch}\n   Since={}\n   \
             InstanceId={}\n   Host={}\n   MultiInstance={multi}\n",
            self.role.name(),
            self.pid,
            self.since.0,
            self.instance,
            self.host,
        )
        .into_bytes()
    }

    /// Reads a status file.
    ///
    /// # Errors
    ///
    /// [`StatusError::Syntax`] or [`StatusError::Damaged`].
    pub fn parse(bytes: &[u8], file: &Path) -> Result<Self, StatusError> {
        let document = Document::parse(bytes)
            .map_err(|source| StatusError::Syntax { file: file.to_owned(), source })?;
        let damaged = |key| StatusError::Damaged { file: file.to_owned(), key };
        let text = |key| document.get(STANZA, key).map(|s| s.value).ok_or_else(|| damaged(key));
        let role = text("Role")?;
        let epoch: u64 = text("Epoch")?.parse().map_err(|_| damaged("Epoch"))?;
        Ok(Self {
            role: LocalRole::ALL
                .into_iter()
                .find(|known| known.name() == role)
                .ok_or_else(|| damaged("Role"))?,
            pid: text("Pid")?.parse().map_err(|_| damaged("Pid"))?,
            epoch: (epoch != 0).then_some(Epoch(epoch)),
            since: UtcTime(text("Since")?.parse().map_err(|_| damaged("Since"))?),
            instance: text("InstanceId")?.parse().map_err(|_| damaged("InstanceId"))?,
            host: text("Host")?.parse().map_err(|_| damaged("Host"))?,
            multi_instance: match text("MultiInstance")? {
                "Yes" => true,
                "No" => false,
                _ => return Err(damaged("MultiInstance")),
            },
        })
    }
}

/// The runtime directory of a queue manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeDir {
    base: PathBuf,
    path: PathBuf,
    serving: PathBuf,
}

impl RuntimeDir {
    /// The name of [`RuntimeDir::start_socket`] in the directory.
    pub const START_SOCKET: &'static str = "start";

    /// The directory of a queue manager under the host's directory of runtime files. It need
    /// not exist.
    pub fn open(base: &Path, name: &QmgrName) -> Self {
        Self {
            base: base.to_owned(),
            path: base.join(name.to_dir_component()),
            // No directory of a queue manager has this name: there is no @ in those.
            serving: base.join(format!("active@{}", name.to_unit_instance())),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The control socket.
    pub fn control(&self) -> PathBuf {
        self.path.join("control")
    }

    /// The lock of the host's only instance.
    pub fn instance_lock(&self) -> PathBuf {
        self.path.join("instance.lock")
    }

    /// The status file.
    pub fn status_file(&self) -> PathBuf {
        self.path.join("status")
    }

    /// The file that says whether the instance serves.
    pub fn role_file(&self) -> PathBuf {
        self.path.join("active")
    }

    /// The file that is there only while the instance serves.
    pub fn serving_file(&self) -> PathBuf {
        self.serving.clone()
    }

    /// The socket of a command that waits for a start.
    pub fn start_socket(&self) -> PathBuf {
        self.path.join(Self::START_SOCKET)
    }

    /// The file of the options with which the service manager is to start the instance again.
    pub fn options_file(&self) -> PathBuf {
        self.path.join("options")
    }

    /// Makes the directory, and the host's directory of runtime files, if they are not there.
    ///
    /// # Errors
    ///
    /// If one cannot be made.
    pub fn prepare(&self, owner: Owner) -> Result<(), IoError> {
        if fs::presence(&self.base)? == Presence::Absent {
            fs::make_dir_all(&self.base, PREFIX_MODE, Some(owner))?;
        }
        if fs::presence(&self.path)? == Presence::Absent {
            match fs::make_dir(&self.path, DIR_MODE, Some(owner)) {
                Err(error) if !error.is_already_there() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes the lock of the host's only instance, or returns `None` if there is one already.
    ///
    /// # Errors
    ///
    /// If the lock file cannot be made, opened or locked.
    pub fn try_own(&self, owner: Owner) -> Result<Option<LockedFile>, IoError> {
        lock_or_create(&self.instance_lock(), owner)
    }

    /// Takes the lock of the only command that waits for a start, or returns `None` if one waits already.
    ///
    /// # Errors
    ///
    /// If the lock file cannot be made, opened or locked.
    pub fn try_wait_for_start(&self, owner: Owner) -> Result<Option<LockedFile>, IoError> {
        lock_or_create(&self.path.join("start.lock"), owner)
    }

    /// Whether there is an instance on this host.
    ///
    /// # Errors
    ///
    /// If that cannot be found out. A lock file that is not there is no instance.
    pub fn running(&self) -> Result<bool, IoError> {
        let path = self.instance_lock();
        match fs::open_read(&path) {
            Ok(file) => lock::held_elsewhere(&file, &path, Range::WHOLE),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What the instance says of itself; `None` if it has not said anything.
    ///
    /// Believe it only while [`RuntimeDir::running`] says that there is an instance.
    ///
    /// # Errors
    ///
    /// [`StatusError`].
    pub fn status(&self) -> Result<Option<LocalStatus>, StatusError> {
        let file = self.status_file();
        match fs::read_limited(&file, FILE_BYTES_MAX) {
            Ok(bytes) => LocalStatus::parse(&bytes, &file).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the status file. Only the instance itself does.
    ///
    /// # Errors
    ///
    /// If it cannot be replaced.
    pub fn write_status(&self, status: &LocalStatus, owner: Owner) -> Result<(), IoError> {
        fs::replace_volatile(&self.status_file(), &status.to_bytes(), INI_MODE, Some(owner))
    }

    /// Replaces the file that says whether the instance serves, and makes or removes the other one that
    /// does. Only the instance itself does, or who has found out that there is none.
    ///
    /// # Errors
    ///
    /// If one of them cannot be; the other is as it should be then.
    pub fn write_role(&self, serves: bool, owner: Owner) -> Result<(), IoError> {
        let text: &[u8] = if serves { b"1\n" } else { b"0\n" };
        let marked = self.mark(serves, owner);
        let file = self.role_file();
        let told = fs::replace_volatile(&file, text, INI_MODE, Some(owner)).or_else(|error| {
            // Where there is no room to say that it does not serve, the file must not say that it does.
            if serves { Err(error) } else { fs::remove_file(&file).map_err(|_| error) }
        });
        told.and(marked)
    }

    fn mark(&self, serves: bool, owner: Owner) -> Result<(), IoError> {
        if serves {
            match fs::create_new(&self.serving, INI_MODE, Some(owner)) {
                Err(error) if !error.is_already_there() => Err(error),
                _ => Ok(()),
            }
        } else {
            fs::remove_file_if_there(&self.serving)
        }
    }
}

/// Takes the lock on a lock file, or returns `None` if somebody else holds it. The file is made
/// if it is not there and never removed: else two processes could lock two files of one name.
///
/// # Errors
///
/// If the file cannot be made, opened or locked.
pub fn lock_or_create(path: &Path, owner: Owner) -> Result<Option<LockedFile>, IoError> {
    loop {
        let opened = match fs::open_rw(path) {
            Err(error) if error.is_not_found() => fs::create_new(path, FILE_MODE, Some(owner)),
            other => other,
        };
        match opened {
            Err(error) if error.is_already_there() => {}
            Err(error) => return Err(error),
            Ok(file) => return Ok(LockedFile::try_lock(file, path, Range::WHOLE)?.ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(role: LocalRole) -> LocalStatus {
        LocalStatus {
            role,
            pid: 4711,
            epoch: (role == LocalRole::Active).then_some(Epoch(7)),
            since: UtcTime(1_795_000_000_000_000),
            instance: InstanceId([3; 16]),
            host: "host1".parse().unwrap(),
            multi_instance: true,
        }
    }

    #[test]
    fn a_status_reads_what_it_writes() {
        for role in LocalRole::ALL {
            let status = status(role);
            assert_eq!(
                LocalStatus::parse(&status.to_bytes(), Path::new("/r/status")).unwrap(),
                status
            );
        }
    }

    #[test]
    fn a_status_that_is_cut_off_is_refused() {
        let bytes = status(LocalRole::Active).to_bytes();
        for len in 0..bytes.len() - 2 {
            assert!(LocalStatus::parse(&bytes[..len], Path::new("/r/status")).is_err(), "{len}");
        }
    }

    #[test]
    fn there_is_one_instance_on_a_host() {
        let base = tempfile::tempdir().unwrap();
        let caller = miqm_sys::user::caller().unwrap();
        let owner = Owner { uid: caller.uid, gid: caller.gid };
        let dir = RuntimeDir::open(&base.path().join("run"), &"Q.1".parse().unwrap());
        assert!(!dir.running().unwrap());
        dir.prepare(owner).unwrap();
        assert!(dir.path().ends_with("Q!1"));
        assert!(!dir.running().unwrap());
        let held = dir.try_own(owner).unwrap().expect("nobody holds it");
        assert!(dir.running().unwrap());
        assert!(dir.try_own(owner).unwrap().is_none());
        assert!(dir.status().unwrap().is_none());
        dir.write_status(&status(LocalRole::Active), owner).unwrap();
        assert_eq!(dir.status().unwrap().unwrap().pid, 4711);
        drop(held);
        assert!(!dir.running().unwrap());
    }

    #[test]
    fn both_files_tell_whether_it_serves() {
        let base = tempfile::tempdir().unwrap();
        let caller = miqm_sys::user::caller().unwrap();
        let owner = Owner { uid: caller.uid, gid: caller.gid };
        let dir = RuntimeDir::open(base.path(), &".Q/1".parse().unwrap());
        dir.prepare(owner).unwrap();
        let mark = base.path().join(r"active@\x2eQ-1");
        assert_eq!(dir.serving_file(), mark);
        for serves in [false, true, true, false, false] {
            dir.write_role(serves, owner).unwrap();
            let text = std::fs::read_to_string(dir.role_file()).unwrap();
            assert_eq!((text == "1\n", mark.exists()), (serves, serves), "{text}");
        }
        // One that cannot be written does not keep the other from being right.
        dir.write_role(true, owner).unwrap();
        std::fs::remove_file(dir.role_file()).unwrap();
        std::fs::create_dir(dir.role_file()).unwrap();
        assert!(dir.write_role(false, owner).is_err() && !mark.exists());
    }
}
