//! The files of a copy: where it publishes, and where others look.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::probe::{self, Dir, How};

use super::sheet::{HEAD_BYTES, Head, Id, SHEET_BYTES_MAX, Sheet};

/// The new files that stay; older ones are removed.
const KEPT: usize = 2;
/// Who may not write into the directory may still see who tests it.
const MODE: u32 = 0o644;
/// `EIO`: not all was written.
const SHORT: i32 = 5;
/// `EFBIG`.
const TOO_LONG: i32 = 27;
/// `EINTR`, and how often a call is made again after it.
const INTERRUPTED: i32 = 4;
const AGAIN: u32 = 50;
/// How often it is looked whether the staying file is still there.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Where the files of a copy are, and how they are called: `FOLDER/STEM.ENDING` stays, and
/// `FOLDER/STEM.NUMBER.ENDING` are new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// "." is the tested directory itself.
    pub(crate) folder: String,
    pub(crate) stem: String,
    pub(crate) ending: &'static str,
}

impl Names {
    fn within(&self, name: &str) -> String {
        if self.folder == "." { name.to_owned() } else { format!("{}/{name}", self.folder) }
    }

    pub(crate) fn staying(&self) -> String {
        self.within(&format!("{}.{}", self.stem, self.ending))
    }

    fn new_one(&self, number: u64) -> String {
        self.within(&format!("{}.{number}.{}", self.stem, self.ending))
    }

    /// The number in the name of a new file, without its folder.
    fn number_of(&self, name: &str) -> Option<u64> {
        let rest = name.strip_prefix(&self.stem)?.strip_prefix('.')?;
        rest.strip_suffix(self.ending)?.strip_suffix('.')?.parse().ok()
    }
}

/// Where a copy publishes.
#[derive(Debug)]
pub(crate) struct Board {
    names: Names,
    id: Id,
    file: Option<OwnedFd>,
    /// When it was last looked whether the file is still there.
    looked: BootInstant,
    number: u64,
    made: VecDeque<String>,
}

impl Board {
    pub(crate) fn new(names: Names, id: Id) -> Self {
        let looked = BootInstant::now();
        Self { names, id, file: None, looked, number: 0, made: VecDeque::new() }
    }

    /// Publishes a sheet over the one before, and as a new file if that is wanted or the other way fails.
    ///
    /// # Errors
    ///
    /// The error number of the storage, if neither way works.
    pub(crate) fn publish(
        &mut self,
        dir: &Dir,
        state: Vec<u8>,
        letters: Vec<super::sheet::Letter>,
        as_new: bool,
    ) -> Result<(), i32> {
        self.number += 1;
        let sheet = Sheet { id: self.id, number: self.number, state, letters };
        let bytes = sheet.to_bytes().ok_or(TOO_LONG)?;
        let over = self.write_over(dir, &bytes);
        if over.is_ok() && !as_new {
            return over;
        }
        let new = self.write_new(dir, &bytes);
        while self.made.len() > KEPT {
            if let Some(name) = self.made.pop_front() {
                // It is removed with all others at the end, if not now.
                dir.unlink(&name).ok();
            }
        }
        over.or(new)
    }

    fn write_over(&mut self, dir: &Dir, bytes: &[u8]) -> Result<(), i32> {
        // Somebody may have removed it, because this copy was silent for long.
        let gone = |file: &OwnedFd| match probe::attributes(file.as_fd()) {
            Ok(found) => found.links == 0,
            Err(_) => true,
        };
        if self.looked.elapsed() >= LOOK_AFTER {
            self.looked = BootInstant::now();
            self.file = self.file.take().filter(|file| !gone(file));
        }
        if self.file.is_none() {
            let (name, how) = (self.names.staying(), How { mode: MODE, ..How::MAKE });
            self.file = Some(again(|| dir.open_file(&name, how))?);
        }
        let result = match &self.file {
            Some(file) => write_all(file, bytes),
            None => Err(SHORT),
        };
        let synced = self.file.as_ref().map(|file| again(|| probe::fsync(file.as_fd())));
        if result.is_err() || !matches!(synced, Some(Ok(()))) {
            // A descriptor that failed once may fail for ever. That a sync fails is for a check to find;
            // what was written may be seen all the same.
            self.file = None;
        }
        result
    }

