use crate::support::Machine;

#[test]
fn a_reason_code_is_found_by_number_and_by_symbol() {
    let machine = Machine::new();
    let said = machine.run("mqrc 2059").success();
    insta::assert_snapshot!(said.stdout, @r"
          2059  0x0000080b  MQRC_Q_MGR_NOT_AVAILABLE

    The queue manager does not run, or could not be reached.
    ");
    for line in [
        "mqrc 0x80b",
        "mqrc 0x0000080B",
        "mqrc -r 2059",
        "mqrc -s mqrc_q_mgr_not_available",
        "mqrc MQRC_Q_MGR_NOT_AVAILABLE",
    ] {
        assert_eq!(machine.run(line).success().stdout, said.stdout, "{line}");
    }
    assert_eq!(
        machine.run("mqrc -b 2192").success().stdout,
        "      2192  0x00000890  MQRC_PAGESET_FULL\n      2192  0x00000890  MQRC_STORAGE_MEDIUM_FULL\n"
    );
    assert_eq!(machine.run("mqrc -b 0").success().stdout, "         0  0x00000000  MQRC_NONE\n");
    assert_eq!(
        machine.run("mqrc -b MQCC_FAILED").success().stdout,
        "         2  0x00000002  MQCC_FAILED\n"
    );
}

#[test]
fn a_message_is_explained() {
    let machine = Machine::new();
    let said = machine.run("mqrc AMQ7018").success();
    insta::assert_snapshot!(said.stdout, @"
    AMQ7018E: The operation cannot be completed.

    Explanation:
    The message before this one says why.

    Response:
    Do what the message before this one says.
    ");
    for line in ["mqrc amq7018e", "mqrc -m 7018", "mqrc -m AMQ7018E", "mqrc -a AMQ7018W"] {
        assert_eq!(machine.run(line).success().stdout, said.stdout, "{line}");
    }
    assert_eq!(
        machine.run("mqrc -b AMQ8118").success().stdout,
        "AMQ8118E: Queue manager '<qmgr>' does not exist.\n"
    );
    let said = machine.run("mqrc AMQ7018W").code(10);
    insta::assert_snapshot!(said.stderr, @"AMQ1021W: There is no message AMQ7018W; the message of this number is AMQ7018E.");
}

#[test]
fn every_message_can_be_looked_up() {
    let machine = Machine::new();
    let ids: Vec<_> = miqm_messages::CATALOGUE.iter().map(miqm_messages::Entry::id_text).collect();
    let said = machine.run_with_input("mqrc -", &ids.join("\n")).success();
    for entry in miqm_messages::CATALOGUE {
        for part in [&entry.id_text(), &entry.pattern(), entry.explanation, entry.response] {
            assert!(said.stdout.contains(part), "{part}");
        }
    }
    assert_eq!(machine.run("mqrc -M -f 1 -l 9999").success().stdout, said.stdout);
}

#[test]
fn ranges_are_inclusive() {
    let machine = Machine::new();
    let said = machine.run("mqrc -bRf 2543 -l 0x9f1").success();
    insta::assert_snapshot!(said.stdout, @r"
          2543  0x000009ef  MQRC_STANDBY_Q_MGR
          2544  0x000009f0  MQRC_RECONNECTING
          2545  0x000009f1  MQRC_RECONNECTED
    ");
    assert!(machine.run("mqrc -bR").success().stdout.lines().count() > 800);
    assert_eq!(machine.run("mqrc -bM -f AMQ7018 -l 7018").success().stdout.lines().count(), 1);
    assert_eq!(machine.run("mqrc -R -f 1 -l 2").success().stdout, "");
    for line in [
        "mqrc -R -f 2 -l 1",
        "mqrc -R -f x -l 1",
        "mqrc -R -f 1",
        "mqrc -R -l 1",
        "mqrc -M",
        "mqrc -R -f -1 -l 2",
        "mqrc -R -f +1 -l 2",
        "mqrc 2059 -f 1 -l 2",
        "mqrc -R -M",
        "mqrc",
    ] {
        machine.run(line).code(20);
    }
}

#[test]
fn what_is_not_known_is_said() {
    let machine = Machine::new();
    for what in [
        "1",
        "AMQ0001",
        "AMQ",
        "AMQE",
        "AMQ99999",
        "NOSUCH",
        "0x",
        "0x1ffffffff",
        "99999999999999",
        "2059x",
        "''",
    ] {
        let said = machine.run(&format!("mqrc {what}")).code(10);
        assert_eq!(said.stdout, "");
        let what = what.replace('\'', "");
        assert!(
            said.stderr.starts_with(&format!("AMQ1020E: Nothing is known by '{what}'.")),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn input_may_be_anything() {
    let machine = Machine::new();
    assert_eq!(machine.run_with_input("mqrc -", "").success().stdout, "");
    let said = machine.run_with_input("mqrc -b -", " 2059\tAMQ7018E \r\n\n nosuch").code(10);
    assert_eq!(
        said.stdout,
        "      2059  0x0000080b  MQRC_Q_MGR_NOT_AVAILABLE\nAMQ7018E: The operation cannot be completed.\n"
    );
    assert_eq!(said.stderr, "AMQ1020E: Nothing is known by 'nosuch'.\n");
    let long = machine.run_with_input("mqrc -", &"x".repeat(1 << 20)).code(10);
    assert_eq!(long.stderr.len(), "AMQ1020E: Nothing is known by ''.\n".len() + 256);
    let output =
        machine.command("mqrc").arg("-").write_stdin(&b"\xff\x1b[2J"[..]).output().expect("runs");
    assert_eq!(output.status.code(), Some(10));
    assert!(!output.stderr.contains(&0x1b), "a terminal could be steered");
}

#[test]
fn json_has_the_same_content() {
    let machine = Machine::new();
    let said = machine.run("mqrc 2003 --json").success();
    insta::assert_snapshot!(said.stdout, @r#"
    [
      {
        "code": 2003,
        "hex": "0x000007d3",
        "symbol": "MQRC_BACKED_OUT",
        "explanation": "The unit of work was undone. Nothing of it took effect, so the application can try all of it again."
      }
    ]
    "#);
    let said = machine.run("mqrc -b -i json AMQ7018").success();
    insta::assert_snapshot!(said.stdout, @r#"
    [
      {
        "id": "AMQ7018E",
        "severity": "error",
        "text": "The operation cannot be completed."
      }
    ]
    "#);
    assert_eq!(
        machine.run("mqrc -i text -b 2003").success().stdout,
        "      2003  0x000007d3  MQRC_BACKED_OUT\n"
    );
    machine.run("mqrc -i xml 2003").code(20);
}
