//! Positions in the recovery log, and its shape.

use std::fmt;
use std::str::FromStr;

/// The unit in which the log is written and sized, in bytes. On disk.
pub const PAGE_BYTES: u32 = 4096;
/// The smallest extent, in pages.
pub const EXTENT_PAGES_MIN: u32 = 64;
/// The largest extent, in pages.
pub const EXTENT_PAGES_MAX: u32 = 65_535;
/// The fewest primary extents.
pub const PRIMARY_MIN: u16 = 2;
/// The most primary extents.
pub const PRIMARY_MAX: u16 = 510;
/// The fewest secondary extents.
pub const SECONDARY_MIN: u16 = 1;
/// The most secondary extents.
pub const SECONDARY_MAX: u16 = 509;
/// The fewest extents, primary and secondary together.
pub const LOG_FILES_MIN: u16 = 3;
/// The most extents, primary and secondary together.
pub const LOG_FILES_MAX: u16 = 511;

/// A log sequence number: a byte position in the log, which has no end; never reused.
///
/// Extent `n` holds the positions from `n * extent_bytes` on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The start of the log, where no record can be: the first page of an extent is its header.
    pub const ZERO: Self = Self(0);
}

/// Four decimal numbers of 16 bits each, the most significant first: `<0:0:4615:42406>`.
impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32| self.0 >> shift & 0xffff;
        write!(f, "<{}:{}:{}:{}>", part(48), part(32), part(16), part(0))
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A text is not four numbers of up to 65535 with colons between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log sequence number of the form n:n:n:n")]
pub struct BadLsn;

impl FromStr for Lsn {
    type Err = BadLsn;

    fn from_str(text: &str) -> Result<Self, BadLsn> {
        let inner = match text.strip_prefix('<') {
            Some(rest) => rest.strip_suffix('>').ok_or(BadLsn)?,
            None => text,
        };
        let mut parts = inner.split(':');
        let mut value = 0;
        for _ in 0..4 {
            let part = parts.next().ok_or(BadLsn)?;
            if !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(BadLsn);
            }
            value = value << 16 | u64::from(part.parse::<u16>().map_err(|_| BadLsn)?);
        }
        if parts.next().is_some() { Err(BadLsn) } else { Ok(Self(value)) }
    }
}

/// The number of an extent; its file is [`ExtentNo::file_name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtentNo(pub u64);

impl ExtentNo {
    /// The largest number that has a seven-digit name.
    pub const MAX: Self = Self(9_999_999);

    /// `S0000000.LOG` for 0. Numbers are never reused, so a name tells its positions.
    pub fn file_name(self) -> String {
        format!("S{:07}.LOG", self.0)
    }

    /// The number in a file name, or `None` if the name is not an extent's.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let digits = name.strip_prefix('S')?.strip_suffix(".LOG")?;
        if digits.len() != 7 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok().map(Self)
    }

    /// The next number.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for ExtentNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who frees the extents of a linear log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogManagement {
    /// The operator removes them.
    Manual,
    /// The queue manager removes what it no longer needs.
    Automatic,
    /// The queue manager removes what it no longer needs and has been archived.
    Archive,
}

/// What happens to an extent that recovery no longer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogType {
    /// It is used again.
    Circular,
    /// It is kept.
    Linear(LogManagement),
}

/// The size of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogGeometry {
    extent_pages: u32,
    primary: u16,
    secondary: u16,
}

/// Why a log cannot have this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGeometry {
    /// Extents smaller than [`EXTENT_PAGES_MIN`] or larger than [`EXTENT_PAGES_MAX`].
    #[error("a log extent of {0} pages is not between {EXTENT_PAGES_MIN} and {EXTENT_PAGES_MAX}")]
    ExtentPages(u32),
    /// Fewer primary extents than [`PRIMARY_MIN`] or more than [`PRIMARY_MAX`].
    #[error("{0} primary log files are not between {PRIMARY_MIN} and {PRIMARY_MAX}")]
    Primary(u16),
    /// Fewer secondary extents than [`SECONDARY_MIN`] or more than [`SECONDARY_MAX`].
    #[error("{0} secondary log files are not between {SECONDARY_MIN} and {SECONDARY_MAX}")]
    Secondary(u16),
    /// Fewer in all than [`LOG_FILES_MIN`] or more than [`LOG_FILES_MAX`].
    #[error("{0} log files in all are not between {LOG_FILES_MIN} and {LOG_FILES_MAX}")]
    Total(u16),
}

