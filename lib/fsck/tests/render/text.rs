use miqm_fsck::Report;
use miqm_fsck::render::{self, Layout, Style};

use crate::{golden, sample};

const TERMINAL: Layout = Layout { style: Style::Plain, columns: Some(80), verbose: false };

fn whole(report: &Report, layout: &Layout) -> String {
    let mut text = render::heading(&report.directory, &report.phases, layout);
    text = text.replace(env!("CARGO_PKG_VERSION"), "1.2.3");
    if layout.columns.is_none() {
        report.findings.iter().for_each(|found| text += &render::finding(found, layout));
    }
    text + &render::report(report, layout)
}

#[test]
fn each_form_is_as_agreed() {
    let (verbose, narrow) =
        (Layout { verbose: true, ..TERMINAL }, Layout { columns: Some(40), ..TERMINAL });
    for (name, layout) in [
        ("terminal", TERMINAL),
        ("verbose", verbose),
        ("narrow", narrow),
        ("colour", Layout { style: Style::Ansi, ..TERMINAL }),
        ("pipe", Layout::PIPE),
    ] {
        golden(&format!("{name}-mixed.txt"), &whole(&sample::mixed(), &layout));
        if name == "terminal" || name == "pipe" {
            golden(&format!("{name}-good.txt"), &whole(&sample::good(), &layout));
            golden(&format!("{name}-empty.txt"), &whole(&sample::empty(), &layout));
            golden(&format!("{name}-hostile.txt"), &whole(&sample::hostile(), &layout));
        }
    }
}

#[test]
fn no_line_is_longer_than_the_terminal() {
    for columns in [72, 80, 100, 200] {
        for verbose in [false, true] {
            let layout = Layout { columns: Some(columns), verbose, ..TERMINAL };
            for report in [sample::mixed(), sample::good()] {
                for line in whole(&report, &layout).lines() {
                    assert!(line.chars().count() <= columns, "{columns}: {line}");
                    assert!(!line.ends_with(' '), "a blank at the end: {line:?}");
                }
            }
        }
    }
}

#[test]
fn every_width_can_be_had() {
    for columns in 0..60 {
        let layout = Layout { columns: Some(columns), ..TERMINAL };
        assert!(whole(&sample::hostile(), &layout).len() > 1000);
    }
}

/// A report cannot make lines of its own, colours, or anything else of a terminal.
#[test]
fn nothing_breaks_out_of_a_line() {
    for layout in [TERMINAL, Layout { verbose: true, ..TERMINAL }, Layout::PIPE] {
        let text = whole(&sample::hostile(), &layout);
        let bad = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(bad, None);
        assert!(!text.contains('\u{202e}'));
        assert!(!text.lines().any(|line| line.starts_with("PASS a.b")));
    }
}

#[test]
fn lines_of_a_pipe_begin_with_a_word_that_says_what_they_are() {
    let text = whole(&sample::hostile(), &Layout::PIPE) + &whole(&sample::mixed(), &Layout::PIPE);
    let words = [
        "TEST ", "PASS ", "WARN ", "FAIL ", "SKIP ", "HOST ", "TIME ", "NOTE ", "FAILED: ",
        "      ",
    ];
    for line in text.lines() {
        assert!(words.iter().any(|word| line.starts_with(word)), "{line}");
        if line.starts_with("PASS ") || line.starts_with("FAIL ") {
            let fields: Vec<_> = line.split(' ').take(4).collect();
            assert!(fields[2].ends_with('s') && fields[3].ends_with(':'), "{line}");
        }
    }
}
