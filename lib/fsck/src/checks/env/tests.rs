use miqm_sys::probe::FileSystem;

use super::*;
use crate::Verdict::{Fail, NotApplicable as NA, NotTested, Pass, Warning};

/// What a host tells of a mount line of `/proc/self/mountinfo`.
pub(super) fn facts_of(line: &str) -> HostFacts {
    crate::facts::of_line(&format!("22 1 0:35 / /HA {line}"))
}

/// Mount lines from the options of the mount on, a check, its verdict, and a word of its summary.
const TABLE: &[(&str, &str, Verdict, &str)] = &[
    (
        "rw - nfs4 s:/ rw,vers=4.2,hard,proto=tcp,timeo=600,local_lock=none",
        "nfs-version",
        Pass,
        "4.2",
    ),
    ("rw - nfs4 s:/ rw,vers=4.1,hard", "nfs-version", Pass, "4.1"),
    ("rw - nfs4 s:/ rw,vers=4.0,hard", "nfs-version", Pass, "30 s"),
    ("rw - nfs4 s:/ rw,vers=4,minorversion=1", "nfs-version", Pass, "4.1"),
    ("rw - nfs s:/x rw,vers=3,hard,lock", "nfs-version", Fail, "vers=3"),
    ("rw - nfs s:/x rw,vers=2", "nfs-version", Fail, "vers=2"),
    ("rw - nfs s:/x rw", "nfs-version", NotTested, "version"),
    ("rw - ext4 /dev/sda1 rw", "nfs-version", NA, "not NFS"),
    ("rw - nfs4 s:/ rw,vers=4.2,local_lock=none", "nfs-locks", Pass, "server"),
    ("rw - nfs s:/x rw,vers=3,nolock,local_lock=all", "nfs-locks", Fail, "nolock"),
    ("rw - nfs s:/x rw,vers=3,local_lock=all", "nfs-locks", Fail, "local_lock=all"),
    ("rw - nfs s:/x rw,vers=3,local_lock=posix", "nfs-locks", Fail, "local_lock=posix"),
    ("rw - nfs s:/x rw,vers=3,local_lock=flock", "nfs-locks", Pass, "flock is local"),
    ("rw - nfs4 s:/ rw,vers=4.2,hard", "nfs-soft", Pass, "hard"),
    ("rw - nfs4 s:/ rw,vers=4.2,soft,timeo=50", "nfs-soft", Warning, "EIO"),
    ("rw - nfs4 s:/ rw,vers=4.2,softerr", "nfs-soft", Warning, "ETIMEDOUT"),
    ("rw - nfs4 s:/ rw,vers=4.2,hard,softreval", "nfs-soft", Warning, "softreval"),
    ("rw - nfs4 s:/ rw,vers=4.2", "nfs-cache", Pass, "default"),
    ("rw - nfs4 s:/ rw,vers=4.2,nocto", "nfs-cache", Warning, "nocto"),
    ("rw - nfs4 s:/ rw,vers=4.2,acregmin=600,acregmax=600", "nfs-cache", Warning, "acregmax=600"),
    ("rw - nfs4 s:/ rw,vers=4.2,acdirmax=61", "nfs-cache", Warning, "acdirmax=61"),
    ("rw - nfs4 s:/ rw,vers=4.2,acregmax=60,acdirmax=3", "nfs-cache", Pass, ""),
    ("rw - nfs4 s:/ rw,vers=4.2,fsc", "nfs-cache", Warning, "fsc"),
    ("rw,sync - nfs4 s:/ rw,vers=4.2,noac,lookupcache=none", "nfs-cache", Pass, "noac"),
    ("rw - nfs s:/x rw,vers=3,proto=udp,timeo=11", "nfs-transport", Warning, "proto=udp"),
    ("rw - nfs4 s:/ rw,vers=4.2,proto=tcp,timeo=50", "nfs-transport", Warning, "timeo=50"),
    ("rw - nfs4 s:/ rw,vers=4.2,proto=tcp6,timeo=600", "nfs-transport", Pass, ""),
    ("rw - nfs4 s:/ rw,vers=4.2,sec=krb5p", "nfs-transport", Warning, "sec=krb5p"),
    ("rw - nfs4 s:/ rw,vers=4.2", "nfs-lease", NotTested, "lease"),
    ("rw - nfs s:/x rw,vers=3", "nfs-lease", NA, "version 4"),
    ("rw - nfs4 s:/ rw,vers=4.2", "nfs-lost-locks", NotTested, "recover_lost_locks"),
    ("rw - nfs4 s:/ rw,vers=4.2", "nfs-export", NotTested, "async"),
    ("rw - xfs /dev/sdb rw", "nfs-export", NA, ""),
    ("rw - cifs //s/x rw,vers=3.1.1,cache=strict,hard", "smb", Warning, "not supported"),
    ("rw - cifs //s/x rw,vers=3.1.1,nobrl", "smb", Fail, "nobrl"),
    ("rw - smb3 //s/x rw,vers=3.0,cache=loose", "smb", Fail, "cache=loose"),
    ("rw - cifs //s/x rw,vers=3.0,nostrictsync", "smb", Fail, "nostrictsync"),
    ("rw - cifs //s/x rw,vers=1.0", "smb", Warning, "vers=1.0"),
    ("rw - cifs //s/x rw,vers=3.0,forcemandatorylock", "smb", Warning, "forcemandatorylock"),
    ("rw - smbfs //s/x rw", "smb", Fail, "smbfs"),
    ("rw - gfs2 /dev/vg/x rw", "cluster-locks", Pass, ""),
    ("rw - gfs2 /dev/vg/x rw,localflocks", "cluster-locks", Fail, "localflocks"),
    ("rw - gfs2 /dev/vg/x rw,localcaching", "cluster-locks", Fail, "localcaching"),
    ("rw - gfs2 /dev/vg/x rw,lockproto=lock_nolock", "cluster-locks", Fail, "lock_nolock"),
    ("rw - ocfs2 /dev/vg/x rw,localflocks", "cluster-locks", Fail, "localflocks"),
    ("rw - ocfs2 /dev/vg/x rw,_netdev", "cluster-locks", Pass, ""),
    ("rw - lustre 1@tcp:/x rw,flock", "cluster-locks", Pass, ""),
    ("rw - lustre 1@tcp:/x rw,localflock", "cluster-locks", Fail, "localflock"),
    ("rw - lustre 1@tcp:/x rw,noflock", "cluster-locks", Fail, "noflock"),
    ("rw - ceph 1.2.3.4:/ rw,name=x,recover_session=clean", "cluster-locks", Pass, "300 s"),
    ("rw - gpfs gpfs rw", "cluster-locks", Pass, ""),
    (
        "rw - beegfs beegfs_nodev rw,cfgFile=/none",
        "cluster-locks",
        Warning,
        "tuneUseGlobalFileLocks",
    ),
    ("rw - orangefs tcp://x rw", "cluster-locks", Fail, "orangefs"),
    ("rw - ext4 /dev/sda1 rw", "cluster-locks", NA, ""),
    ("rw - fuse.glusterfs g:/v rw,allow_other", "fuse", Pass, "servers"),
    ("rw - fuse.juicefs j rw,allow_other", "fuse", Warning, "this host only"),
    ("rw - fuse.glusterfs g:/v rw,allow_other", "gluster", Warning, "does not show"),
    ("rw - fuse.sshfs u@h: rw", "fuse", Fail, "sshfs"),
    ("rw - fuse.s3fs b rw", "fuse", Fail, "s3fs"),
    ("rw - fuse.rclone r: rw", "fuse", Fail, "rclone"),
    ("rw - fuse /dev/fuse rw", "fuse", Warning, "program"),
    ("rw - fuseblk /dev/sdb1 rw", "fuse", Warning, "fuseblk"),
    ("rw - 9p host rw,trans=virtio", "fuse", Warning, "guest"),
    ("rw - virtiofs tag rw", "fuse", Warning, "guest"),
    ("rw - ext4 /dev/sda1 rw", "fuse", NA, ""),
    ("rw - tmpfs tmpfs rw,size=1g", "volatile", Fail, "memory"),
    ("rw - ramfs ramfs rw", "volatile", Fail, "memory"),
    ("rw - overlay overlay rw,lowerdir=/a:/b,upperdir=/c", "volatile", Fail, "container"),
    ("rw - fuse.fuse-overlayfs fuse-overlayfs rw", "volatile", Fail, "container"),
    ("rw - ext4 /dev/ram0 rw", "volatile", Fail, "/dev/ram0"),
    ("rw - ext4 /dev/sda1 rw", "volatile", Pass, ""),
    ("ro,relatime - ext4 /dev/sda1 rw", "read-only", Fail, "ro"),
    ("rw,relatime - ext4 /dev/sda1 ro", "read-only", Fail, "ro"),
    ("rw - ext4 /dev/sda1 rw,errors=remount-ro", "read-only", Pass, ""),
    ("rw - ext4 /dev/sda1 rw", "barriers", Pass, ""),
    ("rw - ext4 /dev/sda1 rw,nobarrier", "barriers", Fail, "nobarrier"),
    ("rw - ext3 /dev/sda1 rw,barrier=0", "barriers", Fail, "barrier=0"),
    ("rw - xfs /dev/sda1 rw,nobarrier", "barriers", Fail, "nobarrier"),
    ("rw - ext4 /dev/sda1 rw,data=writeback", "barriers", Warning, "data=writeback"),
    ("rw - zfs pool/x rw", "barriers", Pass, "zfs"),
    ("rw - nfs4 s:/ rw,vers=4.2", "barriers", NA, ""),
    ("rw - ext4 /dev/sda1 rw", "local", Pass, "this host"),
    ("rw - btrfs /dev/sda1 rw", "local", Pass, "this host"),
    ("rw - vfat /dev/sda1 rw", "local", Warning, "vfat"),
    ("rw - ext2 /dev/sda1 rw", "local", Warning, "journal"),
    ("rw - nfs4 s:/ rw,vers=4.2", "local", NA, ""),
    ("rw - afs #x rw", "type", Fail, "afs"),
    ("rw - afs #x rw,flock=strict", "type", Warning, "whole"),
    ("rw - sysfs sysfs rw", "type", Fail, "kernel"),
    ("rw - newfs x rw", "type", Warning, "newfs"),
    ("rw - nfs4 s:/ rw,vers=4.2", "type", Pass, ""),
    ("rw - nfs4 s:/ rw,vers=4.2", "mount", Pass, "s:/"),
];

