//! How things work inside and what they are on disk, out of the documentation of the modules that do it.
//!
//! Tests in `lib/format` tie the tables there to the structures, so what the page says is what is.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, ensure};

use super::roff;
use crate::workspace;

/// The holes of the page, each with the modules that fill it, in their order.
const HOLES: &[(&str, &[&str])] = &[
    ("@LOCKS@", &["qmgr/src/instance/locks", "qmgr/src/instance/hold", "qmgr/src/instance/role"]),
    ("@LOG@", &["wal/src/lib", "engine/src/engine", "engine/src/redo", "engine/src/snapshot"]),
    ("@FILES@", &["qmgr/src/identity", "qmgr/src/runtime", "qmgr/src/intent", "format/src/stanza"]),
    (
        "@FORMATS@",
        &[
            "format/src/page",
            "format/src/lockrec",
            "format/src/control",
            "format/src/extent",
            "format/src/record",
            "format/src/catalogue",
            "format/src/object",
            "format/src/frame",
        ],
    ),
];

/// Fills the holes of the page.
pub(super) fn filled(template: &str) -> anyhow::Result<String> {
    let mut text = template.to_owned();
    for (hole, modules) in HOLES {
        ensure!(text.contains(hole), "the page of the inside needs {hole}");
        text = text.replace(&format!("{hole}\n"), &sections(modules)?);
    }
    Ok(text)
}

/// A section for each module.
fn sections(modules: &[&str]) -> anyhow::Result<String> {
    let mut text = String::new();
    for module in modules {
        let path = workspace().join(format!("lib/{module}.rs"));
        let source =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let said: Vec<_> = source.lines().map_while(|line| line.strip_prefix("//!")).collect();
        ensure!(said.len() > 2, "{} does not describe itself", path.display());
        text.push_str(&section(&said));
    }
    Ok(text)
}

/// The documentation of a module: its first paragraph is the heading.
fn section(lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let (heading, lines) =
        lines.split_at(lines.iter().position(|line| line.is_empty()).unwrap_or(1));
    let heading = heading.join(" ");
    let mut text = String::new();
    let mut paragraph = Paragraph::default();
    let mut verbatim = false;
    for line in lines {
        if line.starts_with("```") {
            paragraph.end(&mut text);
            verbatim = !verbatim;
            text.push_str(if verbatim { ".PP\n.EX\n" } else { ".EE\n" });
        } else if verbatim {
            _ = writeln!(text, "{}", plain(line));
        } else if let Some(item) = line.strip_prefix("* ").or(line.strip_prefix("- ")) {
            paragraph.end(&mut text);
            paragraph = Paragraph { item: true, text: item.to_owned() };
        } else if line.trim().is_empty() {
            paragraph.end(&mut text);
        } else if !line.starts_with("[problems]: ") {
            paragraph.text.push(' ');
            paragraph.text.push_str(line.trim());
        }
    }
    paragraph.end(&mut text);
    // The first paragraph begins with its section.
    let text = text.strip_prefix(".PP\n").unwrap_or(&text);
    format!(".SS \"{}\"\n{text}", plain(heading.trim_end_matches('.')))
}

#[derive(Default)]
struct Paragraph {
    /// Whether it is one of a list.
    item: bool,
    text: String,
}

impl Paragraph {
    /// Writes it, if there is one.
    fn end(&mut self, to: &mut String) {
        if !self.text.is_empty() {
            let request = if self.item { ".IP \\(bu 2" } else { ".PP" };
            _ = writeln!(to, "{request}\n{}", plain(self.text.trim()));
        }
        *self = Self::default();
    }
}

/// Text without the marks of the documentation: code, emphasis, and links to what the page does not have.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        let Some((shown, after)) = link.split_once(']') else {
            plain.push('[');
            rest = link;
            continue;
        };
        plain.push_str(shown);
        rest = match after.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or(after, |(_, after)| after),
            None => after,
        };
    }
    plain.push_str(rest);
    roff(&without_emphasis(&plain.replace('`', "").replace("**", "")))
}

/// Text without the asterisks that stand around words: one that stands alone is a sign of its own.
fn without_emphasis(text: &str) -> String {
    let mut words = text.to_owned();
    while let Some(begin) = words.find(" *").filter(|at| !words[at + 2..].starts_with(' ')) {
        let Some(end) = words[begin + 2..].find('*') else { break };
        words.remove(begin + 2 + end);
        words.remove(begin + 1);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_becomes_a_section() {
        let lines = [
            " A page of 4 KiB: `x-y`",
            " and more.",
            "",
            " ```text",
            " offset  bytes  state  see [`State`]",
            " ```",
            " * **One.** The image is an",
            "   [`Image`](crate::Image).",
            "",
            " All is *well*, 2 * 3 times.",
        ];
        assert_eq!(
            section(&lines),
            ".SS \"A page of 4 KiB: x\\-y and more\"\n.EX\noffset  bytes  state  see State\n\
             .EE\n.IP \\(bu 2\nOne. The image is an Image.\n.PP\nAll is well, 2 * 3 times.\n"
        );
    }

    #[test]
    fn every_format_is_there() {
        let text = sections(HOLES[3].1).unwrap();
        for part in ["MQLK", "MIQMLCTL", "MIQMLEXT", "MIQMCATL", "durable_lsn", "entries_crc"] {
            assert!(text.contains(part), "{part}");
        }
        assert!(!text.contains('`') && !text.contains("crate::"), "{text}");
    }
}
