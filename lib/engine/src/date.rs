//! Dates and times of day as objects carry them: `2026-11-21` and `16.01.18`, in UTC.

use miqm_types::UtcTime;

/// A date and a time of day, as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `2026-11-21`.
    pub date: Box<str>,
    /// `16.01.18`.
    pub time: Box<str>,
}

impl Stamp {
    /// The moment, to the second.
    pub fn of(at: UtcTime) -> Self {
        let seconds = at.0.div_euclid(1_000_000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        Self {
            date: format!("{year:04}-{month:02}-{day:02}").into(),
            time: format!("{:02}.{:02}.{:02}", second / 3600, second / 60 % 60, second % 60).into(),
        }
    }
}

/// The date that is so many days after 1970-01-01, in the Gregorian calendar. Years are counted
/// from March here, so that the leap day is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097; // 400 years
    let days = days + 719_468; // since 0000-03-01
    let (era, in_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_their_dates() {
        let stamp = |seconds: i64| {
            let Stamp { date, time } = Stamp::of(UtcTime(seconds * 1_000_000));
            format!("{date} {time}")
        };
        assert_eq!(stamp(0), "1970-01-01 00.00.00");
        assert_eq!(stamp(-1), "1969-12-31 23.59.59");
        assert_eq!(stamp(951_782_400), "2000-02-29 00.00.00");
        assert_eq!(stamp(1_795_277_478), "2026-11-21 16.11.18");
        assert_eq!(stamp(4_107_542_400), "2100-03-01 00.00.00");
    }
}
