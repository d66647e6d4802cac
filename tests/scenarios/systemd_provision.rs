//! Queue managers that are declared in a file: files with errors, and what contradicts what there is.

use crate::support::boxes::Host;
use crate::support::boxes::qmgr::Pair;

/// Files with an error, and what the journal must say of each beside the name of the file.
const BAD: &[(&str, &str)] = &[
    ("[paths\ndata-under = \"/MQHA/qmgrs\"\n", ":1:"),
    ("[paths]\ndata-udner = \"/MQHA/qmgrs\"\nlog-under = \"/MQHA/logs\"\n", "data-under"),
    ("[paths]\ndata-under = \"/MQHA/qmgrs\"\n[log]\nfile-pages = 1\n", ":4:"),
    (
        "[paths]\ndata-under = \"/MQHA/qmgrs\"\nlog-under = \"/MQHA/logs\"\nrequire-mount = [\"/MQHA/qmgrs\"]\n",
        "/MQHA/qmgrs",
    ),
];

/// What is on the storage and in the registry, with what is in the small files.
fn content(host: &Host) -> String {
    let line = "cat /var/mqm/mqs.ini; cd /MQHA && find qmgrs logs -printf '%p %s %T@ %m %u\\n' | sort; \
                find qmgrs -name '*.ini' -exec cat {} +";
    host.run(line).success().stdout
}

/// Goal: a file with an error makes nothing, and the journal says where the error is; a file that says
/// what there is changes nothing; one that contradicts it is refused.
#[test]
fn a_provisioning_file_with_an_error_makes_nothing() {
    let Some(pair) = Pair::created_or_skip("provisioning files with errors") else { return };
    let host = &pair.one;
    let before = content(host);
    for (text, said) in BAD {
        host.write("/etc/miqm/qmgr.d/BAD.toml", text);
        drop(host.run("systemctl start mqm-create@BAD").code(1));
        let unit = host.unit("mqm-create@BAD.service");
        assert_eq!(unit.state(), "failed/failed", "{text}");
        let journal = host.journal("mqm-create@BAD.service");
        assert!(journal.contains("AMQ") && journal.contains(said), "{text}{journal}");
        // Neither is an instance of it started, or tried for ever.
        drop(host.run("systemctl start mqm@BAD").code(1));
        let unit = host.unit("mqm@BAD.service");
        assert_eq!((unit.state().as_str(), unit.get("NRestarts")), ("failed/failed", "0"));
        assert_eq!(content(host), before, "{text}");
        let forget =
            "systemctl reset-failed mqm@BAD mqm-create@BAD; journalctl --rotate --vacuum-time=1us";
        drop(host.run(&format!("({forget}) 2>&1")).code(0));
    }
    let paths = "[paths]\ndata-under = \"/MQHA/qmgrs\"\nlog-under = \"/MQHA/logs\"\n";
    host.write("/etc/miqm/qmgr.d/QM1.toml", &format!("{paths}[log]\nfile-pages = 128\n"));
    drop(host.run("systemctl start mqm-create@QM1").code(1));
    let journal = host.journal("mqm-create@QM1.service");
    assert!(journal.contains("128") && journal.contains("64"), "{journal}");
    assert_eq!(content(host), before);
    host.write("/etc/miqm/qmgr.d/QM1.toml", &format!("{paths}[log]\nfile-pages = 64\n"));
    drop(host.run("systemctl restart mqm-create@QM1").success());
    assert_eq!(content(host), before);
}
