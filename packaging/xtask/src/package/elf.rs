//! What a program asks of the system that it runs on, out of its own headers.

use std::collections::BTreeSet;

use anyhow::{Context, bail, ensure};

/// Kinds of segments: what is loaded, what the loader of libraries reads, who that loader is.
const LOAD: u64 = 1;
const DYNAMIC: u64 = 2;
const INTERPRETER: u64 = 3;

/// Entries of the dynamic segment.
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;
const VERSIONS_NEEDED: u64 = 0x6fff_fffe;
const VERSIONS_COUNT: u64 = 0x6fff_ffff;

/// A chain of headers longer than this is damage.
const CHAIN_MAX: u64 = 4096;

/// A program for a little-endian machine of 64 bits.
pub(crate) struct Program<'a> {
    bytes: &'a [u8],
}

/// A segment: its kind, and where it is in the file, in memory, and how long it is in the file.
struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    bytes: u64,
}

impl<'a> Program<'a> {
    /// Reads the header of a program.
    pub(crate) fn read(bytes: &'a [u8]) -> anyhow::Result<Self> {
        ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "this is no program for such a machine");
        Ok(Self { bytes })
    }

    /// The number of the machine that it is for.
    pub(crate) fn machine(&self) -> anyhow::Result<u64> {
        self.number(18, 2)
    }

    /// Whether it names a loader of libraries.
    pub(crate) fn needs_loader(&self) -> anyhow::Result<bool> {
        let segments = self.segments()?;
        Ok(segments.is_empty() || segments.iter().any(|segment| segment.kind == INTERPRETER))
    }

    /// The libraries that it needs, and the versions of symbols that it needs of them, as
    /// `GLIBC_2.34`.
    pub(crate) fn needs(&self) -> anyhow::Result<(BTreeSet<String>, BTreeSet<String>)> {
        let (mut libraries, mut versions) = (BTreeSet::new(), BTreeSet::new());
        let segments = self.segments()?;
        let Some(dynamic) = segments.iter().find(|segment| segment.kind == DYNAMIC) else {
            return Ok((libraries, versions));
        };
        let mut entries = Vec::new();
        for at in (dynamic.offset..).step_by(16).take(usize::try_from(dynamic.bytes / 16)?) {
            entries.push((self.number(at, 8)?, self.number(at + 8, 8)?));
        }
        let value = |tag| entries.iter().find(|entry| entry.0 == tag).map(|entry| entry.1);
        let strings = in_file(&segments, value(STRINGS).context("it has no strings")?)?;
        for (_, name) in entries.iter().filter(|entry| entry.0 == NEEDED) {
            libraries.insert(self.text(strings, *name)?);
        }
        let Some(first) = value(VERSIONS_NEEDED) else { return Ok((libraries, versions)) };
        let mut library = in_file(&segments, first)?;
        for _ in 0..value(VERSIONS_COUNT).unwrap_or_default().min(CHAIN_MAX) {
            ensure!(self.number(library, 2)? == 1, "its list of versions is of another kind");
            let count = self.number(library + 2, 2)?;
            let mut version = library + self.number(library + 8, 4)?;
            for _ in 0..count.min(CHAIN_MAX) {
                versions.insert(self.text(strings, self.number(version + 8, 4)?)?);
                version += self.number(version + 12, 4)?;
            }
            library += self.number(library + 12, 4)?;
        }
        Ok((libraries, versions))
    }

    fn segments(&self) -> anyhow::Result<Vec<Segment>> {
        let (at, size, count) = (self.number(32, 8)?, self.number(54, 2)?, self.number(56, 2)?);
        let segment = |index| {
            let at = at.checked_add(index * size).context("the program is cut off")?;
            Ok(Segment {
                kind: self.number(at, 4)?,
                offset: self.number(at + 8, 8)?,
                address: self.number(at + 16, 8)?,
                bytes: self.number(at + 32, 8)?,
            })
        };
        (0..count).map(segment).collect()
    }

    fn number(&self, at: u64, bytes: u64) -> anyhow::Result<u64> {
        let range = usize::try_from(at)?
            ..usize::try_from(at.checked_add(bytes).context("the program is cut off")?)?;
        let Some(field) = self.bytes.get(range) else { bail!("the program is cut off") };
        Ok(field.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    fn text(&self, strings: u64, at: u64) -> anyhow::Result<String> {
        let at = strings.checked_add(at).context("the program is cut off")?;
        let rest = self.bytes.get(usize::try_from(at)?..).context("the program is cut off")?;
        let text = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}

/// Where in the file an address of memory comes from.
fn in_file(segments: &[Segment], address: u64) -> anyhow::Result<u64> {
    segments
        .iter()
        .filter(|segment| segment.kind == LOAD)
        .find_map(|segment| {
            let within = address.checked_sub(segment.address)?;
            (within < segment.bytes).then(|| segment.offset.checked_add(within))?
        })
        .context("an address of the program is in no segment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_runs_here_names_its_loader_and_its_libraries() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let program = Program::read(&bytes).unwrap();
        assert!(program.needs_loader().unwrap());
        let (libraries, versions) = program.needs().unwrap();
        assert!(libraries.contains("libc.so.6"), "{libraries:?}");
        assert!(versions.iter().any(|version| version.starts_with("GLIBC_2.")), "{versions:?}");
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_an_error() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(Program::read(b"#!/bin/sh\n").is_err());
        for cut in [6, 20, 40, 63, 100, 300] {
            let program = Program::read(&bytes[..cut]).unwrap();
            assert!(program.needs().is_err(), "cut off at {cut}");
        }
        // Every byte of the headers in turn, and no panic.
        for at in 6..1000 {
            let mut damaged = bytes[..bytes.len().min(1 << 20)].to_vec();
            damaged[at] ^= 0xff;
            if let Ok(program) = Program::read(&damaged) {
                drop((program.needs(), program.needs_loader()));
            }
        }
    }
}
