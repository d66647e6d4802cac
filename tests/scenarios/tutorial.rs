//! The tutorial of active/standby queue managers, end to end, every line and exit code.

use std::fmt::Write as _;
use std::time::Duration;

use crate::support::pair::{Pair, wait_until};

const SOON: Duration = Duration::from_secs(20);

fn shown(lines: &[&str]) -> String {
    [&lines.join("\n"), "\n"].concat()
}

/// The first line of `dspmq -x`, and its instance lines.
fn status(state: &str, instances: &[(&str, &str)]) -> String {
    let mut text = format!("{:<58}STATUS({state})\n", "QMNAME(QM1)");
    for (host, mode) in instances {
        writeln!(text, "    INSTANCE({host}) MODE({mode})").expect("a string takes all");
    }
    text
}

#[test]
fn the_tutorial_works_as_written() {
    let pair = Pair::new();
    let (one, two) = (&pair.one, &pair.two);

    // Create on host 1, add on host 2.
    let said = one.run("crtmqm -lf 64 -ld [SHARED]/logs -md [SHARED]/qmgrs QM1").success();
    let expected = [
        "Queue manager 'QM1' was created.",
        "Directory '[ROOT]/shared/qmgrs/QM1' created.",
        "The queue manager is associated with the installation 'Installation1'.",
        "Creating or replacing default objects for queue manager 'QM1'.",
    ];
    assert!(said.stdout.starts_with(&shown(&expected)), "{}", said.stdout);
    assert!(said.stdout.contains(" created. 0 replaced. 0 failed.\n"), "{}", said.stdout);
    let add = one.run("dspmqinf -o command QM1").success().stdout;
    assert_eq!(
        add,
        "addmqinf -s QueueManager -v Name=QM1 -v Directory=QM1 -v Prefix=[ROOT]/host1/var \
         -v DataPath=[ROOT]/shared/qmgrs/QM1\n"
    );
    two.run(&add.replace("[ROOT]/shared", "[SHARED]").replace("[ROOT]/host1/var", "/var/mqm"))
        .success();
    for host in [one, two] {
        assert_eq!(host.run("dspmq -x").success().stdout, status("Ended normally", &[]));
    }

    // Start on both.
    let said = one.run("strmqm -x QM1").success().stdout;
    assert!(said.starts_with("Queue manager 'QM1' starting.\n"), "{said}");
    assert!(said.contains(" log records accessed during the log replay phase.\n"), "{said}");
    assert!(
        said.ends_with(&format!(
            "Log replay for queue manager 'QM1' is complete.\n\
             Transaction manager state recovered for queue manager 'QM1'.\n\
             Queue manager 'QM1' started using V{}.\n",
            env!("CARGO_PKG_VERSION")
        )),
        "{said}"
    );
    let alone = [("host1", "Active")];
    assert_eq!(one.run("dspmq -x").success().stdout, status("Running", &alone));
    assert_eq!(two.run("dspmq -x").success().stdout, status("Running elsewhere", &alone));
    let said = two.run("strmqm -x QM1").code(30);
    assert_eq!(
        said.stdout,
        "Queue manager 'QM1' starting.\n\
         Standby instance of queue manager 'QM1' started; the active instance is running \
         elsewhere, on host 'host1'.\n"
    );
    let both = [("host1", "Active"), ("host2", "Standby")];
    assert_eq!(one.run("dspmq -x").success().stdout, status("Running", &both));
    assert_eq!(two.run("dspmq -x").success().stdout, status("Running as standby", &both));

    // Kill the active, find the standby serving.
    Pair::kill(one);
    wait_until(SOON, "host2 serves", || {
        two.run("dspmq -x").success().stdout == status("Running", &[("host2", "Active")])
    });
    let elsewhere = status("Running elsewhere", &[("host2", "Active")]);
    assert_eq!(one.run("dspmq -x").success().stdout, elsewhere);

    // The old one comes back as a standby; switch back.
    one.run("strmqm -x QM1").code(30);
    let both = [("host2", "Active"), ("host1", "Standby")];
    assert_eq!(two.run("dspmq -x").success().stdout, status("Running", &both));
    let said = two.run("endmqm -is QM1").success();
    assert_eq!(
        said.stdout,
        "Queue manager 'QM1' ending.\n\
         Queue manager 'QM1' ended, permitting switchover to a standby instance.\n"
    );
    wait_until(SOON, "host1 serves", || {
        one.run("dspmq -x").success().stdout == status("Running", &alone)
    });
    assert_eq!(two.run("dspmq -x").success().stdout, status("Running elsewhere", &alone));

    // End both from the active, and remove everything.
    two.run("strmqm -x QM1").code(30);
    let said = one.run("endmqm -w QM1").success();
    assert_eq!(
        said.stdout,
        "Waiting for queue manager 'QM1' to end.\nQueue manager 'QM1' ended.\n"
    );
    wait_until(SOON, "the standby ends, too", || {
        two.run("dspmq -x").success().stdout == status("Ended normally", &[])
    });
    assert_eq!(one.run("dspmq -x").success().stdout, status("Ended normally", &[]));
    two.run("rmvmqinf QM1").success();
    one.run("dltmqm QM1").success();
    assert_eq!(one.run("dspmq").success().stdout, "");
    assert!(!one.shared().join("qmgrs/QM1").exists());
    assert!(!one.shared().join("logs/QM1").exists());
}