fn judge_of(id: &str) -> fn(&HostFacts) -> Told {
    match id {
        "statfs" => statfs,
        "mount" => mount,
        "type" => fs_type,
        "read-only" => read_only,
        "space" => space,
        "volatile" => local::volatile,
        "local" => local::one_host,
        "barriers" => local::barriers,
        "nfs-version" => nfs::version,
        "nfs-locks" => nfs::locks,
        "nfs-soft" => nfs::soft,
        "nfs-cache" => nfs::cache,
        "nfs-transport" => nfs::transport,
        "nfs-lease" => nfs::lease,
        "nfs-lost-locks" => nfs::lost_locks,
        "nfs-export" => nfs::export,
        "smb" => smb::judge,
        "cluster-locks" => cluster::judge,
        "fuse" => user_space::judge,
        "gluster" => gluster::judge,
        other => panic!("no judge of {other}"),
    }
}

fn is_sentence(text: &str) -> bool {
    text.ends_with('.') && !text.starts_with(' ') && !text.contains("  ") && text.is_ascii()
}

#[test]
fn mount_lines_have_their_verdicts() {
    for (line, id, verdict, word) in TABLE {
        let facts = facts_of(line);
        let told = judge_of(id)(&facts);
        assert_eq!(told.verdict, *verdict, "{id} of {line}: {}", told.summary);
        assert!(told.summary.contains(word), "{id} of {line}: {}", told.summary);
        assert!(is_sentence(&told.summary), "{id} of {line}: {}", told.summary);
        assert!(told.change.is_empty() || is_sentence(&told.change), "{}", told.change);
    }
}