impl LogGeometry {
    /// What a queue manager gets if nobody says otherwise: 3 + 2 extents of 16 MiB.
    pub const DEFAULT: Self = Self { extent_pages: 4096, primary: 3, secondary: 2 };

    /// Checks the numbers against the limits.
    ///
    /// # Errors
    ///
    /// [`BadGeometry`] with the first number out of range.
    pub fn new(extent_pages: u32, primary: u16, secondary: u16) -> Result<Self, BadGeometry> {
        if !(EXTENT_PAGES_MIN..=EXTENT_PAGES_MAX).contains(&extent_pages) {
            return Err(BadGeometry::ExtentPages(extent_pages));
        }
        if !(PRIMARY_MIN..=PRIMARY_MAX).contains(&primary) {
            return Err(BadGeometry::Primary(primary));
        }
        if !(SECONDARY_MIN..=SECONDARY_MAX).contains(&secondary) {
            return Err(BadGeometry::Secondary(secondary));
        }
        let total = primary + secondary;
        if !(LOG_FILES_MIN..=LOG_FILES_MAX).contains(&total) {
            return Err(BadGeometry::Total(total));
        }
        Ok(Self { extent_pages, primary, secondary })
    }

    /// The size of an extent, in pages.
    pub fn extent_pages(self) -> u32 {
        self.extent_pages
    }

    /// The size of an extent, in bytes.
    pub fn extent_bytes(self) -> u64 {
        u64::from(self.extent_pages) * u64::from(PAGE_BYTES)
    }

    /// The number of primary extents.
    pub fn primary(self) -> u16 {
        self.primary
    }

    /// The number of secondary extents.
    pub fn secondary(self) -> u16 {
        self.secondary
    }

    /// The first position in an extent.
    pub fn start_of(self, extent: ExtentNo) -> Lsn {
        Lsn(extent.0 * self.extent_bytes())
    }

    /// The extent that holds a position.
    pub fn extent_of(self, lsn: Lsn) -> ExtentNo {
        ExtentNo(lsn.0 / self.extent_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_what_they_print() {
        let lsn = Lsn((4615 << 16) + 42406);
        assert_eq!(lsn.to_string(), "<0:0:4615:42406>");
        assert_eq!("<0:0:4615:42406>".parse(), Ok(lsn));
        assert_eq!("0:0:4615:42406".parse(), Ok(lsn));
        for bad in ["", "1:2:3", "1:2:3:4:5", "0:0:0:65536", "<0:0:0:1", "a:0:0:0", "+1:0:0:0"] {
            assert_eq!(bad.parse::<Lsn>(), Err(BadLsn), "{bad}");
        }
    }

    #[test]
    fn extent_names_have_seven_digits() {
        assert_eq!(ExtentNo(0).file_name(), "S0000000.LOG");
        assert_eq!(ExtentNo::from_file_name("S0000012.LOG"), Some(ExtentNo(12)));
        for bad in ["S000012.LOG", "S0000012.log", "x", "S+000012.LOG", "S00000012.LOG"] {
            assert_eq!(ExtentNo::from_file_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_size_of_the_log_has_limits() {
        assert_eq!(LogGeometry::new(4096, 3, 2), Ok(LogGeometry::DEFAULT));
        assert_eq!(LogGeometry::new(63, 3, 2), Err(BadGeometry::ExtentPages(63)));
        assert_eq!(LogGeometry::new(65_536, 3, 2), Err(BadGeometry::ExtentPages(65_536)));
        assert_eq!(LogGeometry::new(64, 1, 2), Err(BadGeometry::Primary(1)));
        assert_eq!(LogGeometry::new(64, 2, 0), Err(BadGeometry::Secondary(0)));
        assert_eq!(LogGeometry::new(64, 510, 2), Err(BadGeometry::Total(512)));
        assert_eq!(LogGeometry::new(64, 2, 1).map(LogGeometry::extent_bytes), Ok(262_144));
    }
}