#[test]
fn what_cannot_be_started_is_refused_with_the_documented_codes() {
    let pair = Pair::created();
    let (one, two) = (&pair.one, &pair.two);
    let three = pair.third();

    one.run("strmqm NOSUCH").code(16);
    one.run("strmqm 'no good'").code(72);
    one.run("strmqm QM1").success();
    one.run("strmqm QM1").code(5);
    one.run("strmqm -x QM1").code(5);
    two.run("strmqm QM1").code(43);
    two.run("strmqm -x QM1").code(43);
    two.run("endmqm QM1").code(40);
    one.run("endmqm -s -i QM1").code(77);
    one.run("endmqm -x QM1").code(90);
    one.run("endmqm -i QM1").success();
    one.run("endmqm -i QM1").code(40);
    one.run("endmqm -i NOSUCH").code(16);

    one.run("strmqm -x QM1").success();
    two.run("strmqm QM1").code(31);
    one.run("endmqm -is QM1").code(77);
    two.run("strmqm -x QM1").code(30);
    two.run("strmqm -x QM1").code(5);
    three.run("strmqm -x QM1").code(47);
    two.run("endmqm -i QM1").code(79);
    two.run("endmqm -x QM1").success();
    two.run("endmqm -x QM1").code(40);
    one.run("endmqm -p QM1").success();
    let said = one.run("dspmq -m QM1").success().stdout;
    assert!(said.contains("STATUS(Ended pre-emptively)"), "{said}");
}

#[test]
fn maintenance_starts_changes_and_ends() {
    let pair = Pair::created();
    let one = &pair.one;
    let said = one.run("strmqm -c QM1").success().stdout;
    assert!(said.contains(" 0 created. ") || said.contains(": 0 created. "), "{said}");
    one.run("strmqm -e CMDLEVEL=0 QM1").code(91);
    one.run("strmqm -e CMDLEVEL=1 QM1").code(92);
    one.run("strmqm -e CMDLEVEL=100000 QM1").code(91);
    one.run("strmqm -e level QM1").code(39);
    one.run("strmqm -a QM1").code(39);
    one.run("strmqm -r QM1").code(39);
    one.run("strmqm -x QM1").success();
    one.run("strmqm -c QM1").code(5);
    pair.two.run("strmqm -c QM1").code(31);
    one.run("endmqm -w QM1").success();
}
