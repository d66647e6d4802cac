//! Plots as inline SVG: colours and strokes come from the page's style, the numbers are also in a table.

use std::fmt::Write as _;

use super::text;
use crate::render::duration;
use crate::render::measured::Measured;

/// The most rows of a plot: what is beyond them stands in the table only.
const ROWS_MAX: usize = 40;
/// The most curves that can be told apart.
const CURVES_MAX: usize = 6;
/// The most dots of a row.
const DOTS_MAX: usize = 160;
/// Below so many values a distribution says nothing.
const CURVE_VALUES_MIN: usize = 20;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 12.0;
const RIGHT: f64 = 748.0;
const ROW: f64 = 46.0;

/// A logarithmic axis of times.
struct Axis {
    first: i32,
    last: i32,
}

impl Axis {
    /// Decades around all values, within 10 ns and 11 days, at least one.
    fn around<'a>(rows: impl Iterator<Item = &'a Measured<'a>>) -> Self {
        let (mut shortest, mut longest) = (f64::MAX, 0.0_f64);
        for row in rows {
            shortest = shortest.min(row.quantile(0.0));
            longest = longest.max(row.max());
        }
        let power = |exponent: &i32| 10.0_f64.powi(*exponent);
        let first = (-8..6).rev().find(|exponent| power(exponent) <= shortest).unwrap_or(-8);
        let last = (first + 1..6).find(|exponent| power(exponent) >= longest).unwrap_or(6);
        Self { first, last }
    }

    fn x(&self, seconds: f64) -> f64 {
        let (first, last) = (f64::from(self.first), f64::from(self.last));
        let share = (decade(seconds) - first) / (last - first);
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    /// Lines at each power of ten from `top` to `bottom`, with their labels below.
    fn grid(&self, svg: &mut String, top: f64, bottom: f64) {
        for exponent in self.first..=self.last {
            let x = self.x(10.0_f64.powi(exponent));
            let anchor = match exponent {
                first if first == self.first => "start",
                last if last == self.last => "end",
                _ => "middle",
            };
            let label = duration(10.0_f64.powi(exponent));
            _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>\
                 <text class=\"quiet\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{label}</text>",
                bottom + 16.0
            );
        }
    }
}

/// The power of ten of a time, within what a plot can show.
fn decade(seconds: f64) -> f64 {
    seconds.clamp(1e-8, 1e6).log10()
}

fn open(svg: &mut String, height: f64, label: &str) {
    _ = writeln!(
        svg,
        "<figure>\n<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\" \
         xmlns=\"http://www.w3.org/2000/svg\">",
        text(label)
    );
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Every value as a dot on a line for each kind and place, with median and tail.
pub(super) fn strips(name: &str, rows: &[&Measured<'_>]) -> String {
    let mut svg = String::new();
    let shown = &rows[..rows.len().min(ROWS_MAX)];
    let bottom = count(shown.len()) * ROW + 6.0;
    open(
        &mut svg,
        bottom + 24.0,
        &format!("{name}: each value by its time; the table has the numbers"),
    );
    let axis = Axis::around(shown.iter().copied());
    axis.grid(&mut svg, 4.0, bottom);
    for (at, row) in shown.iter().enumerate() {
        strip(&mut svg, &axis, row, at);
    }
    let more = match rows.len() - shown.len() {
        0 => String::new(),
        more => format!(" {more} more rows are in the table."),
    };
    _ = write!(
        svg,
        "</svg>\n<figcaption>A dot is one measurement, the thick stroke the median, the thin one the \
         99 % point. The scale is logarithmic.{more}</figcaption>\n</figure>\n"
    );
    svg
}

fn strip(svg: &mut String, axis: &Axis, row: &Measured<'_>, at: usize) {
    let (top, colour) = (count(at) * ROW + 6.0, at % CURVES_MAX);
    let middle = top + 30.0;
    let longest = duration(row.max());
    let numbers = match row.seconds.len() {
        1 => longest,
        _ => format!("median {}, longest {longest}", duration(row.quantile(0.5))),
    };
    _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>\
         <text class=\"quiet\" x=\"{RIGHT}\" y=\"{:.1}\" text-anchor=\"end\">{numbers}</text>",
        top + 12.0,
        text(&shortened(&row.label())),
        top + 12.0
    );
    // All, or evenly spread ones of the sorted values with the last among them.
    let (all, step) = (row.seconds.len(), row.seconds.len().div_ceil(DOTS_MAX));
    for (dot, seconds) in row.seconds.iter().rev().step_by(step).enumerate() {
        // So that equal values do not hide each other.
        let aside = count(dot * 7 % 11) - 5.0;
        let (x, y) = (axis.x(*seconds), if all == 1 { middle } else { middle + aside });
        _ = write!(svg, "<circle class=\"dot f{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
    }
    for (class, share, half) in [("median", 0.5, 11.0), ("tail", 0.99, 9.0)] {
        let x = axis.x(row.quantile(share));
        let (y1, y2) = (middle - half, middle + half);
        _ = write!(
            svg,
            "<line class=\"{class} s{colour}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\"/>"
        );
    }
    svg.push('\n');
}

/// A label that fits above its row.
fn shortened(label: &str) -> String {
    if label.chars().count() <= 64 {
        return label.to_owned();
    }
    label.chars().take(61).chain("...".chars()).collect()
}

/// Which share of the values lies below which time, a curve for each kind and place with enough values.
/// Nothing if there is none.
pub(super) fn shares(name: &str, rows: &[&Measured<'_>]) -> String {
    let enough = |row: &&&Measured<'_>| row.seconds.len() >= CURVE_VALUES_MIN;
    let shown: Vec<_> = rows.iter().filter(enough).take(CURVES_MAX).collect();
    let mut svg = String::new();
    if shown.is_empty() {
        return svg;
    }
    let (top, bottom) = (10.0, 210.0);
    let height = bottom + 32.0 + 20.0 * count(shown.len());
    open(&mut svg, height, &format!("{name}: share of the values below a time"));
    let axis = Axis::around(shown.iter().map(|row| **row));
    axis.grid(&mut svg, top, bottom);
    let y = |share: f64| bottom - share * (bottom - top);
    for percent in [50, 90, 100] {
        let at = y(f64::from(percent) / 100.0);
        _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"quiet\" x=\"{:.1}\" y=\"{:.1}\">{percent} %</text>",
            LEFT + 4.0,
            at + 13.0
        );
    }
    for (colour, row) in shown.iter().enumerate() {
        let points: Vec<_> = (0..=100_u32)
            .map(|percent| {
                let share = f64::from(percent) / 100.0;
                format!("{:.1},{:.1}", axis.x(row.quantile(share)), y(share))
            })
            .collect();
        _ = writeln!(svg, "<polyline class=\"curve s{colour}\" points=\"{}\"/>", points.join(" "));
        let legend = bottom + 36.0 + 20.0 * count(colour);
        _ = writeln!(
            svg,
            "<line class=\"curve s{colour}\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text x=\"{:.1}\" y=\"{legend:.1}\">{}</text>",
            LEFT + 40.0,
            legend - 4.0,
            legend - 4.0,
            LEFT + 48.0,
            text(&shortened(&row.label()))
        );
    }
    svg.push_str(
        "</svg>\n<figcaption>How many of the values are shorter than a time: a curve that is steep and \
         far to the left is good, one that bends to the right at the top has rare long \
         times.</figcaption>\n</figure>\n",
    );
    svg
}
