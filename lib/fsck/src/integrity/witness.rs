//! A witness: a file outside the tested storage that is told every sequence after it was acknowledged.
//!
//! Text, one line each:
//!
//! ```text
//! amqmfsck-witness 1 RUN              of which run the lines that follow are
//! SEQUENCE EPOCH MICROSECONDS SUM     acknowledged; when, since 1970 UTC; CRC-32C of the line before it
//! ```
//!
//! Numbers are decimal, RUN and SUM hexadecimal. Lines are appended and synced. A last line that is not
//! whole was not synced, and is nothing.

use std::path::{Path, PathBuf};

use miqm_sys::clock::{self, BootInstant};
use miqm_sys::fs::{self, File};
use miqm_sys::{IoError, Op};

use super::job::{Known, run_id};

const HEAD: &str = "amqmfsck-witness 1 ";
/// The longest witness that is read: hundreds of millions of lines.
const BYTES_MAX: u64 = 1 << 34;
/// What is read at once.
const CHUNK: usize = 64 * 1024;
/// The longest line.
const LINE_MAX: usize = 128;

/// Why a file is no witness.
#[derive(Debug, thiserror::Error)]
pub enum BadWitness {
    /// It is on the storage that is tested.
    #[error("{} is on the file system that is tested", .0.display())]
    SameFileSystem(PathBuf),
    /// It was not made by this program.
    #[error("{} was not made by this program", .0.display())]
    Foreign(PathBuf),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// A witness that is being written or was read.
#[derive(Debug)]
pub struct Witness {
    path: PathBuf,
    file: File,
    len: u64,
    /// The run of its last lines, and what they say.
    run: String,
    sequence: u64,
    told: Option<BootInstant>,
}

impl Witness {
    /// Opens a witness, or makes one; `device` is that of the tested directory, on which it must not be.
    ///
    /// # Errors
    ///
    /// If it is on that device, is something else, or cannot be opened.
    pub fn open(path: &Path, device: u64) -> Result<Self, BadWitness> {
        let same = |dev| {
            if dev == device { Err(BadWitness::SameFileSystem(path.to_owned())) } else { Ok(()) }
        };
        let file = match fs::open_rw(path) {
            Err(error) if error.is_not_found() => {
                // Nothing is made where it may not be.
                let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
                same(fs::stat(dir.unwrap_or(Path::new(".")))?.dev)?;
                fs::create_new(path, 0o660, None)?
            }
            opened => opened?,
        };
        let stat = fs::stat_file(&file, path)?;
        same(stat.dev)?;
        Self::read(path, file, stat.size)
    }

    /// Opens a witness to learn what it knows.
    ///
    /// # Errors
    ///
    /// If it is no witness or cannot be read.
    pub fn open_to_read(path: &Path) -> Result<Self, BadWitness> {
        let file = fs::open_read(path)?;
        let len = fs::stat_file(&file, path)?.size;
        Self::read(path, file, len)
    }

    fn read(path: &Path, file: File, len: u64) -> Result<Self, BadWitness> {
        let foreign = || BadWitness::Foreign(path.to_owned());
        if len > BYTES_MAX {
            return Err(foreign());
        }
        let (run, told) = (String::new(), None);
        let mut new = Self { path: path.to_owned(), file, len: 0, run, sequence: 0, told };
        let mut line = Vec::new();
        let mut at = 0;
        let mut buffer = vec![0; CHUNK];
        while at < len {
            let n = fs::read_at(&new.file, path, &mut buffer, at)?;
            if n == 0 {
                break;
            }
            for byte in &buffer[..n] {
                at += 1;
                if *byte == b'\n' {
                    new.take(&String::from_utf8_lossy(&line));
                    // What is appended comes after the last whole line.
                    new.len = at;
                    line.clear();
                } else if line.len() < LINE_MAX {
                    line.push(*byte);
                }
                if new.run.is_empty() && (*byte == b'\n' || line.len() == LINE_MAX) {
                    return Err(foreign());
                }
            }
        }
        // Half a header line of our own is all that may be there otherwise.
        let half = String::from_utf8_lossy(&line);
        if new.run.is_empty() && !HEAD.starts_with(&*half) && !half.starts_with(HEAD) {
            return Err(foreign());
        }
        Ok(new)
    }

