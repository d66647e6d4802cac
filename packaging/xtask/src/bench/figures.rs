//! Figures: what was measured, in which spread, against which limit and which bar.

/// What was measured several times. Not empty.
#[derive(Clone, Debug)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// `None` if there is nothing, or something that is not a number.
    pub(crate) fn new(mut values: Vec<f64>) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        Some(Self(values))
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The value below which so many of a hundred are.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        self.0[(self.0.len() - 1) * percent / 100]
    }

    /// The one in the middle; of two, their mean.
    pub(crate) fn median(&self) -> f64 {
        let (low, high) = ((self.0.len() - 1) / 2, self.0.len() / 2);
        f64::midpoint(self.0[low], self.0[high])
    }
}

/// What a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bar {
    /// The median is at most this, in the unit of the figure.
    MedianAtMost(f64),
    /// The largest is at most this.
    MaxAtMost(f64),
    /// The ratio is at least this.
    RatioAtLeast(f64),
    /// It is told for comparison.
    None,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) samples: Samples,
    /// What the machine can do, measured in the same run: what it is, and how much.
    pub(crate) limit: Option<(&'static str, f64)>,
    /// To the limit; of each round, where rounds are compared.
    pub(crate) ratio: Option<f64>,
    pub(crate) bar: Bar,
}

impl Figure {
    /// A figure without limit and bar.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, samples: Samples) -> Self {
        Self { name: name.into(), unit, samples, limit: None, ratio: None, bar: Bar::None }
    }

    /// With a limit; the ratio is that of the medians.
    pub(crate) fn against(mut self, what: &'static str, limit: f64) -> Self {
        self.limit = Some((what, limit));
        self.ratio = Some(self.samples.median() / limit);
        self
    }

    /// With a ratio that was worked out otherwise.
    pub(crate) fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = Some(ratio);
        self
    }

    /// With a bar.
    pub(crate) fn bar(mut self, bar: Bar) -> Self {
        self.bar = bar;
        self
    }

    /// Whether the bar is met; `None` without one.
    pub(crate) fn is_met(&self) -> Option<bool> {
        match self.bar {
            Bar::MedianAtMost(most) => Some(self.samples.median() <= most),
            Bar::MaxAtMost(most) => Some(self.samples.percentile(100) <= most),
            Bar::RatioAtLeast(least) => Some(self.ratio.is_some_and(|ratio| ratio >= least)),
            Bar::None => None,
        }
    }

    fn cells(&self) -> [String; 10] {
        let Self { samples, unit, .. } = self;
        let p95 = if samples.count() < 20 { String::new() } else { number(samples.percentile(95)) };
        [
            self.name.clone(),
            samples.count().to_string(),
            number(samples.percentile(0)),
            number(samples.median()),
            p95,
            number(samples.percentile(100)),
            (*unit).to_owned(),
            self.limit
                .map_or_else(String::new, |(what, limit)| format!("{what}: {}", number(limit))),
            self.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            match self.bar {
                Bar::MedianAtMost(most) => format!("median <= {}", number(most)),
                Bar::MaxAtMost(most) => format!("max <= {}", number(most)),
                Bar::RatioAtLeast(least) => format!("ratio >= {}", number(least)),
                Bar::None => String::new(),
            },
        ]
    }
}

/// About three digits that count.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        x if x >= 100.0 => 0,
        x if x >= 10.0 => 1,
        x if x >= 0.1 => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// The table, a line each, with a heading.
pub(crate) fn table(figures: &[Figure]) -> Vec<String> {
    const HEADINGS: [&str; 11] = [
        "figure",
        "n",
        "min",
        "median",
        "p95",
        "max",
        "unit",
        "limit in this run",
        "ratio",
        "bar",
        "met",
    ];
    let mut rows = vec![HEADINGS.map(str::to_owned).to_vec()];
    for figure in figures {
        let met = match figure.is_met() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        let mut row = figure.cells().to_vec();
        row.push(met.to_owned());
        rows.push(row);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<_> = (0..HEADINGS.len()).map(width).collect();
    let is_number = |column| matches!(column, 1..=5 | 8);
    rows.iter()
        .map(|row| {
            let cells: Vec<_> = row
                .iter()
                .enumerate()
                .map(|(column, cell)| match (is_number(column), widths[column]) {
                    (true, width) => format!("{cell:>width$}"),
                    (false, width) => format!("{cell:<width$}"),
                })
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_and_bars_are_worked_out() {
        assert!(Samples::new(vec![]).is_none());
        assert!(Samples::new(vec![1.0, f64::NAN]).is_none());
        let samples = Samples::new((1..=100).rev().map(f64::from).collect()).unwrap();
        assert_eq!(
            (samples.percentile(0), samples.percentile(95), samples.percentile(100)),
            (1.0, 95.0, 100.0)
        );
        assert!((samples.median() - 50.5).abs() < 1e-9);
        let figure = Figure::new("takeover", "ms", samples).against("sync", 5.05);
        assert_eq!(figure.is_met(), None);
        assert_eq!(figure.clone().bar(Bar::MedianAtMost(50.5)).is_met(), Some(true));
        assert_eq!(figure.clone().bar(Bar::MaxAtMost(50.5)).is_met(), Some(false));
        assert_eq!(figure.clone().bar(Bar::RatioAtLeast(10.1)).is_met(), Some(false));
        let lines = table(&[figure.ratio(3.0).bar(Bar::RatioAtLeast(2.5))]);
        assert!(
            lines[1].ends_with("ms    sync: 5.05          3.00  ratio >= 2.50  yes"),
            "{}",
            lines[1]
        );
    }
}
