use miqm_fsck::render::{self, Layout, Style};
use miqm_fsck::run::Event;
use miqm_fsck::{Verdict, check};

use crate::sample;

const TERMINAL: Layout = Layout { style: Style::Plain, columns: Some(80), verbose: false };

#[test]
fn the_list_has_a_line_for_each_check() {
    let list = render::check_list(&Layout::PIPE);
    assert_eq!(list.lines().count(), check::all().count());
    for (line, check) in list.lines().zip(check::all()) {
        assert!(line.starts_with(check.id) && line.ends_with(check.title), "{line}");
    }
    assert!(list.contains("lock.exclusive"));
    for line in render::check_list(&TERMINAL).lines() {
        assert!(line.len() <= 80, "{line}");
    }
}

#[test]
fn an_explanation_has_all_that_the_table_has() {
    for check in check::all() {
        let text = render::explanation(check, &Layout::PIPE);
        for part in [check.id, check.title, check.how, check.why, check.change] {
            assert!(text.contains(part), "{}: {part}", check.id);
        }
        for line in render::explanation(check, &TERMINAL).lines() {
            assert!(line.len() <= 80, "{line}");
        }
        let json = serde_json::to_value(render::checks_as_json(Some(check))).unwrap();
        assert_eq!(json[0]["id"], check.id);
        assert!(json[0]["phases"].is_array(), "{json}");
        assert!(!text.lines().any(|line| line.trim_end() == "  Runs in:"), "{text}");
    }
    let json = serde_json::to_value(render::checks_as_json(None)).unwrap();
    assert_eq!(json.as_array().unwrap().len(), check::all().count());
}

#[test]
fn a_slip_of_the_finger_finds_the_check() {
    for asked in
        ["lock.exclusiv", "lock.exlcusive", "exclusive", "Lock.Exclusive", "lock-exclusive"]
    {
        assert_eq!(render::nearest(asked).first(), Some(&"lock.exclusive"), "{asked}");
    }
    assert!(render::nearest("lock").contains(&"lock.exclusive"));
    for asked in ["", "xyzzy", "\u{1f512}", &"lock.exclusive".repeat(9000)] {
        assert!(!render::nearest(asked).contains(&"lock.exclusive"), "{asked}");
    }
}

#[test]
fn progress_counts_what_has_ended_and_what_failed() {
    let mut tracker = render::Tracker::new();
    let check = check::of("lock.exclusive").unwrap();
    let before = tracker.after(&Event::Begins { check, number: 3, of: 7 });
    assert_eq!((before.done, before.of), (2, 7));
    assert_eq!(before.text, format!("{}: {}", check.id, check.title));
    let found = sample::finding("lock.exclusive", Verdict::Fail, "No.", &["host1"]);
    let after = tracker.after(&Event::Found(&found));
    assert_eq!((after.done, after.of), (3, 7));
    assert!(after.text.starts_with("(1 failed) lock.exclusive"));
}