#[test]
fn what_is_not_known_is_not_tested_and_nothing_panics() {
    let nothing = HostFacts::default();
    let ids = ["statfs", "mount", "type", "read-only", "space", "volatile", "local", "barriers"];
    for id in ids.iter().chain(&["nfs-version", "smb", "cluster-locks", "fuse", "gluster"]) {
        let told = judge_of(id)(&nothing);
        assert_ne!(told.verdict, Fail, "{id}: {}", told.summary);
    }
    assert_eq!(mount(&nothing).verdict, NotTested);
    assert_eq!(statfs(&nothing).verdict, NotTested);
    let in_memory = HostFacts { magic: 0x0102_1994, ..HostFacts::default() };
    assert_eq!(local::volatile(&in_memory).verdict, Fail, "by the magic number alone");
    let by_magic = |magic, judge: fn(&HostFacts) -> Told| {
        let facts = HostFacts { magic, ..HostFacts::default() };
        known(&facts, judge(&facts)).verdict
    };
    assert_eq!(by_magic(0x6969, nfs::locks), NotTested);
    assert_eq!(by_magic(0xef53, nfs::locks), NA);
    assert_eq!(by_magic(0xef53, local::barriers), NotTested);
    assert_eq!(by_magic(0x6573_5546, gluster::judge), NotTested);
}

