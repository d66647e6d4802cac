use proptest::prelude::*;

use super::*;

const TABLE: &str = r"22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
40 22 0:35 / /HA rw,relatime shared:9 - nfs4 store:/ rw,vers=4.2,hard,clientaddr=10.0.0.11,addr=10.0.0.1
41 22 0:36 /qmgrs /var/mqm/qmgrs rw - fuse.glusterfs g1:/mqha rw,user_id=0,allow_other
42 22 0:36 / /mnt/gl rw - fuse.glusterfs g1:/mqha rw,user_id=0,allow_other
43 40 0:50 / /HA rw - tmpfs tmpfs rw
44 22 0:51 / /srv/a\040b rw - xfs /dev/sdb rw
";

const MOUNTSTATS: &str = "device /dev/sda1 mounted on / with fstype ext4
device store:/ mounted on /HA with fstype nfs4 statvers=1.1
\topts:\trw,vers=4.2,rsize=1048576,hard,proto=tcp,sec=sys,clientaddr=10.0.0.11,local_lock=none
\tage:\t9
\tcaps:\tcaps=0x7fff,wtmult=512,dtsize=1048576,bsize=0,namlen=255
\tnfsv4:\tbm0=0xfdffbfff,bm1=0xf9be3e,bm2=0x60803,acl=0x3,sessions,pnfs=not configured,lease_time=90,lease_expired=0
\tsec:\tflavor=1,pseudoflavor=1
device other:/ mounted on /HA2 with fstype nfs4 statvers=1.1
\tnfsv4:\tbm0=0x0,acl=0x3,lease_time=10,lease_expired=7
device filer:/a\\040b mounted on /a\\040b with fstype nfs statvers=1.1
\topts:\trw,vers=3
";

fn on(options: &str) -> HostFacts {
    HostFacts {
        fs_type: "nfs4".into(),
        source: "store:/".into(),
        mount_point: "/HA".into(),
        options: options.into(),
        ..HostFacts::default()
    }
}

#[test]
fn a_directory_is_found_by_mount_id_then_by_path_and_device() {
    let table = mount::parse_table(TABLE.as_bytes());
    let found = |id, device, path: &str| {
        let found = mount_under(&table, id, device, Path::new(path));
        found.map(|mount| mount.fs_type.as_str())
    };
    let device = |at: usize| table[at].device;
    assert_eq!(found(Some(40), device(4), "/HA/x"), Some("nfs4"), "the number counts");
    assert_eq!(found(None, device(4), "/HA/x"), Some("tmpfs"), "the last one hides the first");
    assert_eq!(found(None, device(1), "/HA/x"), Some("nfs4"), "but not from who was there before");
    assert_eq!(found(None, 77, "/HA/x"), Some("tmpfs"), "btrfs: no device of the table");
    assert_eq!(found(Some(99), device(0), "/HAx"), Some("ext4"));
    assert_eq!(found(None, device(5), "/srv/a b/c"), Some("xfs"));
    assert_eq!(mount_under(&[], None, 0, Path::new("/")), None);
}

#[test]
fn the_client_of_a_bind_mount_is_asked_where_all_of_it_is_mounted() {
    let table = mount::parse_table(TABLE.as_bytes());
    let mut facts = HostFacts { device: table[2].device, ..HostFacts::default() };
    describe(&mut facts, &table[2]);
    assert_eq!(facts.root, "/qmgrs");
    assert_eq!(whole_of(&facts, &table), Some("/mnt/gl".into()));
    describe(&mut facts, &table[3]);
    assert_eq!(whole_of(&facts, &[]), Some("/mnt/gl".into()));
    facts.root = "/else".into();
    assert_eq!(whole_of(&facts, &[]), None);
}

#[test]
fn nfs_facts_come_from_the_options_and_the_statistics_of_the_same_mount() {
    let found = nfs::facts(&on("rw,vers=4.2,clientaddr=10.0.0.11"), MOUNTSTATS);
    assert_eq!(found.numbers(), Some((4, 2)));
    assert_eq!((found.lease_seconds, found.lease_over_seconds), (Some(90), Some(0)));
    assert!(found.sessions);
    assert_eq!(found.client_address, "10.0.0.11");
    let other =
        HostFacts { source: "other:/".into(), mount_point: "/HA2".into(), ..on("vers=4.0") };
    let found = nfs::facts(&other, MOUNTSTATS);
    assert_eq!((found.lease_seconds, found.lease_over_seconds), (Some(10), Some(7)));
    assert!(!found.sessions);
    let blank =
        HostFacts { source: "filer:/a b".into(), mount_point: "/a b".into(), ..on("vers=3") };
    let found = nfs::facts(&blank, MOUNTSTATS);
    assert_eq!((found.version.as_str(), found.lease_seconds), ("3", None));
    assert_eq!(nfs::facts(&on("rw"), "").numbers(), None);
    for (options, version) in
        [("vers=4,minorversion=1", "4.1"), ("vers=4", "4.0"), ("nfsvers=3", "3"), ("hard", "")]
    {
        assert_eq!(nfs::facts(&on(options), "").version, version, "{options}");
    }
}

