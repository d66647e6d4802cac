//! Messages in the journal of the host: their identifiers, and the catalogue that explains them there.
//!
//! An entry of the journal carries `MESSAGE_ID=`, 128 bits that are the same for every entry of one
//! message; `journalctl -x` looks up the explanation with it. Ours are the twelve ASCII letters of
//! `miqm-message` and the number of the message, big-endian:
//!
//! ```text
//! offset  bytes  field      meaning
//!      0     12  namespace  the ASCII letters "miqm-message"
//!     12      4  number     of the message: 8118 for AMQ8118
//! ```
//!
//! They never change: monitors match on them.

use std::fmt::Write as _;

use crate::{CATALOGUE, Entry};

/// The first bytes of every identifier.
const NAMESPACE: [u8; 12] = *b"miqm-message";

/// The longest line of the catalogue, in characters, unless a single word is longer.
const COLUMNS: usize = 78;

/// What the fields that hold the inserts of a message begin with.
const INSERT_PREFIX: &str = "MQ_INSERT_";

/// The journal's identifier of the message of this number: 32 hexadecimal digits.
///
/// ```
/// assert_eq!(miqm_messages::message_id(8118), "6d69716d2d6d65737361676500001fb6");
/// ```
pub fn message_id(number: u16) -> String {
    let mut id = String::with_capacity(32);
    for byte in NAMESPACE.into_iter().chain(u32::from(number).to_be_bytes()) {
        write!(id, "{byte:02x}").expect("a string takes all");
    }
    id
}

/// The field of the journal that holds the insert of this name: `MQ_INSERT_HOST` for `host`.
pub fn field_of_insert(name: &str) -> String {
    format!("{INSERT_PREFIX}{}", name.to_ascii_uppercase())
}

/// The catalogue of every message, in the format of the journal.
///
/// What stands between two at-signs there is replaced by a field of the entry that is explained.
pub fn journal_catalogue() -> String {
    let mut text = String::from("# Explanations of messages, for journalctl -x. Generated.\n");
    for entry in CATALOGUE {
        text.push('\n');
        text.push_str(&entry.in_journal_catalogue());
    }
    text
}

impl Entry {
    /// The sentence with each insert as a field of the journal, without its full stop.
    fn subject(&self) -> String {
        let mut subject = String::new();
        let mut rest = self.text.trim_end_matches('.');
        while let Some((before, hole)) = rest.split_once('{') {
            let (name, after) = hole.split_once('}').unwrap_or((hole, ""));
            // What formats the insert is not part of its name.
            let name = name.split(':').next().unwrap_or(name);
            write!(subject, "{before}@{}@", field_of_insert(name)).expect("a string takes all");
            rest = after;
        }
        subject + rest
    }

    fn in_journal_catalogue(&self) -> String {
        let Self { number, explanation, response, .. } = self;
        format!(
            "-- {id}\nSubject: {name}: {subject}\nDefined-By: miqm\nSupport: man:miqm(7)\n\
             Documentation: man:miqm-messages(7)\n\n{explanation}\n{response}",
            id = message_id(*number),
            name = self.id_text(),
            subject = self.subject(),
            explanation = folded(explanation),
            response = folded(&format!("What to do: {response}")),
        )
    }
}

/// The text in lines, each with its end. None begins as a comment or another entry would.
fn folded(text: &str) -> String {
    let mut folded = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let special = word.starts_with('#') || word == "--";
        if column > 0 && (column + 1 + word.len() <= COLUMNS || special) {
            folded.push(' ');
            column += 1;
        } else if column > 0 {
            folded.push('\n');
            column = 0;
        }
        folded.push_str(word);
        column += word.len();
    }
    folded + "\n"
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Message;

    #[test]
    fn identifiers_never_change() {
        assert_eq!(message_id(1401), "6d69716d2d6d65737361676500000579");
        assert_eq!(message_id(1410), "6d69716d2d6d65737361676500000582");
        assert_eq!(message_id(9999), "6d69716d2d6d6573736167650000270f");
    }

    #[test]
    fn every_message_has_an_identifier_of_its_own() {
        let ids: HashSet<_> = CATALOGUE.iter().map(|entry| message_id(entry.number)).collect();
        assert_eq!(ids.len(), CATALOGUE.len());
        let digits = |id: &String| id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit());
        assert!(ids.iter().all(digits));
    }

    /// The journal replaces `@NAME@` only where NAME is of upper-case letters and underscores.
    #[test]
    fn every_hole_is_a_field_that_the_journal_replaces() {
        for entry in CATALOGUE {
            let subject = entry.subject();
            assert!(!subject.contains(['{', '}']), "{subject}");
            for (at, part) in subject.split('@').enumerate() {
                let name = |c: char| c.is_ascii_uppercase() || c == '_';
                assert!(at % 2 == 0 || part.chars().all(name), "AMQ{}: {part}", entry.number);
            }
            assert_eq!(entry.text.matches('{').count() * 2, subject.matches('@').count());
        }
        let entry = Entry::find(8118).unwrap();
        assert_eq!(entry.subject(), "Queue manager '@MQ_INSERT_QMGR@' does not exist");
    }

    #[test]
    fn inserts_have_the_names_of_the_holes() {
        let message = Message::TakenOver {
            qmgr: "QM1".parse().unwrap(),
            host: "host2".into(),
            cause: "it is gone".into(),
        };
        let inserts = message.inserts();
        let named = |name: &str| inserts.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
        assert_eq!((named("host"), named("cause")), (Some("host2"), Some("it is gone")));
        for (name, _) in &inserts {
            let hole = format!("@{}@", field_of_insert(name));
            assert!(message.entry().subject().contains(&hole), "{hole}");
        }
        assert!(Message::NoDefaultQmgr.inserts().is_empty());
    }

    #[test]
    fn the_catalogue_has_each_message_once_and_nothing_that_looks_like_another() {
        let text = journal_catalogue();
        let begin = |line: &&str| line.starts_with("-- ");
        assert_eq!(text.lines().filter(begin).count(), CATALOGUE.len());
        for line in text.lines().skip(1) {
            assert!(!line.starts_with('#'), "{line}");
            assert!(line.is_ascii() && !line.contains('\t'), "{line}");
            let headed = line.starts_with("Subject: ") || line.starts_with("-- ");
            assert!(headed || line.len() <= COLUMNS || !line.contains(' '), "{line}");
        }
        for entry in CATALOGUE {
            assert!(text.contains(&format!("-- {}\n", message_id(entry.number))));
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let own = words(&entry.in_journal_catalogue());
            assert!(own.contains(entry.explanation) && own.contains(entry.response));
        }
    }

    #[test]
    fn an_entry_of_the_catalogue_looks_like_this() {
        let text = Entry::find(1430).unwrap().in_journal_catalogue();
        assert_eq!(
            text,
            "-- 6d69716d2d6d65737361676500000596\n\
             Subject: AMQ1430E: Queue manager '@MQ_INSERT_QMGR@' cannot switch over, because no \
             standby instance waits\n\
             Defined-By: miqm\n\
             Support: man:miqm(7)\n\
             Documentation: man:miqm-messages(7)\n\n\
             endmqm -s ends the active instance only if a standby is there to take over.\n\n\
             What to do: Start a standby with strmqm -x on another host, or end the queue\n\
             manager without -s.\n"
        );
    }
}
