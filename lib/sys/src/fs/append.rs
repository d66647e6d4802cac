//! Files that are only ever appended to: logs for people.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::{Owner, create_new, stat_file};
use crate::error::{At, IoError, Op};
use crate::inflight;

/// A file that is only appended to.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    path: std::path::PathBuf,
}

impl AppendFile {
    /// Opens a regular file for appending; it is made with this mode and owner if it is not there.
    ///
    /// # Errors
    ///
    /// If it cannot be opened or made, is a symbolic link, or is no regular file.
    pub fn open(path: &Path, mode: u32, owner: Option<Owner>) -> Result<Self, IoError> {
        for _ in 0..10 {
            let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NOFOLLOW;
            let safely = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
            let opened = {
                let _entered = inflight::enter(Op::Open, path);
                open(path, flags | safely, Mode::empty())
            };
            match opened {
                Err(Errno::ENOENT) => {}
                opened => {
                    let file = File::from(opened.at(Op::Open, path)?);
                    if stat_file(&file, path)?.kind != super::Presence::File {
                        return Err(IoError::new(Op::Open, path, Errno::EINVAL));
                    }
                    return Ok(Self { file, path: path.to_owned() });
                }
            }
            match create_new(path, mode, owner) {
                Err(error) if !error.is_already_there() => return Err(error),
                // Opened again above: what was made is not in append mode.
                _ => {}
            }
        }
        Err(IoError::new(Op::Open, path, Errno::EAGAIN))
    }

    /// Its size, in bytes.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn len(&self) -> Result<u64, IoError> {
        Ok(stat_file(&self.file, &self.path)?.size)
    }

    /// Whether there is nothing in it.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn is_empty(&self) -> Result<bool, IoError> {
        Ok(self.len()? == 0)
    }

    /// Appends an entry in one call, so that entries of several processes do not mix.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn append(&mut self, entry: &[u8]) -> Result<(), IoError> {
        let _entered = inflight::enter(Op::Write, &self.path);
        self.file.write_all(entry).at(Op::Write, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_appended_and_a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        AppendFile::open(&path, 0o660, None).unwrap().append(b"one\n").unwrap();
        let mut file = AppendFile::open(&path, 0o660, None).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(file.len().unwrap(), 8);
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(AppendFile::open(&link, 0o660, None).is_err());
    }
}