    fn take(&mut self, line: &str) {
        if let Some(run) = line.strip_prefix(HEAD).and_then(run_id) {
            self.run = super::job::run_text(&run);
            self.sequence = 0;
            return;
        }
        let Some((text, sum)) = line.rsplit_once(' ') else { return };
        let good = u32::from_str_radix(sum, 16) == Ok(crc32c::crc32c(text.as_bytes()));
        let sequence = text.split(' ').next().and_then(|word| word.parse().ok());
        if let (Some(sequence), true) = (sequence, good) {
            self.sequence = self.sequence.max(sequence);
        }
    }

    /// Tells it that a sequence was acknowledged; durable when this returns.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn tell(&mut self, run: &str, epoch: u32, sequence: u64) -> Result<(), IoError> {
        if self.run == run && sequence <= self.sequence {
            return Ok(());
        }
        let head = if self.run == run { String::new() } else { format!("{HEAD}{run}\n") };
        let text = format!("{sequence} {epoch} {}", clock::utc_now().0);
        let sum = crc32c::crc32c(text.as_bytes());
        let lines = format!("{head}{text} {sum:08x}\n");
        fs::write_all_at(&self.file, &self.path, lines.as_bytes(), self.len)?;
        fs::sync_data(&self.file, &self.path)?;
        self.len += lines.len() as u64;
        run.clone_into(&mut self.run);
        self.sequence = sequence;
        self.told = Some(BootInstant::now());
        Ok(())
    }

    /// What it knows; `None` if nothing was told yet.
    pub fn known(&self) -> Option<Known> {
        let idle = self.told.map(|told| told.elapsed().as_millis());
        let idle_ms = idle.and_then(|ms| u64::try_from(ms).ok());
        let known = Known { run: self.run.clone(), sequence: self.sequence, idle_ms };
        (!self.run.is_empty()).then_some(known)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets what is after the last whole line, so that lines of another run do not follow half of one.
    ///
    /// # Errors
    ///
    /// If the file cannot be cut.
    pub fn settle(&mut self) -> Result<(), IoError> {
        let size = fs::stat_file(&self.file, &self.path)?.size;
        if size < self.len {
            let source = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(IoError::new(Op::Truncate, &self.path, source));
        }
        if size > self.len { fs::set_len(&self.file, &self.path, self.len) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "000102030405060708090a0b0c0d0e0f";
    const OTHER: &str = "ff0102030405060708090a0b0c0d0e0f";

    #[test]
    fn a_witness_remembers_the_last_sequence_of_the_last_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w");
        let mut witness = Witness::open(&path, 0).unwrap();
        assert_eq!(witness.known(), None);
        witness.tell(RUN, 1, 5).unwrap();
        witness.tell(RUN, 1, 7).unwrap();
        witness.tell(RUN, 1, 6).unwrap();
        let known = |path: &Path| {
            let known = Witness::open_to_read(path).unwrap().known().unwrap();
            (known.run, known.sequence)
        };
        assert_eq!(known(&path), (RUN.to_owned(), 7));
        let mut witness = Witness::open(&path, 0).unwrap();
        witness.tell(OTHER, 1, 2).unwrap();
        assert_eq!(known(&path), (OTHER.to_owned(), 2));
        // Half a line is nothing, and what follows replaces it.
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"99 1 12");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(known(&path).1, 2);
        let mut witness = Witness::open(&path, 0).unwrap();
        witness.settle().unwrap();
        witness.tell(OTHER, 1, 3).unwrap();
        assert_eq!(known(&path).1, 3);
        for cut in 0..text.len() {
            std::fs::write(&path, &text[..cut]).unwrap();
            drop(Witness::open_to_read(&path).unwrap());
        }
    }

    #[test]
    fn what_is_no_witness_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w");
        for text in ["x", "hello\n", "amqmfsck-witness 2 \n"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Witness::open(&path, 0), Err(BadWitness::Foreign(_))), "{text}");
        }
        let device = fs::stat(dir.path()).unwrap().dev;
        let other = dir.path().join("v");
        assert!(matches!(Witness::open(&other, device), Err(BadWitness::SameFileSystem(_))));
        assert!(!other.exists());
        assert!(Witness::open_to_read(&dir.path().join("none")).is_err());
    }
}
