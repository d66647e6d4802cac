//! Reports to render.

use miqm_fsck::facts::{GlusterFacts, NfsFacts};
use miqm_fsck::{Evidence, Finding, HostFacts, Outcome, Phase, Report, Series, Verdict};
use miqm_sys::probe::FileSystem;
use miqm_types::UtcTime;

/// What tries to break out of every form.
pub(crate) const HOSTILE: &str =
    "</td><script>alert(1)</script>\"'&amp;\n\x1b[31m\u{202e}\0 ]]> PASS a.b %s <!-- -->";

/// Values that look measured: the same every time, between `low` and about twenty times that.
pub(crate) fn values(seed: u32, count: usize, low: f64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1_u32 << 24)
    };
    (0..count).map(|_| low * (1.0 + 0.2 * next() + next().powi(12) * 20.0)).collect()
}

pub(crate) fn host(name: &str) -> HostFacts {
    HostFacts {
        name: name.into(),
        directory: "/MQHA/qmgrs".into(),
        kernel: "6.1.0-50-amd64".into(),
        boot: "6c0f5a0e-3b0c-4b59-8a3d-0b8f2b3f4a11".into(),
        user: "mqm (990)".into(),
        groups: vec![990, 1001],
        fs_type: "nfs4".into(),
        source: "filer:/export/mqha".into(),
        mount_point: "/MQHA".into(),
        options:
            "rw,relatime,vers=4.1,rsize=1048576,wsize=1048576,namlen=255,hard,proto=tcp,timeo=600,\
                  retrans=2,sec=sys,clientaddr=192.0.2.7,local_lock=none,addr=192.0.2.1"
                .into(),
        magic: 0x6969,
        device: 51,
        version: "1.2.3".into(),
        uid: 990,
        node: name.into(),
        inode: 2,
        root: "/".into(),
        space: Some(FileSystem {
            magic: 0x6969,
            block_bytes: 1 << 20,
            blocks: 102_400,
            blocks_available: 90_112,
            files_free: 6_553_589,
            name_bytes_max: 255,
        }),
        nfs: Some(NfsFacts {
            version: "4.1".into(),
            lease_seconds: Some(90),
            lease_over_seconds: Some(0),
            sessions: true,
            client_address: "192.0.2.7".into(),
        }),
        gluster: None,
        settings: [("nfs.recover_lost_locks".to_owned(), "N".to_owned())].into(),
    }
}

/// A host that has another file system.
fn gluster_host(name: &str) -> HostFacts {
    HostFacts {
        fs_type: "fuse.glusterfs".into(),
        source: "brick1:/mqha".into(),
        options: "rw,relatime,user_id=0,group_id=0,default_permissions,allow_other".into(),
        magic: 0x6573_5546,
        nfs: None,
        gluster: Some(GlusterFacts {
            version: "10.3".into(),
            arguments: vec!["--volfile-server=brick1".into()],
            translators: vec!["protocol/client".into(), "cluster/replicate".into()],
            bricks: 3,
            replicas: 3,
            strict_locks: true,
            ping_timeout_seconds: Some(42),
            quorum_type: "auto".into(),
        }),
        settings: [].into(),
        ..host(name)
    }
}

pub(crate) fn finding(check: &str, verdict: Verdict, summary: &str, hosts: &[&str]) -> Finding {
    let wrong = matches!(verdict, Verdict::Fail | Verdict::Warning);
    Finding {
        check: check.into(),
        title: "what it asserts".into(),
        phase: if hosts.len() > 1 { Phase::Concurrent } else { Phase::Basic },
        hosts: hosts.iter().map(ToString::to_string).collect(),
        verdict,
        required: check.starts_with("lock"),
        summary: summary.into(),
        evidence: Vec::new(),
        why: "The lock is what keeps two instances from serving, and writing, at the same time."
            .into(),
        change: if wrong {
            "Mount the file system so that locks are kept by its server, or use one that has them."
                .into()
        } else {
            String::new()
        },
        seconds: 0.004_21,
        series: Vec::new(),
    }
}

fn series(name: &str, place: &str, seconds: Vec<f64>) -> Series {
    Series { name: name.into(), place: place.into(), seconds }
}

fn closed(mut report: Report, seconds: f64) -> Report {
    report.version = "1.2.3".into();
    report.command = "amqmfsck --all '/MQ HA'".into();
    report.close(seconds);
    report
}

/// One host, and all is well.
pub(crate) fn good() -> Report {
    let mut report =
        Report::new("0f", "/MQHA/qmgrs", UtcTime(1_795_288_137_000_000), &[Phase::Basic]);
    report.hosts.push(gluster_host("host1"));
    for check in ["env.mount", "lock.exclusive", "lock.shared", "lock.range", "sync.latency"] {
        report.findings.push(finding(check, Verdict::Pass, "It holds.", &["host1"]));
    }
    report.findings[4].series = vec![
        series("fsync", "host1", values(1, 100, 0.000_8)),
        series("fdatasync", "host1", values(2, 100, 0.000_5)),
    ];
    closed(report, 0.81)
}

