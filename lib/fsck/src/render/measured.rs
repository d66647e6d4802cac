//! What was measured, by kind and place, over all checks.

use super::group_of;
use crate::report::Report;

/// All values of one kind at one place.
#[derive(Debug, PartialEq)]
pub(super) struct Measured<'a> {
    /// The group of the checks that measured it.
    pub(super) group: &'a str,
    /// What was measured.
    pub(super) name: &'a str,
    /// Where, or from where to where; may be empty.
    pub(super) place: &'a str,
    /// Whether there is one host only, so that the place says nothing.
    one_host: bool,
    /// In ascending order, at least one, none of them negative or infinite.
    pub(super) seconds: Vec<f64>,
}

impl Measured<'_> {
    /// The value below which a share (0 to 1) of the values lies.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a position in a list that is in memory"
        )]
        let at = (share.clamp(0.0, 1.0) * (self.seconds.len() - 1) as f64).round() as usize;
        self.seconds[at]
    }

    pub(super) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// Name, and the place if there are several.
    pub(super) fn label(&self) -> String {
        let name = super::clean(self.name);
        if self.place.is_empty() || self.one_host {
            name
        } else {
            format!("{name}, {}", super::clean(self.place))
        }
    }
}

/// Everything that a run measured: of each kind in the order of its first measurement, the places of
/// one kind together.
pub(super) fn measured(report: &Report) -> Vec<Measured<'_>> {
    let one_host = report.hosts.len() < 2;
    let mut all: Vec<Measured<'_>> = Vec::new();
    for found in &report.findings {
        let group = group_of(&found.check);
        for series in &found.series {
            let good = |s: &&f64| s.is_finite() && **s >= 0.0;
            let mut seconds: Vec<_> = series.seconds.iter().filter(good).copied().collect();
            if seconds.is_empty() {
                continue;
            }
            let (name, place) = (series.name.as_str(), series.place.as_str());
            let same_kind = |known: &Measured<'_>| known.group == group && known.name == name;
            let here = |known: &Measured<'_>| same_kind(known) && known.place == place;
            if let Some(at) = all.iter().position(here) {
                all[at].seconds.append(&mut seconds);
            } else {
                let at = all.iter().rposition(same_kind).map_or(all.len(), |last| last + 1);
                all.insert(at, Measured { group, name, place, one_host, seconds });
            }
        }
    }
    for one in &mut all {
        one.seconds.sort_by(f64::total_cmp);
    }
    all
}
