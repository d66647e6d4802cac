//! Programs that can be sent: those that need no library where they run.

use std::path::{Path, PathBuf};

use miqm_sys::{IoError, fs};

/// No program of ours is larger.
const BYTES_MAX: usize = 128 << 20;
/// In a header of the kind "program header": the segment that names the loader of libraries.
const INTERPRETER: u32 = 3;

/// The first of these files that is a program without libraries, which runs on any host of the same
/// kind of machine.
pub fn first_static(paths: &[PathBuf]) -> Option<PathBuf> {
    let fits = |path: &&PathBuf| read(path).is_ok_and(|bytes| is_static(&bytes));
    paths.iter().find(fits).cloned()
}

/// The bytes of a program.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, IoError> {
    fs::read_limited_following(path, BYTES_MAX)
}

/// Whether these are the bytes of a program for a little-endian machine of 64 bits that names no loader.
fn is_static(elf: &[u8]) -> bool {
    needs_loader(elf) == Some(false)
}

fn needs_loader(elf: &[u8]) -> Option<bool> {
    // Magic, 64 bits, little-endian.
    elf.strip_prefix(b"\x7fELF\x02\x01")?;
    let number = |at: usize, bytes: usize| {
        let field = elf.get(at..at.checked_add(bytes)?)?;
        let digits = field.iter().rev().map(|byte| u64::from(*byte));
        usize::try_from(digits.fold(0, |sum: u64, byte| (sum << 8) | byte)).ok()
    };
    let (at, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let mut needs = false;
    for header in 0..count {
        let kind = number(at.checked_add(header.checked_mul(size)?)?, 4)?;
        needs |= kind == INTERPRETER as usize;
    }
    Some(needs || count == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(kinds: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = u8::try_from(kinds.len()).unwrap();
        for kind in kinds {
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.extend_from_slice(&[0; 52]);
        }
        bytes
    }

    #[test]
    fn only_a_program_without_a_loader_is_sent() {
        assert!(is_static(&elf(&[1, 2, 6])));
        assert!(!is_static(&elf(&[1, 3])));
        assert!(!is_static(&elf(&[])));
        assert!(!is_static(b"#!/bin/sh\n"));
        let whole = elf(&[1, 2]);
        for len in 0..whole.len() - 52 {
            assert!(!is_static(&whole[..len]), "{len}");
        }
        let mut far = elf(&[1]);
        far[32..40].copy_from_slice(&[0xff; 8]);
        assert!(!is_static(&far));
    }

    #[test]
    fn the_first_that_fits_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["none", "script", "static"].map(|name| dir.path().join(name));
        std::fs::write(&paths[1], "#!/bin/sh\n").unwrap();
        assert_eq!(first_static(&paths), None);
        std::fs::write(&paths[2], elf(&[1])).unwrap();
        assert_eq!(first_static(&paths).as_ref(), paths.last());
        assert_eq!(read(&paths[2]).unwrap(), elf(&[1]));
    }
}