/// Two hosts, and each verdict: with all that a finding can have.
pub(crate) fn mixed() -> Report {
    let phases = [Phase::Basic, Phase::Concurrent, Phase::Waiting];
    let mut report =
        Report::new("0123456789abcdef", "/MQHA/qmgrs", UtcTime(1_795_288_137_000_000), &phases);
    report.hosts = vec![host("host1"), host("host2")];
    report.hosts[1].options = report.hosts[1].options.replace("hard", "soft");
    let (forth, back) = (["host1", "host2"], ["host2", "host1"]);
    let all = [
        finding("env.mount", Verdict::Warning, "The mount is soft.", &["host2"]),
        finding("lock.exclusive", Verdict::Pass, "It excludes the other process.", &["host1"]),
        finding("lock.exclusive", Verdict::Fail, "Two processes hold it at the same time.", &forth),
        finding("lock.exclusive", Verdict::Fail, "Two processes hold it at the same time.", &back),
        finding(
            "lock.race",
            Verdict::NotTested,
            "It needs lock.exclusive, which did not hold.",
            &forth,
        ),
        finding("data.read", Verdict::Fail, "pread(0, 4096 bytes, 8192) was refused: EIO.", &forth),
        finding("name.case", Verdict::NotApplicable, "The file system has no cases.", &["host1"]),
        finding("sync.latency", Verdict::Pass, "It waits for the disk.", &["host1"]),
        finding("lock.hand-over", Verdict::Pass, "It takes over.", &forth),
        finding("odd.one", Verdict::NotTested, "There is no /proc here.", &back),
    ];
    report.findings.extend(all);
    let found = &mut report.findings;
    found[0].evidence = vec![Evidence::note("soft lets a write be lost after 180 s").host("host2")];
    let refused = Evidence {
        call: "fcntl(0, F_OFD_SETLK, F_WRLCK, 0..end)".into(),
        ..Evidence::note("a second Ofd lock was granted while the first was held")
    };
    found[2].evidence = vec![refused.clone().host("host2").file("exclusive-1")];
    found[3].evidence = vec![refused.host("host1").file("exclusive-2")];
    let read = Evidence { call: "pread(0, 4096 bytes, 8192)".into(), ..Evidence::default() };
    let read = read.errno(5).host("host2").file("data-1").offset(8192).seconds(12.5);
    found[5].evidence = (0..9).map(|at| read.clone().offset(8192 + at)).collect();
    found[7].series = vec![
        series("fsync", "host1", values(1, 200, 0.000_8)),
        series("fdatasync", "host1", values(2, 200, 0.000_5)),
        series("O_DSYNC write", "host1", values(3, 200, 0.000_9)),
    ];
    found[8].series = vec![
        series("lock hand-over by polling", "host1 > host2", values(4, 20, 0.11)),
        series("lock hand-over by polling", "host2 > host1", values(5, 20, 0.12)),
        series("lock hand-over by waiting", "host1 > host2", values(6, 20, 1.4)),
        series("lock hand-over by waiting", "host2 > host1", vec![29.7]),
    ];
    let mut report = closed(report, 94.0);
    report.ended_early = "Host host2 was lost: the connection was closed.".into();
    report.outcome = report.judge();
    report
}

/// The same with every text hostile, and numbers that nobody expects.
pub(crate) fn hostile() -> Report {
    let mut report = mixed();
    report.directory = HOSTILE.into();
    report.version = HOSTILE.into();
    report.run = HOSTILE.into();
    report.command = HOSTILE.into();
    report.ended_early = HOSTILE.into();
    report.not_shown = vec![HOSTILE.into()];
    report.started = i64::MIN;
    report.seconds = f64::NAN;
    for host in &mut report.hosts {
        let HostFacts {
            name,
            directory,
            kernel,
            boot,
            user,
            fs_type,
            source,
            mount_point,
            options,
            version,
            ..
        } = host;
        for text in
            [name, directory, kernel, boot, user, fs_type, source, mount_point, options, version]
        {
            *text = HOSTILE.into();
        }
    }
    for found in &mut report.findings {
        found.title = HOSTILE.into();
        found.check = HOSTILE.into();
        found.summary = HOSTILE.into();
        found.why = HOSTILE.into();
        found.change = HOSTILE.into();
        found.hosts = vec![HOSTILE.into(), String::new()];
        found.seconds = f64::INFINITY;
        for one in &mut found.evidence {
            one.host = HOSTILE.into();
            one.call = HOSTILE.into();
            one.file = "\u{1b}]0;title\u{7}".into();
            one.note = HOSTILE.into();
            one.error = HOSTILE.into();
            one.errno = Some(i32::MIN);
            one.offset = Some(u64::MAX);
            one.seconds = Some(f64::NEG_INFINITY);
        }
        for series in &mut found.series {
            series.name = HOSTILE.into();
            series.seconds.extend([f64::NAN, -1.0, 0.0, f64::INFINITY, 1e300, 1e-300]);
        }
    }
    report
}

/// Nothing at all.
pub(crate) fn empty() -> Report {
    let mut report = closed(Report::new("0", "/x", UtcTime(0), &[]), 0.0);
    report.outcome = Outcome::NotTested;
    report
}
