//! Kinds of file systems.

use crate::report::HostFacts;

/// What a file system is, as far as it matters to two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// NFS of any version.
    Nfs,
    /// SMB, also called CIFS.
    Smb,
    /// A cluster or parallel file system with a client in the kernel.
    Cluster,
    /// AFS.
    Afs,
    /// One in user space: nobody but its program knows what it does.
    Fuse,
    /// A folder of a hypervisor that is handed through to its guest.
    Guest,
    /// One on a disk of this host alone.
    Local,
    /// One in memory, or a stack of others: nothing to keep data on.
    Volatile,
    /// One of the kernel's own, without files of anybody.
    Pseudo,
    /// None of those.
    Unknown,
}

/// Types by the name in the table of mounts.
const TYPES: &[(&str, Kind)] = &[
    ("nfs", Kind::Nfs),
    ("nfs4", Kind::Nfs),
    ("cifs", Kind::Smb),
    ("smb3", Kind::Smb),
    ("smb2", Kind::Smb),
    ("smbfs", Kind::Smb),
    ("ceph", Kind::Cluster),
    ("gfs2", Kind::Cluster),
    ("gfs", Kind::Cluster),
    ("ocfs2", Kind::Cluster),
    ("gpfs", Kind::Cluster),
    ("lustre", Kind::Cluster),
    ("beegfs", Kind::Cluster),
    ("pvfs2", Kind::Cluster),
    ("orangefs", Kind::Cluster),
    ("panfs", Kind::Cluster),
    ("vxfs", Kind::Cluster),
    ("afs", Kind::Afs),
    ("coda", Kind::Afs),
    ("fuse", Kind::Fuse),
    ("fuseblk", Kind::Fuse),
    ("virtiofs", Kind::Guest),
    ("9p", Kind::Guest),
    ("vboxsf", Kind::Guest),
    ("vmhgfs", Kind::Guest),
    ("prl_fs", Kind::Guest),
    ("ext2", Kind::Local),
    ("ext3", Kind::Local),
    ("ext4", Kind::Local),
    ("xfs", Kind::Local),
    ("btrfs", Kind::Local),
    ("zfs", Kind::Local),
    ("bcachefs", Kind::Local),
    ("f2fs", Kind::Local),
    ("jfs", Kind::Local),
    ("nilfs2", Kind::Local),
    ("reiserfs", Kind::Local),
    ("vfat", Kind::Local),
    ("msdos", Kind::Local),
    ("exfat", Kind::Local),
    ("ntfs", Kind::Local),
    ("ntfs3", Kind::Local),
    ("hfsplus", Kind::Local),
    ("ubifs", Kind::Local),
    ("tmpfs", Kind::Volatile),
    ("ramfs", Kind::Volatile),
    ("rootfs", Kind::Volatile),
    ("devtmpfs", Kind::Volatile),
    ("overlay", Kind::Volatile),
    ("overlayfs", Kind::Volatile),
    ("aufs", Kind::Volatile),
    ("unionfs", Kind::Volatile),
    ("fuse.fuse-overlayfs", Kind::Volatile),
    ("fuse.unionfs", Kind::Volatile),
    ("proc", Kind::Pseudo),
    ("sysfs", Kind::Pseudo),
    ("cgroup", Kind::Pseudo),
    ("cgroup2", Kind::Pseudo),
    ("devpts", Kind::Pseudo),
    ("mqueue", Kind::Pseudo),
    ("hugetlbfs", Kind::Pseudo),
    ("configfs", Kind::Pseudo),
    ("debugfs", Kind::Pseudo),
    ("autofs", Kind::Pseudo),
];

/// Types by the number that `statfs(2)` gives, with the name in the table of mounts.
const MAGIC: &[(u64, &str)] = &[
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb3"),
    (0x517b, "smbfs"),
    (0x6573_5546, "fuse"),
    (0x00c3_6400, "ceph"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
    (0x4750_4653, "gpfs"),
    (0x0bd0_0bd0, "lustre"),
    (0xa501_fcf5, "vxfs"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "afs"),
    (0x7375_7245, "coda"),
    (0x0102_1997, "9p"),
    (0x1983_0326, "beegfs"),
    (0x2003_0528, "orangefs"),
    (0xaad7_aaea, "panfs"),
    (0x786f_4256, "vboxsf"),
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x2fc1_2fc1, "zfs"),
    (0xca45_1a4e, "bcachefs"),
    (0xf2f5_2010, "f2fs"),
    (0x4d44, "vfat"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
    (0x6175_6673, "aufs"),
    (0x9fa0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x0187, "autofs"),
];

/// The type that a number of `statfs(2)` stands for: one of the names in the table of mounts.
pub fn type_of_magic(magic: u64) -> Option<&'static str> {
    MAGIC.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

/// The kind that a number of `statfs(2)` stands for.
pub fn kind_of_magic(magic: u64) -> Kind {
    type_of_magic(magic).map_or(Kind::Unknown, kind_of_type)
}

fn kind_of_type(name: &str) -> Kind {
    match TYPES.iter().find(|(of, _)| *of == name) {
        Some((_, kind)) => *kind,
        None if name.starts_with("fuse.") => Kind::Fuse,
        None => Kind::Unknown,
    }
}

/// The kind of the file system: by its type, else by its magic number.
pub fn kind(facts: &HostFacts) -> Kind {
    if facts.fs_type.is_empty() { kind_of_magic(facts.magic) } else { kind_of_type(&facts.fs_type) }
}
