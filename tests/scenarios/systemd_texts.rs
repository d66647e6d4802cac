//! What an operator reads: the journal, the status of units, completions, manual pages.

use serde_json::Value;

use crate::support::boxes::Host;
use crate::support::boxes::qmgr::{Pair, UNIT, has_role};

/// Goal: systemd's own tools explain what a pair does.
#[test]
fn the_tools_of_systemd_explain_what_a_pair_does() {
    let Some(pair) = Pair::serving_or_skip("journal, status, completions and manual pages") else {
        return;
    };
    let (active, standby) = pair.by_role();
    status(active, standby);
    drop(active.run_as("alice", "endmqm -is QM1").code(0));
    has_role(standby, "Active");
    journal(standby);
    completions(active);
    pages(active);
}

/// `systemctl status` says role, epoch, and who is active.
fn status(active: &Host, standby: &Host) {
    let line = format!("systemctl status --no-pager {UNIT}");
    let said = active.run(&line).success().stdout;
    let epoch = has_role(active, "Active").epoch;
    let of = |said: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix("Status: "));
        line.unwrap_or_else(|| panic!("no status: {said}")).to_lowercase()
    };
    let line_active = of(&said);
    assert!(line_active.contains("active") && line_active.contains(&epoch.to_string()), "{said}");
    let said = standby.run(&line).success().stdout;
    let line_standby = of(&said);
    assert!(line_standby.contains("standby") && line_standby.contains(active.name()), "{said}");
}

/// The journal's entries of a takeover: structured, and explained.
fn journal(host: &Host) {
    let said = host.run(&format!("journalctl --no-pager -o json -u {UNIT}")).success().stdout;
    let entries: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let ours: Vec<&Value> = entries.iter().filter(|entry| entry.get("QMGR").is_some()).collect();
    assert!(!ours.is_empty(), "{said}");
    for entry in &ours {
        assert_eq!(entry["QMGR"], "QM1", "{entry}");
        let id = entry["MESSAGE_ID"].as_str().unwrap_or_default();
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{entry}");
        let has_epoch = entry["MQ_EPOCH"].as_str().is_some_and(|text| text.parse::<u64>().is_ok());
        // One that starts or waits has none.
        let serves = entry["MQ_ROLE"].as_str().expect("a role") == "active";
        assert!(has_epoch || !serves, "{entry}");
    }
    assert!(ours.iter().any(|entry| entry["MQ_ROLE"] == "active"), "{said}");
    let explained = host.run(&format!("journalctl --no-pager -x -u {UNIT}")).success().stdout;
    assert!(
        explained.contains("Subject: AMQ1401I") && explained.contains("What to do: "),
        "{explained}"
    );
    // Each entry of ours has an entry in the catalog.
    let catalog = host.run("journalctl --list-catalog").code(0).stdout;
    for entry in &ours {
        let id = entry["MESSAGE_ID"].as_str().unwrap_or_default();
        assert!(catalog.contains(id), "{id} is not in the catalog: {entry}");
    }
}

/// What bash offers for a line that ends here.
fn completed(host: &Host, command: &str, words: &[&str]) -> Vec<String> {
    let line = [&[command], words].concat();
    let script = format!(
        "source /usr/share/bash-completion/bash_completion; \
         source /usr/share/bash-completion/completions/{command}; \
         COMP_WORDS=({}); COMP_CWORD={}; COMP_LINE=\"{}\"; COMP_POINT=${{#COMP_LINE}}; \
         f=$(complete -p {command} | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
         $f {command} \"{}\" \"{}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        line.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" "),
        words.len(),
        line.join(" "),
        words.last().copied().unwrap_or_default(),
        line[line.len().saturating_sub(2)],
    );
    host.write("/root/complete.sh", &script);
    let said = host.run("bash /root/complete.sh").code(0).stdout;
    said.lines().map(|line| line.trim().to_owned()).collect()
}

fn completions(host: &Host) {
    let options = completed(host, "endmqm", &["-"]);
    assert!(options.contains(&"-i".to_owned()), "{options:?}");
    for command in ["strmqm", "endmqm", "dltmqm", "dspmqinf"] {
        let names = completed(host, command, &["Q"]);
        assert_eq!(names, ["QM1"], "{command}");
    }
    for path in [
        "/usr/share/zsh/vendor-completions/_strmqm",
        "/usr/share/fish/vendor_completions.d/strmqm.fish",
    ] {
        assert!(host.text(path).contains("strmqm"), "{path}");
    }
}

/// Each page is there, in the right folder, and is text.
fn pages(host: &Host) {
    for page in [
        "man1/strmqm.1",
        "man1/endmqm.1",
        "man1/crtmqm.1",
        "man5/mqs.ini.5",
        "man5/qm.ini.5",
        "man5/qmgr.d.5",
        "man7/miqm.7",
        "man7/miqm-golive.7",
        "man7/miqm-internals.7",
        "man7/miqm-messages.7",
        "man8/miqmd.8",
        "man8/mqm@.service.8",
    ] {
        let said = host.run(&format!("zcat -f /usr/share/man/{page}.gz")).success().stdout;
        let name = page.rsplit('/').next().and_then(|file| file.rsplit_once('.'));
        let (name, section) = name.expect("a section");
        let title = said.lines().find(|line| line.starts_with(".TH ") || line.starts_with(".Dt "));
        let title = title.unwrap_or_default().replace('\\', "").to_lowercase();
        let words: Vec<&str> = title.split([' ', '"']).filter(|word| !word.is_empty()).collect();
        assert!(words.get(1) == Some(&name) && words.get(2) == Some(&section), "{page}: {title}");
    }
}
