//! How bad a message is.

use std::fmt;

/// How bad a message is. The order is from harmless to fatal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something happened as it should.
    Info,
    /// It works, but somebody should look.
    Warning,
    /// What was asked for was not done.
    Error,
    /// Something is broken beyond what was asked for.
    Severe,
    /// The process that says so is about to end.
    Terminate,
}

impl Severity {
    /// All of them, from harmless to fatal.
    pub const ALL: [Self; 5] =
        [Self::Info, Self::Warning, Self::Error, Self::Severe, Self::Terminate];

    /// The letter at the end of a message id.
    pub const fn letter(self) -> char {
        match self {
            Self::Info => 'I',
            Self::Warning => 'W',
            Self::Error => 'E',
            Self::Severe => 'S',
            Self::Terminate => 'T',
        }
    }

    /// The severity that a message id ends with, if the letter is one.
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.letter() == letter)
    }

    /// The number that structured logs carry: 0, 10, 20, 40 or 50.
    pub const fn number(self) -> u8 {
        match self {
            Self::Info => 0,
            Self::Warning => 10,
            Self::Error => 20,
            Self::Severe => 40,
            Self::Terminate => 50,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "information",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Severe => "severe",
            Self::Terminate => "terminate",
        })
    }
}
