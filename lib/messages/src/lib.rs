//! Every line that an operator can be shown: id, severity, text, explanation, response.
//!
//! One table, [`CATALOGUE`], is the source of [`Message`], of what `mqrc` prints and of the manual
//! page `miqm-messages(7)`. A message id is interface: it never changes its meaning and, once
//! [retired](RETIRED), is never used again. What a message is *for* (standard output, standard
//! error, the journal) is decided by whoever shows it.
//!
//! To add a message, see `lib/README.md`.

#[macro_use]
mod catalogue;
mod journal;
mod reason;
mod severity;
#[cfg(test)]
mod tests;

pub use catalogue::{CATALOGUE, Message};
pub use journal::{field_of_insert, journal_catalogue, message_id};
pub use reason::Reason;
pub use severity::Severity;

/// Numbers that a released version used for a message that is gone. They are never used again.
pub const RETIRED: &[u16] = &[];

/// One message as the catalogue has it: with holes where [`Message`] has inserts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number, 1000 to 9999; see [`Entry::id_text`].
    pub number: u16,
    /// How bad it is.
    pub severity: Severity,
    /// The sentence, with inserts as `{name}`.
    pub text: &'static str,
    /// What it means.
    pub explanation: &'static str,
    /// What to do about it.
    pub response: &'static str,
}

impl Entry {
    /// The entry of this number, if there is one.
    ///
    /// ```
    /// assert_eq!(miqm_messages::Entry::find(8118).unwrap().id_text(), "AMQ8118E");
    /// ```
    pub fn find(number: u16) -> Option<&'static Self> {
        let index = CATALOGUE.binary_search_by_key(&number, |entry| entry.number).ok()?;
        Some(&CATALOGUE[index])
    }

    /// The id as people write it: `AMQ8118E`.
    pub fn id_text(&self) -> String {
        format!("AMQ{:04}{}", self.number, self.severity.letter())
    }

    /// The sentence with its inserts as `<name>`, for people.
    pub fn pattern(&self) -> String {
        self.text.replace('{', "<").replace('}', ">")
    }

    /// The id without the letter of its severity: `AMQ8118`.
    pub fn id_text_short(&self) -> String {
        format!("AMQ{:04}", self.number)
    }
}
