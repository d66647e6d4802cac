//! Completion codes and reason codes of the programming interface.

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompletionCode {
    /// `MQCC_OK`, 0.
    Ok,
    /// `MQCC_WARNING`, 1: done in part.
    Warning,
    /// `MQCC_FAILED`, 2: not done.
    Failed,
}

/// One reason code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The number.
    pub code: u32,
    /// The symbol, `MQRC_...`.
    pub symbol: &'static str,
    /// What it means, where there is something to say beyond the symbol.
    pub explanation: Option<&'static str>,
}

/// Every reason code that is known, ascending.
pub static REASONS: &[Reason] = &[];

impl Reason {
    /// The reason of this number.
    pub fn by_code(code: u32) -> Option<&'static Self> {
        let index = REASONS.binary_search_by_key(&code, |reason| reason.code).ok()?;
        Some(&REASONS[index])
    }

    /// The reason of this symbol, in upper or lower case.
    pub fn by_symbol(symbol: &str) -> Option<&'static Self> {
        REASONS.iter().find(|reason| reason.symbol.eq_ignore_ascii_case(symbol))
    }
}
