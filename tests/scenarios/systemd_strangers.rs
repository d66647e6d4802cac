//! Users who are not members of the group.

use crate::support::boxes::Host;
use crate::support::boxes::qmgr::{Pair, told};

/// Every command, as somebody calls it who may not, and how it ends.
const CALLS: &[(&str, &[i32])] = &[
    (
        "addmqinf -s QueueManager -v Name=QM2 -v Directory=QM2 -v Prefix=/var/mqm -v DataPath=/MQHA/qmgrs/QM1",
        &[119],
    ),
    ("amqmfsck /MQHA/qmgrs", &[119]),
    ("crtmqm -lf 64 QM2", &[119]),
    ("dltmqm QM1", &[119]),
    ("dmpmqlog -m QM1", &[20]),
    ("dspmq -x", &[0]),
    ("dspmqinf QM1", &[0]),
    ("dspmqver", &[0]),
    ("endmqm -i QM1", &[119]),
    ("mqrc AMQ8118", &[0]),
    ("rmvmqinf QM1", &[119]),
    ("strmqm -x QM1", &[119]),
];

/// What a stranger might have changed.
fn content(host: &Host) -> String {
    let places = "/var/mqm /MQHA/qmgrs /MQHA/logs/QM1 /etc/miqm /run/miqm";
    // Logs and locks of a queue manager that serves change by themselves.
    let line = format!("find {places} -not -path '*/errors/*' -printf '%p %m %u %g\\n' | sort");
    host.run(&line).success().stdout
}

/// Goal: each command tells a stranger that he may not, and does nothing of what he wanted.
#[test]
fn a_stranger_is_told_and_nothing_is_half_done() {
    let Some(pair) = Pair::serving_or_skip("every command as a user who is no member") else {
        return;
    };
    let installed = pair.one.run("dpkg -L miqm | grep '^/usr/bin/'").success().stdout;
    for path in installed.lines() {
        let name = path.rsplit('/').next().expect("a name");
        let known = CALLS.iter().any(|(line, _)| line.split(' ').next() == Some(name));
        assert!(known || name == "miqm-fsck", "no call of {name} is tried");
    }
    for host in pair.hosts() {
        let before = (told(host), content(host));
        for (line, codes) in CALLS {
            let said = host.run_as("bob", &format!("{line} 2>&1"));
            let code = said.code_among(codes);
            assert!(codes.contains(&code));
        }
        assert_eq!((told(host), content(host)), before);
    }
    pair.is_whole();
}
