//! What is mounted where, and as what.
//!
//! The table of mounts comes from the kernel and never waits for storage; only the magic number of
//! a file system does.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::makedev;
use nix::sys::statfs::statfs;

use crate::error::{At, IoError, Op};
use crate::inflight;

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The kernel's number of this mount.
    pub id: u64,
    /// The device number of the file system, as `stat(2)` gives it for most types (not for btrfs).
    pub device: u64,
    /// The directory of the file system that is mounted: not "/" for a bind mount of a part of it.
    pub root: PathBuf,
    /// Its type: "ext4", "nfs4", "fuse.glusterfs".
    pub fs_type: String,
    /// What is mounted: a device, or `host:/export`.
    pub source: String,
    /// The options of the mount and of the file system, separated by commas.
    pub options: String,
    /// Where.
    pub mount_point: PathBuf,
}

impl Mount {
    /// Whether an option is set: "hard", "nolock".
    pub fn has_option(&self, name: &str) -> bool {
        self.options.split(',').any(|option| option == name)
    }

    /// The value of an option: of "vers" in "vers=4.2".
    pub fn option(&self, name: &str) -> Option<&str> {
        let value = |option| str::strip_prefix(option, name)?.strip_prefix('=');
        self.options.split(',').find_map(value)
    }
}

/// Every mount this process sees, in the order in which they were made.
///
/// # Errors
///
/// If the kernel's table cannot be read.
pub fn mounts() -> Result<Vec<Mount>, IoError> {
    const TABLE: &str = "/proc/self/mountinfo";
    let text = std::fs::read(TABLE).at(Op::Read, TABLE.as_ref())?;
    Ok(parse_table(&text))
}

/// The mounts in a text of the form of `/proc/self/mountinfo`. A line of another form is left out.
pub fn parse_table(text: &[u8]) -> Vec<Mount> {
    text.split(|b| *b == b'\n').filter_map(parse).collect()
}

/// The number of the mount through which a file was opened; `None` if the kernel does not tell.
pub fn id_of(fd: BorrowedFd<'_>) -> Option<u64> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().parse().ok()
}

/// The mount that an absolute path without symbolic links is on, by its text alone: the storage
/// is not touched, so this also answers for a dead mount.
///
/// # Errors
///
/// If the kernel's table cannot be read, or names no mount for the path (`ENOENT`).
pub fn mount_of(path: &Path) -> Result<Mount, IoError> {
    let found = covering(mounts()?, path);
    found.ok_or_else(|| IoError::new(Op::StatFs, path, nix::errno::Errno::ENOENT))
}

/// The magic number of the file system that `path` is on, as `statfs(2)` lists them.
///
/// # Errors
///
/// If the file system does not tell.
pub fn magic(path: &Path) -> Result<u64, IoError> {
    let _entered = inflight::enter(Op::StatFs, path);
    let found = statfs(path).at(Op::StatFs, path)?;
    #[expect(clippy::cast_sign_loss, reason = "magic numbers are 32 bits of no sign")]
    Ok(found.filesystem_type().0 as u64 & 0xffff_ffff)
}

/// The one with the longest mount point over `path`; of several there, the last made hides the rest.
pub fn covering(mounts: Vec<Mount>, path: &Path) -> Option<Mount> {
    let over = mounts.into_iter().filter(|mount| path.starts_with(&mount.mount_point));
    over.max_by_key(|mount| mount.mount_point.components().count())
}

/// A line: id, parent, device, root, mount point, options, any number of fields, "-", type, source,
/// options of the file system.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let id = number(fields.next()?)?;
    let device = fields.nth(1)?;
    let colon = device.iter().position(|b| *b == b':')?;
    let device = makedev(number(&device[..colon])?, number(&device[colon + 1..])?);
    let root = OsString::from_vec(unescape(fields.next()?)).into();
    let mount_point = unescape(fields.next()?);
    let mut options = text(fields.next()?);
    fields.find(|field| field == b"-")?;
    let (fs_type, source) = (text(fields.next()?), text(fields.next()?));
    for option in fields.next().map(text).unwrap_or_default().split(',') {
        if !option.is_empty() && !options.split(',').any(|had| had == option) {
            options.push(',');
            options.push_str(option);
        }
    }
    let mount_point = OsString::from_vec(mount_point).into();
    Some(Mount { id, device, root, fs_type, source, options, mount_point })
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

/// The kernel writes blanks, tabs, line ends and backslashes as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let octal = match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if *first == b'\\' => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &after[3..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[&str] = &[
        "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
        "40 22 0:35 / /var/mqm rw,relatime shared:9 master:1 - nfs4 filer:/mqm rw,vers=4.2,hard",
        r"41 22 0:36 / /srv/a\040b\134c ro,nosuid - fuse.glusterfs gl\040uster rw,user_id=0",
        "42 22 0:37 / /var/mqm rw - tmpfs tmpfs rw",
    ];

    fn parsed() -> Vec<Mount> {
        parse_table(TABLE.join("\n").as_bytes())
    }

    #[test]
    fn lines_are_read_with_their_escapes() {
        let mounts = parsed();
        assert_eq!((mounts[1].id, mounts[1].root.as_path()), (40, Path::new("/")));
        assert_eq!(mounts[1].device, makedev(0, 35));
        assert_eq!(mounts[1].fs_type, "nfs4");
        assert_eq!(mounts[1].source, "filer:/mqm");
        assert_eq!(mounts[1].options, "rw,relatime,vers=4.2,hard");
        assert_eq!(mounts[1].option("vers"), Some("4.2"));
        assert!(mounts[1].has_option("hard") && !mounts[1].has_option("har"));
        assert_eq!(mounts[2].mount_point, Path::new(r"/srv/a b\c"));
        assert_eq!(mounts[2].source, "gl uster");
    }

    #[test]
    fn the_deepest_and_last_mount_covers_a_path() {
        let at = |path: &str| covering(parsed(), path.as_ref()).unwrap().fs_type;
        assert_eq!(at("/var/mqm/qmgrs"), "tmpfs");
        assert_eq!(at("/var/mqmx"), "ext4");
        assert_eq!(at(r"/srv/a b\c"), "fuse.glusterfs");
    }

    #[test]
    fn bytes_that_are_no_line_are_no_mount() {
        for line in [
            "",
            "1 2 3",
            "1 2 3 4 5 6 7 8",
            "x 1 8:1 / / rw - a b",
            "2 1 8 / / rw - a b",
            r"1 2 3 4 \ - -",
            "22 1 8:1 / / rw - ext4",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(unescape(br"\04\777\"), br"\04\777\");
    }

    #[test]
    fn this_process_sees_mounts() {
        assert_eq!(mount_of(Path::new("/proc/self")).unwrap().fs_type, "proc");
        assert_eq!(magic(Path::new("/proc")).unwrap(), 0x9fa0);
        let dir = std::fs::File::open("/proc/self").unwrap();
        let id = id_of(std::os::fd::AsFd::as_fd(&dir)).unwrap();
        let by_id = mounts().unwrap().into_iter().find(|mount| mount.id == id).unwrap();
        assert_eq!(by_id.fs_type, "proc");
    }
}