    fn write_new(&mut self, dir: &Dir, bytes: &[u8]) -> Result<(), i32> {
        let name = self.names.new_one(self.number);
        let how = How { mode: MODE, ..How::NEW };
        let file = again(|| dir.open_file(&name, how))?;
        self.made.push_back(name);
        write_all(&file, bytes)?;
        // As above.
        again(|| probe::fsync(file.as_fd())).ok();
        Ok(())
    }

    /// Removes all files of this copy.
    pub(crate) fn remove(&mut self, dir: &Dir) {
        self.file = None;
        for name in self.made.drain(..) {
            again(|| dir.unlink(&name)).ok();
        }
        again(|| dir.unlink(&self.names.staying())).ok();
    }
}

fn write_all(file: &OwnedFd, bytes: &[u8]) -> Result<(), i32> {
    let mut done = 0;
    while done < bytes.len() {
        match again(|| probe::write_at(file.as_fd(), &bytes[done..], done as u64))? {
            0 => return Err(SHORT),
            n => done += n,
        }
    }
    Ok(())
}

/// Where another copy publishes.
#[derive(Debug)]
pub(crate) struct View {
    names: Names,
    id: Id,
    /// The number of the last sheet that was seen; 0 before the first.
    pub(crate) number: u64,
    /// Whether the staying file was there at the last look, or has been and is not.
    pub(crate) there: bool,
    pub(crate) gone: bool,
    /// Whether the last one came in a new file, and was not in the staying one.
    pub(crate) by_new: bool,
}

impl View {
    pub(crate) fn new(names: Names, id: Id) -> Self {
        Self { names, id, number: 0, there: false, gone: false, by_new: false }
    }

    /// The newest sheet, if it is newer than the one before. `listed` are the names in the folder, if
    /// they were listed.
    pub(crate) fn look(&mut self, dir: &Dir, listed: &[String]) -> Option<Sheet> {
        let mut newest = match read_sheet(dir, &self.names.staying(), self.number) {
            Ok(sheet) => {
                (self.there, self.gone) = (true, false);
                sheet.filter(|sheet| sheet.id == self.id)
            }
            Err(errno) => {
                self.gone = self.there && errno == 2;
                None
            }
        };
        let mut by_new = false;
        let after = newest.as_ref().map_or(self.number, |sheet| sheet.number);
        let mut numbers: Vec<_> = listed.iter().filter_map(|n| self.names.number_of(n)).collect();
        numbers.retain(|number| *number > after);
        numbers.sort_unstable();
        // A few only: whoever plants many must not keep this copy busy.
        for number in numbers.into_iter().rev().take(KEPT + 2) {
            let found = read_sheet(dir, &self.names.new_one(number), after);
            if let Some(sheet) = found.ok().flatten().filter(|sheet| sheet.id == self.id) {
                newest = Some(sheet);
                by_new = true;
                break;
            }
        }
        if let Some(sheet) = &newest {
            self.number = sheet.number;
            self.by_new = by_new;
        }
        newest
    }

    /// The file that stays.
    pub(crate) fn staying(&self) -> String {
        self.names.staying()
    }
}

/// The sheet in a file, if it is whole and its number is above `after`.
///
/// # Errors
///
/// If the file cannot be opened.
pub(crate) fn read_sheet(dir: &Dir, name: &str, after: u64) -> Result<Option<Sheet>, i32> {
    let file = again(|| dir.open_file(name, How::RO))?;
    let mut bytes = Vec::new();
    // Nearly every look finds what was there before: no more is read than says so.
    read_up_to(&file, HEAD_BYTES, &mut bytes);
    let Some(head) = Head::read(&bytes).filter(|head| head.number > after) else { return Ok(None) };
    read_up_to(&file, head.bytes.min(SHEET_BYTES_MAX), &mut bytes);
    Ok(Sheet::read(&bytes).filter(|sheet| sheet.number > after))
}

