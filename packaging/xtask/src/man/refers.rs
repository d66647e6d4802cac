//! What pages refer to must be there: a page of ours, or one of those of others that are named here.

use std::fs;

use anyhow::{Context, ensure};

use crate::workspace;

/// Pages of others.
const OTHERS: &[&str] = &[
    "exports(5)",
    "fdatasync(2)",
    "fsync(2)",
    "journalctl(1)",
    "mount(8)",
    "nfs(5)",
    "polkit(8)",
    "sd_notify(3)",
    "ssh(1)",
    "systemctl(1)",
    "systemd(1)",
    "systemd-escape(1)",
    "systemd.exec(5)",
    "systemd.generator(7)",
    "systemd.mount(5)",
    "systemd.service(5)",
    "systemd.unit(5)",
    "systemd-analyze(1)",
    "sysusers.d(5)",
    "tmpfiles.d(5)",
];

/// Checks the references of every page.
pub(super) fn check(pages: &[(String, String)]) -> anyhow::Result<()> {
    for (page, text) in pages {
        for reference in references(text) {
            ensure!(
                is_ours(&reference, pages) || OTHERS.contains(&reference.as_str()),
                "man/{page}.in refers to {reference}, which is not there"
            );
        }
    }
    Ok(())
}

/// Checks what `systemctl status` shows as the documentation of each unit.
pub(super) fn check_units(pages: &[(String, String)]) -> anyhow::Result<()> {
    for entry in fs::read_dir(workspace().join("units")).context("cannot list units")? {
        let path = entry?.path();
        if !path.is_file() {
            continue;
        }
        let unit =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let documents = unit.lines().filter_map(|line| line.strip_prefix("Documentation="));
        for reference in documents.flat_map(str::split_whitespace) {
            let page = reference.strip_prefix("man:").unwrap_or(reference);
            ensure!(is_ours(page, pages), "{}: {reference} is not there", path.display());
        }
    }
    Ok(())
}

/// Whether a page such as `mqrc(1)` is one of these.
fn is_ours(reference: &str, pages: &[(String, String)]) -> bool {
    let (name, section) = reference.split_once('(').unwrap_or((reference, ""));
    let file = format!("{name}.{}", section.trim_end_matches(')'));
    pages.iter().any(|(name, _)| *name == file)
}

/// Every `.BR name (section)` of a page, as `name(section)`.
fn references(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(".BR ")) {
        let mut words = line.split(' ');
        let (Some(name), Some(section)) = (words.next(), words.next()) else { continue };
        let Some((section, _)) = section.strip_prefix('(').and_then(|rest| rest.split_once(')'))
        else {
            continue;
        };
        if section.len() == 1 && section.bytes().all(|byte| byte.is_ascii_digit()) {
            found.push(format!("{}({section})", name.replace('\\', "")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_to_nothing_is_refused() {
        let page = |text: &str| vec![("a-b.1".to_owned(), text.to_owned())];
        check(&page(".BR a\\-b (1),\n.BR \\-x\n.BR ssh (1)\n.BR LogType \", \" LogPath\n"))
            .unwrap();
        let error = check(&page(".BR a\\-b (1).\n.BR b (5).\n")).unwrap_err();
        assert_eq!(error.to_string(), "man/a-b.1.in refers to b(5), which is not there");
    }
}
