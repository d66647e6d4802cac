//! Completion codes and reason codes of the programming interface.
//!
//! Numbers and symbols are facts of the interface; the explanations are ours, and only there where there
//! is something to say that the symbol does not.

/// Declares a table: number, symbol without its prefix, and perhaps an explanation.
macro_rules! reasons {
    (@text) => { None };
    (@text $text:literal) => { Some($text) };
    ($prefix:literal $( $code:literal $name:ident $($text:literal)? ; )*) => {
        pub(super) static TABLE: &[super::Reason] = &[$(
            super::Reason {
                code: $code,
                symbol: concat!($prefix, stringify!($name)),
                explanation: reasons!(@text $($text)?),
            },
        )*];
    };
}

mod command;
mod completion;
mod mqi;
mod objects;

/// One completion or reason code. Some numbers have two symbols, and then two of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The number.
    pub code: u32,
    /// The symbol, such as `MQRC_Q_FULL`.
    pub symbol: &'static str,
    /// What it means, where there is something to say beyond the symbol.
    pub explanation: Option<&'static str>,
}

impl Reason {
    /// Every reason code that is known, in ascending order of the number.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        [mqi::TABLE, command::TABLE, objects::TABLE].into_iter().flatten()
    }

    /// The completion codes, in ascending order of the number.
    pub fn completion_codes() -> impl Iterator<Item = &'static Self> {
        completion::TABLE.iter()
    }

    /// The reasons of this number.
    pub fn by_code(code: u32) -> impl Iterator<Item = &'static Self> {
        Self::all().filter(move |reason| reason.code == code)
    }

    /// The reason or completion code of this symbol, in upper or lower case.
    pub fn by_symbol(symbol: &str) -> Option<&'static Self> {
        Self::all()
            .chain(Self::completion_codes())
            .find(|reason| reason.symbol.eq_ignore_ascii_case(symbol))
    }
}