/// Reads on until there are `len` bytes, the file ends, or it cannot be read. Memory is taken for what
/// is there only, and what is no regular file gives nothing.
fn read_up_to(file: &OwnedFd, len: usize, bytes: &mut Vec<u8>) {
    let mut piece = vec![0; len.saturating_sub(bytes.len()).min(256 * 1024)];
    while bytes.len() < len {
        let want = piece.len().min(len - bytes.len());
        let read = again(|| probe::read_at(file.as_fd(), &mut piece[..want], bytes.len() as u64));
        match read {
            Ok(0) | Err(_) => break,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

/// Makes a call again that was interrupted: some storage interrupts what nobody interrupted.
pub(crate) fn again<T>(mut call: impl FnMut() -> Result<T, i32>) -> Result<T, i32> {
    for _ in 0..AGAIN {
        match call() {
            Err(INTERRUPTED) => {}
            result => return result,
        }
    }
    Err(INTERRUPTED)
}

/// Removes the files of a dead copy that are listed, each only if it holds a sheet of that copy; how
/// many were removed.
pub(crate) fn remove_dead(dir: &Dir, listed: &[String], id: Id) -> usize {
    let text = id.to_string();
    let mut removed = 0;
    for name in listed.iter().filter(|name| name.contains(&text)) {
        let theirs = read_sheet(dir, name, 0).ok().flatten().is_some_and(|sheet| sheet.id == id);
        removed += usize::from(theirs && dir.unlink(name).is_ok());
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn names() -> Names {
        Names { folder: ".".into(), stem: "amqmfsck-c-1".into(), ending: "hello" }
    }

    fn list(path: &Path) -> Vec<String> {
        Dir::open(path).unwrap().list(".").unwrap()
    }

    #[test]
    fn either_of_the_two_ways_is_enough() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let mut board = Board::new(names(), Id([1; 16]));
        let (mut by_name, mut by_list) =
            (View::new(names(), Id([1; 16])), View::new(names(), Id([1; 16])));
        assert!(by_name.look(&dir, &[]).is_none() && !by_name.gone);
        for round in 1..6 {
            board.publish(&dir, vec![round], vec![(1, vec![5])], true).unwrap();
            assert_eq!(by_name.look(&dir, &[]).unwrap().state, [round]);
            assert!(by_name.look(&dir, &[]).is_none());
            let staying = temp.path().join(names().staying());
            let kept = std::fs::read(&staying).unwrap();
            std::fs::write(&staying, &kept[..20]).unwrap();
            assert_eq!(by_list.look(&dir, &list(temp.path())).unwrap().state, [round]);
        }
        assert_eq!(list(temp.path()).len(), 1 + KEPT);
        board.remove(&dir);
        assert!(list(temp.path()).is_empty());
        assert!(by_name.look(&dir, &[]).is_none() && by_name.gone);
        // A board whose file was taken away makes it anew.
        board.looked = BootInstant::from_nanos(0);
        board.publish(&dir, vec![9], Vec::new(), false).unwrap();
        assert_eq!(by_name.look(&dir, &[]).unwrap().state, [9]);
    }

    #[test]
    fn what_is_planted_under_our_names_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        let id = Id([1; 16]);
        let mut real = Board::new(Names { stem: format!("amqmfsck-c-{id}"), ..names() }, id);
        real.publish(&dir, vec![1], Vec::new(), true).unwrap();
        let path = |name: &str| temp.path().join(format!("amqmfsck-c-{id}.{name}.hello"));
        std::fs::write(path("5"), b"garbage").unwrap();
        std::fs::create_dir(path("6")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path("7")).unwrap();
        nix_fifo(&path("8"));
        let huge = std::fs::File::create(path("9")).unwrap();
        huge.set_len(1 << 40).unwrap();
        let mut view = View::new(Names { stem: format!("amqmfsck-c-{id}"), ..names() }, id);
        assert_eq!(view.look(&dir, &list(temp.path())).unwrap().number, 1);
        assert_eq!(remove_dead(&dir, &list(temp.path()), id), 2);
        assert_eq!(list(temp.path()).len(), 5);
    }

    fn nix_fifo(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    }
}
