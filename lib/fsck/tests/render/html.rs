use miqm_fsck::{Report, render};

use crate::{golden, sample};

/// The names of all elements and attributes of a page, which must be well-formed XML after its first
/// line. Panics with the place if it is not.
fn names(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    let (mut open, mut seen) = (Vec::<String>::new(), Vec::new());
    loop {
        let at = rest.find('<').unwrap_or(rest.len());
        entities(&rest[..at]);
        assert!(!rest[..at].contains('>'), "a bracket in text: {}", &rest[..at]);
        rest = &rest[at..];
        if rest.is_empty() {
            assert!(open.is_empty(), "not closed: {open:?}");
            return seen;
        }
        let end = rest.find('>').expect("a tag that ends");
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        seen.push((name.to_owned(), attributes_of(attributes)));
        if !closed {
            open.push(name.to_owned());
        }
    }
}

fn attributes_of(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((name, rest)) = text.trim_start().split_once("=\"") {
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
        let (value, rest) = rest.split_once('"').expect("a value that ends");
        entities(value);
        found.push((name.to_owned(), value.to_owned()));
        text = rest;
    }
    assert_eq!(text.trim(), "", "an attribute without a value");
    found
}

/// Every ampersand begins one of the few entities that pages have.
fn entities(text: &str) {
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#8594;"];
        assert!(known.iter().any(|entity| text[at..].starts_with(entity)), "{}", &text[at..]);
    }
}

fn all() -> [Report; 4] {
    [sample::good(), sample::mixed(), sample::hostile(), sample::empty()]
}

#[test]
fn pages_are_as_agreed() {
    golden("good.html", &render::page(&sample::good()));
    golden("mixed.html", &render::page(&sample::mixed()));
}

#[test]
fn every_page_is_well_formed_and_has_nothing_that_runs_or_loads() {
    for report in all() {
        let page = render::page(&report);
        for (name, attributes) in names(&page) {
            let harmless = [
                "html",
                "head",
                "meta",
                "title",
                "style",
                "body",
                "header",
                "main",
                "footer",
                "section",
                "article",
                "div",
                "span",
                "strong",
                "small",
                "code",
                "pre",
                "mark",
                "h1",
                "h2",
                "h3",
                "p",
                "ul",
                "li",
                "dl",
                "dt",
                "dd",
                "table",
                "caption",
                "thead",
                "tbody",
                "tr",
                "th",
                "td",
                "figure",
                "figcaption",
                "svg",
                "text",
                "line",
                "circle",
                "polyline",
            ];
            assert!(harmless.contains(&name.as_str()), "{name}");
            for (attribute, value) in attributes {
                let loads = ["src", "href", "style", "data", "action", "background", "poster"];
                assert!(!loads.contains(&attribute.as_str()) && !attribute.starts_with("on"));
                assert!(attribute == "xmlns" || !value.contains("://"), "{attribute}={value}");
            }
        }
        let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        assert!(!style.contains("url(") && !style.contains("@import") && !style.contains('<'));
        assert!(page.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src"));
    }
}

#[test]
fn nothing_of_a_report_becomes_markup() {
    let page = render::page(&sample::hostile());
    assert!(!page.contains("<script") && !page.contains("<!--") && !page.contains("]]>"));
    assert!(!page.chars().any(|c| c.is_control() && c != '\n'));
    assert!(!page.contains("NaN") && !page.contains("inf"), "a number that is none");
}

/// Each table has headings for its columns and rows, each plot words for those who cannot see it.
#[test]
fn pages_can_be_read_aloud() {
    for report in all() {
        let names = names(&render::page(&report));
        for (name, attributes) in &names {
            let has = |wanted: &str| attributes.iter().any(|(name, _)| name == wanted);
            assert!(name != "th" || has("scope"), "{attributes:?}");
            assert!(name != "svg" || has("role") && has("aria-label"), "{attributes:?}");
            assert!(name != "html" || has("lang"));
        }
        assert_eq!(names.iter().filter(|(name, _)| name == "h1").count(), 1);
    }
}

#[test]
fn a_page_stays_small_whatever_was_measured() {
    let mut report = sample::mixed();
    for found in &mut report.findings {
        found.evidence = vec![miqm_fsck::Evidence::note("again"); 10_000];
        for series in &mut found.series {
            series.seconds = sample::values(7, 100_000, 0.001);
        }
    }
    assert!(render::page(&report).len() < 400_000);
}