#[test]
fn lease_and_lost_locks_are_judged_by_what_the_kernel_shows() {
    let mut facts = facts_of("rw - nfs4 s:/ rw,vers=4.2");
    for (seconds, verdict) in [(90, Pass), (120, Pass), (300, Warning), (0, NotTested)] {
        facts.nfs.as_mut().unwrap().lease_seconds = Some(seconds);
        assert_eq!(nfs::lease(&facts).verdict, verdict, "{seconds}");
    }
    for (value, verdict) in [("N", Pass), ("Y", Fail)] {
        facts.settings.insert("nfs.recover_lost_locks".into(), value.into());
        assert_eq!(nfs::lost_locks(&facts).verdict, verdict);
    }
}

#[test]
fn ocfs2_and_beegfs_are_judged_by_their_settings() {
    let mut facts = facts_of("rw - ocfs2 /dev/x rw");
    facts.settings.insert("ocfs2.cluster_stack".into(), "o2cb".into());
    assert_eq!(cluster::judge(&facts).verdict, Fail);
    let mut facts = facts_of("rw - beegfs x rw");
    for (value, verdict) in [("true", Pass), ("false", Fail)] {
        facts.settings.insert("beegfs.tuneUseGlobalFileLocks".into(), value.into());
        assert_eq!(cluster::judge(&facts).verdict, verdict);
    }
}

#[test]
fn sizes_that_make_no_sense_are_warned_of() {
    let fine = FileSystem {
        magic: 0xef53,
        block_bytes: 4096,
        blocks: 1 << 20,
        blocks_available: 1 << 19,
        files_free: 1 << 16,
        name_bytes_max: 255,
    };
    let mut facts = facts_of("rw - ext4 /dev/sda1 rw");
    let mut with = |space: FileSystem| {
        facts.space = Some(space);
        (super::statfs(&facts).verdict, super::space(&facts).verdict)
    };
    assert_eq!(with(fine), (Pass, Pass));
    assert_eq!(with(FileSystem { blocks: 0, ..fine }), (Warning, NotTested));
    assert_eq!(with(FileSystem { blocks_available: 1 << 21, ..fine }), (Warning, Pass));
    assert_eq!(with(FileSystem { blocks_available: 10, ..fine }), (Pass, Warning));
    assert_eq!(with(FileSystem { files_free: 3, ..fine }), (Pass, Warning));
    assert_eq!(with(FileSystem { files_free: 0, ..fine }), (Pass, Pass));
    assert_eq!(with(FileSystem { magic: 0x6969, ..fine }), (Warning, Pass));
    let huge = FileSystem { blocks: u64::MAX, blocks_available: u64::MAX, ..fine };
    assert_eq!(with(huge), (Pass, Pass));
}