#[test]
fn settings_are_those_of_the_kind() {
    let read = |path: &str| path.ends_with("recover_lost_locks").then(|| "Y\n".to_owned());
    let found = settings(Kind::Nfs, read);
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [("nfs.recover_lost_locks".into(), "Y".into())]
    );
    assert!(settings(Kind::Local, read).is_empty());
    let config = "# tuneUseGlobalFileLocks = no\ntuneUseGlobalFileLocks = true # all\nx = 1\n";
    assert_eq!(line_value(config, "tuneUseGlobalFileLocks"), Some("true"));
    assert_eq!(line_value(config, "y"), None);
}

#[test]
fn a_gluster_client_tells_its_graph_and_arguments() {
    let volume = "volume v-client-0\n    type protocol/client\n    option ping-timeout 42\n    \
        option strict-locks off\nend-volume\n\nvolume v-client-1\n    type protocol/client\n    \
        option ping-timeout 5\n    option strict-locks on\nend-volume\nvolume v-replicate-0\n    \
        type cluster/replicate\n    option quorum-type none\n    subvolumes v-client-0 v-client-1\n\
        end-volume\nvolume v-write-behind\n    type performance/write-behind\n    subvolumes x\n\
        end-volume\nvolume v-io-cache\n    type performance/io-cache\n    option pass-through true\n\
        end-volume\nvolume cut off\n    type a/b\n";
    let command = "{ \n  \"Cmdlinestr\": \"glusterfs --process-name fuse --attribute-timeout=0 \
        --direct-io-mode enable --volfile-id=/v /mnt\"\n}";
    let found = gluster::facts(volume, command, "{ \n  \"Package Version\": \"10.3\"\n}");
    assert_eq!((found.bricks, found.replicas, found.strict_locks), (2, 2, false));
    assert_eq!(found.ping_timeout_seconds, Some(42));
    assert_eq!((found.quorum_type.as_str(), found.version.as_str()), ("none", "10.3"));
    assert!(found.runs("performance/write-behind"));
    assert!(!found.runs("performance/io-cache") && !found.runs("a/b"));
    assert_eq!(found.argument("attribute-timeout"), Some("0"));
    assert_eq!(found.argument("direct-io-mode"), Some("enable"));
    assert_eq!(found.argument("volfile"), None);
    assert!(!gluster::facts("", "", "").strict_locks);
}

#[test]
fn every_magic_number_is_of_a_known_kind() {
    for magic in [0x6969, 0xff53_4d42, 0x6573_5546, 0xef53, 0x0102_1994, 0x794c_7630] {
        assert_ne!(kind_of_magic(magic), Kind::Unknown, "{magic:x}");
    }
    assert_eq!(kind_of_magic(1), Kind::Unknown);
    let of = |name: &str| kind(&HostFacts { fs_type: name.into(), ..HostFacts::default() });
    assert_eq!(of("fuse.sshfs"), Kind::Fuse);
    assert_eq!(of("fuse.fuse-overlayfs"), Kind::Volatile);
    assert_eq!(of("nfsd"), Kind::Unknown);
    assert_eq!(kind(&HostFacts { magic: 0x6969, ..HostFacts::default() }), Kind::Nfs);
}

#[test]
fn this_host_is_described() {
    let dir = tempfile::tempdir().unwrap();
    let facts = collect(dir.path(), &Dir::open(dir.path()).unwrap()).unwrap();
    assert!(!facts.kernel.is_empty() && !facts.fs_type.is_empty() && !facts.boot.is_empty());
    assert!(facts.inode != 0 && facts.space.is_some());
    assert!(dir.path().starts_with(&facts.mount_point));
    let proc = Path::new("/proc");
    let facts = collect(proc, &Dir::open(proc).unwrap()).unwrap();
    assert_eq!((facts.fs_type.as_str(), kind(&facts)), ("proc", Kind::Pseudo));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(device |mounted on |with fstype nfs|nfsv4:|lease_time=|\
        volume |type |option |end-volume|subvolumes |[ -~\\n\\t])*", options in "[a-z=,0-9.]*")
    {
        drop(nfs::facts(&on(&options), &text));
        let _ = gluster::facts(&text, &text, &text).argument("a");
        drop(mount::parse_table(text.as_bytes()));
        let _ = line_value(&text, "a");
    }

    #[test]
    fn no_bytes_make_the_table_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(mount::parse_table(&bytes));
        let line = [b"22 1 8:1 / ", bytes.as_slice()].concat();
        drop(mount::parse_table(&line));
    }
}
