//! What every message owes its readers.

use std::collections::HashSet;

use super::*;

/// Holes and quotes apart, the sentence as it would be read.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['.', '?', '!']).map(str::trim).filter(|part| part.len() > 1)
}

#[test]
fn numbers_ascend_and_are_used_once() {
    for pair in CATALOGUE.windows(2) {
        assert!(pair[0].number < pair[1].number, "AMQ{} must stand earlier", pair[1].number);
    }
    for entry in CATALOGUE {
        assert!((1000..=9999).contains(&entry.number), "AMQ{}", entry.number);
        assert!(!RETIRED.contains(&entry.number), "AMQ{} is retired", entry.number);
    }
}

#[test]
fn a_text_is_one_sentence_with_a_full_stop() {
    // The shape of the statistics line is the interface's: "N created. N replaced. N failed."
    const STATISTICS: u16 = 1466;
    for Entry { number, text, .. } in CATALOGUE.iter().filter(|e| e.number != STATISTICS) {
        let begins_well =
            text.starts_with(|c: char| c.is_ascii_uppercase() || "'{0123456789".contains(c));
        assert!(begins_well, "AMQ{number} begins in the middle: {text}");
        assert!(text.ends_with('.') && !text.ends_with(".."), "AMQ{number}: {text}");
        assert!(
            !text.contains(". ") && !text.contains('\n'),
            "AMQ{number} is not one sentence: {text}"
        );
        assert!(text.len() <= 200, "AMQ{number} is too long for a line: {text}");
    }
}

#[test]
fn explanations_and_responses_are_whole_sentences() {
    for entry in CATALOGUE {
        for text in [entry.explanation, entry.response] {
            assert!(text.len() >= 10, "AMQ{} leaves the reader alone", entry.number);
            assert!(text.ends_with('.'), "AMQ{}: {text}", entry.number);
            assert!(!text.contains('{'), "AMQ{}: only the text has inserts: {text}", entry.number);
            assert!(!text.contains('\n') && !text.contains("  "), "AMQ{}: {text}", entry.number);
            assert!(sentences(text).count() >= 1, "AMQ{}: {text}", entry.number);
        }
    }
}

#[test]
fn words_are_ours() {
    for entry in CATALOGUE {
        for text in [entry.text, entry.explanation, entry.response] {
            let low = text.to_ascii_lowercase();
            for word in ["ibm", "websphere", "mqseries", "failed to", "please", "unable to"] {
                assert!(!low.contains(word), "AMQ{} says '{word}'", entry.number);
            }
            assert!(text.is_ascii(), "AMQ{}: {text}", entry.number);
            assert!(!text.contains('"') && !text.contains('\\'), "AMQ{}: {text}", entry.number);
        }
    }
}

#[test]
fn no_two_messages_say_the_same() {
    let mut seen = HashSet::new();
    for entry in CATALOGUE {
        assert!(seen.insert(entry.text), "AMQ{} repeats: {}", entry.number, entry.text);
    }
}

#[test]
fn inserts_cannot_forge_a_line_or_steer_a_terminal() {
    let message = Message::UnknownOption { option: "-x\nAMQ8118E:\u{1b}[2J\u{9b}".into() };
    let shown = message.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(shown.contains("-x\\nAMQ8118E:\\u{1b}[2J\\u{9b}"), "{shown}");
}

#[test]
fn an_id_leads_to_its_entry() {
    for entry in CATALOGUE {
        assert_eq!(Entry::find(entry.number), Some(entry));
    }
    assert_eq!(Entry::find(999), None);
    let message = Message::NoSuchQmgr { qmgr: "QM1".parse().unwrap() };
    assert_eq!(message.id(), 8118);
    assert_eq!(message.id_text(), "AMQ8118E");
    assert_eq!(message.entry().id_text_short(), "AMQ8118");
    assert_eq!(message.to_string(), "Queue manager 'QM1' does not exist.");
    assert_eq!(Entry::find(7018).map(|e| e.text), Some("The operation cannot be completed."));
}

#[test]
fn letters_and_severities_match() {
    for severity in Severity::ALL {
        assert_eq!(Severity::from_letter(severity.letter()), Some(severity));
    }
    assert_eq!(Severity::from_letter('X'), None);
    assert_eq!(format!("{:>8}", Severity::Severe), "  severe");
}

#[test]
fn reason_codes_ascend_and_symbols_are_unique() {
    let all: Vec<_> = Reason::all().collect();
    for pair in all.windows(2) {
        assert!(pair[0].code <= pair[1].code, "{} after {}", pair[1].code, pair[0].code);
    }
    let mut symbols = HashSet::new();
    for reason in all.iter().copied().chain(Reason::completion_codes()) {
        assert!(symbols.insert(reason.symbol), "{} twice", reason.symbol);
        assert!(reason.symbol.starts_with("MQ"), "{}", reason.symbol);
        assert_eq!(Reason::by_symbol(&reason.symbol.to_ascii_lowercase()), Some(reason));
        if let Some(text) = reason.explanation {
            assert!(text.ends_with('.') && text.is_ascii(), "{}", reason.symbol);
        }
    }
    assert!(all.len() >= 800, "{}", all.len());
    assert_eq!(Reason::by_code(2120).count(), 2);
    assert_eq!(Reason::by_code(1).count(), 0);
}

#[test]
fn holes_are_shown_as_words_in_brackets() {
    let entry = Entry::find(8118).unwrap();
    assert_eq!(entry.pattern(), "Queue manager '<qmgr>' does not exist.");
}