#[test]
fn the_worse_of_two_hosts_counts_and_is_named() {
    let told = |verdict: fn(&'static str) -> Told, text| verdict(text);
    let fine = both(("a", told(Told::pass, "Good.")), ("b", told(Told::pass, "Good.")));
    assert_eq!((fine.verdict, fine.summary.as_str()), (Pass, "Good."));
    let bad = both(("a", told(Told::warning, "So.")), ("b", told(Told::fail, "Bad.")));
    assert_eq!((bad.verdict, bad.summary.as_str()), (Fail, "b: Bad."));
    let bad = both(("a", told(Told::fail, "Bad.")), ("b", told(Told::fail, "Worse.")));
    assert_eq!(bad.summary, "a: Bad. b: Worse.");
    let two = both(("a", told(Told::not_applicable, "No.")), ("b", told(Told::pass, "Yes.")));
    assert_eq!(two.summary, "b: Yes.");
}

#[test]
fn gluster_is_judged_by_what_its_client_runs() {
    let mut facts = facts_of("rw - fuse.glusterfs g:/v rw");
    let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let safe = crate::facts::GlusterFacts {
        arguments: strings(&[
            "glusterfs",
            "--direct-io-mode=yes",
            "--attribute-timeout=0",
            "--entry-timeout=0",
        ]),
        translators: strings(&["protocol/client", "cluster/replicate"]),
        bricks: 3,
        replicas: 3,
        strict_locks: true,
        ping_timeout_seconds: Some(5),
        ..Default::default()
    };
    facts.gluster = Some(safe.clone());
    assert_eq!(gluster::judge(&facts).verdict, Pass);
    let mut changed = |change: fn(&mut crate::facts::GlusterFacts)| {
        let mut client = safe.clone();
        change(&mut client);
        facts.gluster = Some(client);
        gluster::judge(&facts)
    };
    let told = changed(|client| client.strict_locks = false);
    assert!(told.verdict == Fail && told.change == "Set client.strict-locks on.");
    let told = changed(|client| client.translators.push("performance/quick-read".into()));
    assert!(told.verdict == Fail && told.summary.contains("performance.quick-read"));
    let told = changed(|client| client.arguments.truncate(2));
    assert!(told.verdict == Fail && told.change.contains("attribute-timeout=0,entry-timeout=0"));
    assert_eq!(changed(|client| client.ping_timeout_seconds = Some(42)).verdict, Warning);
    assert_eq!(changed(|client| client.replicas = 2).verdict, Fail);
    assert_eq!(changed(|client| client.replicas = 0).verdict, Warning);
    assert_eq!(changed(|client| client.quorum_type = "none".into()).verdict, Fail);
    let told = changed(|client| {
        client.strict_locks = false;
        for kind in ["write-behind", "open-behind", "quick-read", "md-cache"] {
            client.translators.push(format!("performance/{kind}"));
        }
    });
    assert!(told.summary.starts_with("This is the default profile of GlusterFS."));
    assert!(is_sentence(&told.summary) && is_sentence(&told.change));
}

#[test]
fn clocks_may_be_coarse_and_far_apart() {
    use clock::{Skew, skew};
    const S: i64 = 1_000_000_000;
    let now = 1_800_000_000 * S;
    assert_eq!(skew(now, now + 5, now + 9), Skew::Ahead(0));
    assert_eq!(skew(now, now - S, now + 9), Skew::Ahead(0), "full seconds only");
    assert_eq!(skew(now, now - 7200 * S, now + 9), Skew::Ahead(-7200 * S));
    assert_eq!(skew(now, now + 3609 * S, now + 9 * S), Skew::Ahead(3600 * S));
    assert_eq!(skew(now, 0, now + 9), Skew::Useless(0));
    assert_eq!(skew(i64::MIN, i64::MAX, i64::MIN), Skew::Ahead(i64::MAX));
}
