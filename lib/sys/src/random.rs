//! Random bytes from the kernel.

use std::io;

use crate::error::{IoError, Op};

/// Sixteen random bytes.
///
/// # Errors
///
/// If the kernel has none to give.
pub fn bytes16() -> Result<[u8; 16], IoError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// A random number.
///
/// # Errors
///
/// If the kernel has none to give.
pub fn u32() -> Result<u32, IoError> {
    getrandom::u32().map_err(failed)
}

fn failed(error: getrandom::Error) -> IoError {
    let source = match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::other(error.to_string()),
    };
    IoError::new(Op::Random, "the kernel", source)
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ() {
        assert_ne!(super::bytes16().unwrap(), super::bytes16().unwrap());
        assert!((0..8).map(|_| super::u32().unwrap()).any(|n| n != 0));
    }
}
