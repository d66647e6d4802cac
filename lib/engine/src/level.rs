//! Command levels: which attributes and commands a queue manager has.

/// The highest level that this version has, and the level of a new queue manager.
pub const MAX: u16 = 940;

/// Why the command level cannot be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLevel {
    /// Not a level that this version has.
    #[error("command level {asked} is not between {least} and {most}")]
    OutOfRange {
        /// The level asked for.
        asked: u16,
        /// The lowest that would do.
        least: u16,
        /// The highest that would do.
        most: u16,
    },
    /// The queue manager has this level, or a higher one.
    #[error("the command level is {has}, and {asked} is not higher")]
    NotHigher {
        /// The level asked for.
        asked: u16,
        /// The queue manager's level.
        has: u16,
    },
}

/// The lowest level of the interface that is counted in numbers of this form.
const MIN: u16 = 1;

/// Checks a level to which a queue manager of level `has` is to be raised.
pub(crate) fn check(asked: u16, has: u16) -> Result<(), BadLevel> {
    match asked {
        _ if !(MIN..=MAX).contains(&asked) => {
            Err(BadLevel::OutOfRange { asked, least: has.saturating_add(1).min(MAX), most: MAX })
        }
        _ if asked <= has => Err(BadLevel::NotHigher { asked, has }),
        _ => Ok(()),
    }
}

/// The version of this program as the queue manager shows it: `VVRRMMFF`.
pub(crate) fn version() -> String {
    let mut parts = env!("CARGO_PKG_VERSION").split(['.', '-']);
    let mut part = || parts.next().and_then(|part| part.parse::<u8>().ok()).unwrap_or(0);
    let (version, release, modification) = (part(), part(), part());
    format!("{version:02}{release:02}{modification:02}00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_raised_and_only_so_far() {
        assert_eq!(check(MAX, 900), Ok(()));
        assert_eq!(check(900, MAX), Err(BadLevel::NotHigher { asked: 900, has: MAX }));
        assert_eq!(check(MAX, MAX), Err(BadLevel::NotHigher { asked: MAX, has: MAX }));
        assert!(matches!(check(MAX + 1, 900), Err(BadLevel::OutOfRange { .. })));
        assert!(matches!(check(0, 900), Err(BadLevel::OutOfRange { .. })));
    }

    #[test]
    fn the_version_has_eight_digits() {
        assert_eq!(version().len(), 8);
        assert!(version().bytes().all(|b| b.is_ascii_digit()));
    }
}
