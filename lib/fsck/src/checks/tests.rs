use std::collections::BTreeSet;

use crate::check::{self, Check};

fn is_sentence(text: &str) -> bool {
    text.ends_with('.') && text.starts_with(char::is_uppercase)
}

#[test]
fn every_row_is_complete_and_comes_after_what_it_needs() {
    let mut before = BTreeSet::new();
    for Check { id, title, how, why, change, needs, .. } in check::all() {
        assert!(id.split_once('.').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()), "{id}");
        assert!(id.chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '-'), "{id}");
        assert!(!title.ends_with('.') && !title.is_empty(), "{id}: {title}");
        for text in [how, why, change] {
            assert!(is_sentence(text) && text.is_ascii(), "{id}: {text}");
        }
        for need in *needs {
            assert!(before.contains(need), "{id} needs {need}, which comes later or not at all");
        }
        assert!(before.insert(id), "{id} is there twice");
    }
}
