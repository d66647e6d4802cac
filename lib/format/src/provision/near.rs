//! Which key may have been meant.

/// Every key, with its table.
pub(super) const KEYS: &[&str] = &[
    "application-group",
    "config",
    "config.ini",
    "config.mqsc",
    "config.variables",
    "dead-letter-queue",
    "default",
    "default-transmission-queue",
    "description",
    "log",
    "log.file-pages",
    "log.management",
    "log.primary-files",
    "log.secondary-files",
    "log.type",
    "max-handles",
    "max-uncommitted-messages",
    "paths",
    "paths.data",
    "paths.data-under",
    "paths.log",
    "paths.log-under",
    "paths.require-mount",
    "port",
    "security-policy",
    "trigger-interval",
];

/// A word longer than this is compared with nothing: it is no slip of the pen.
const LEN_MAX: usize = 64;

/// The key that is most similar to one that there is not, if one is similar.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let key = plain(key);
    if key.len() > LEN_MAX {
        return None;
    }
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let measured = KEYS.iter().map(|known| {
        let whole = distance(&key, known);
        // The right word in the wrong table is one slip.
        let word = distance(&last(&key), &last(known)) + 1;
        (whole.min(word), *known)
    });
    let (slips, known) = measured.min_by_key(|(slips, _)| *slips)?;
    (slips <= 1 + last(&key).len() / 4).then_some(known)
}

/// In lower case, with dashes: how keys are written.
fn plain(key: &str) -> String {
    key.to_lowercase().replace(['_', ' '], "-")
}

/// How many characters must be put in, left out, replaced or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<_>, Vec<_>) = (one.chars().collect(), other.chars().collect());
    let mut before_last = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, a) in one.iter().enumerate() {
        let mut now = vec![row + 1];
        for (column, b) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut fewest = replaced.min(last[column + 1] + 1).min(now[column] + 1);
            let swapped = row > 0 && column > 0 && *a == other[column - 1] && one[row - 1] == *b;
            if swapped {
                fewest = fewest.min(before_last[column - 1] + 1);
            }
            now.push(fewest);
        }
        before_last = std::mem::replace(&mut last, now);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (one, other, slips) in [
            ("", "", 0),
            ("port", "port", 0),
            ("prot", "port", 1),
            ("por", "port", 1),
            ("", "ab", 2),
        ] {
            assert_eq!(distance(one, other), slips, "{one} {other}");
            assert_eq!(distance(other, one), slips, "{other} {one}");
        }
    }

    #[test]
    fn the_key_that_was_meant_is_found_and_no_other() {
        for (key, meant) in [
            ("prot", Some("port")),
            ("Description", Some("description")),
            ("max_handles", Some("max-handles")),
            ("log.primary-file", Some("log.primary-files")),
            ("data", Some("paths.data")),
            ("path", Some("paths")),
            ("log.kind", None),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(key), meant, "{key}");
        }
        assert_eq!(nearest(&"port".repeat(1000)), None);
    }
}
