//! The test on a directory of its own: everything it must find, and nothing else.

use std::path::{Path, PathBuf};

use super::job::{Job, Known, Problem, Progress, Step};
use super::layout::Layout;
use super::page::{File, Kind, PAGE, SECTOR, Stamp, read_whole};
use super::record::{Entry, FIRST_RECORD, RECORD, Record};
use super::survey::Survey;
use super::task::Task;
use super::{DATA, LOG};

const RUN: &str = "000102030405060708090a0b0c0d0e0f";
const PAGES: u64 = 32;

/// A tested directory.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn formatted() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        let done = run(&mut Task::default(), place.path(), format(PAGES));
        assert!(matches!(done, Progress::Formatted { pages: PAGES, asked: PAGES, .. }), "{done:?}");
        place
    }

    /// Formatted, with so many sequences in each of several epochs; the last one is killed.
    fn appended(counts: &[u64]) -> Self {
        let place = Self::formatted();
        for (epoch, count) in counts.iter().enumerate() {
            let last = epoch + 1 == counts.len();
            place.append(&format!("host{epoch}"), *count, !last);
        }
        place
    }

    /// Appends at least so many.
    fn append(&self, host: &str, count: u64, end: bool) {
        let mut task = Task::default();
        let mut step = Step::Begin(Job::Append { host: host.into(), known: None });
        let mut first = None;
        loop {
            match task.step(self.path(), &step) {
                Progress::Taken(takeover) => first = Some(takeover.sequence),
                Progress::Appended { sequence, .. } if sequence >= first.unwrap() + count => break,
                Progress::Problem { problem, .. } => panic!("{problem}"),
                _ => {}
            }
            step = Step::Go { ms: 0, known: None };
        }
        if end {
            assert!(matches!(task.step(self.path(), &Step::Finish), Progress::Ended { .. }));
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.file(name), bytes).unwrap();
    }

    fn verify(&self, known: Option<u64>) -> Survey {
        let known = known.map(|sequence| Known { run: RUN.into(), sequence, idle_ms: None });
        match run(&mut Task::default(), self.path(), Job::Verify { known }) {
            Progress::Checked(survey) => *survey,
            other => panic!("{other:?}"),
        }
    }

    /// The ids of what is wrong.
    fn wrong(&self, known: Option<u64>) -> Vec<String> {
        self.verify(known).wrong.into_keys().collect()
    }

    /// Changes a file for one verification.
    fn with(
        &self,
        name: &str,
        change: impl FnOnce(&mut Vec<u8>),
        known: Option<u64>,
    ) -> Vec<String> {
        let before = self.read(name);
        let mut bytes = before.clone();
        change(&mut bytes);
        self.write(name, &bytes);
        let wrong = self.wrong(known);
        self.write(name, &before);
        wrong
    }

    /// The last sequence and the epoch of the last sequence.
    fn last(&self) -> (u64, u32) {
        let records = self.records();
        let last = records.iter().rev().find(|record| record.entry == Entry::Sequence).unwrap();
        (last.sequence, last.epoch)
    }

    fn records(&self) -> Vec<Record> {
        let log = self.read(LOG);
        let run = super::job::run_id(RUN).unwrap();
        let first = usize::try_from(FIRST_RECORD).unwrap();
        log[first..].chunks(RECORD).map(|bytes| Record::read(bytes, &run).unwrap()).collect()
    }
}

fn format(pages: u64) -> Job {
    Job::Format { pages, run: RUN.into(), limit_ms: 60_000, host: "host".into() }
}

/// A job from beginning to end.
fn run(task: &mut Task, path: &Path, job: Job) -> Progress {
    let mut step = Step::Begin(job);
    loop {
        match task.step(path, &step) {
            Progress::Begun | Progress::Formatting { .. } | Progress::Checking { .. } => {}
            other => return other,
        }
        step = Step::Go { ms: 5, known: None };
    }
}

fn layout() -> Layout {
    Layout::of(PAGES).unwrap()
}

/// The bytes of a page of the data file.
fn page(bytes: &mut [u8], number: u64) -> &mut [u8] {
    let at = usize::try_from(number).unwrap() * PAGE;
    &mut bytes[at..at + PAGE]
}

/// The page as it was a lap before.
fn lap_before(bytes: &mut [u8], sequence: u64) {
    let number = layout().page(sequence);
    let page = page(bytes, number);
    let now = read_whole(page).unwrap();
    assert_eq!(now.sequence, sequence);
    let before = Stamp { sequence: sequence - layout().lap(), ..now };
    page.copy_from_slice(&before.page_bytes());
}

#[test]
fn what_was_appended_by_several_holders_is_consistent() {
    let place = Place::formatted();
    let survey = place.verify(None);
    assert_eq!((survey.last, survey.consistent()), (0, true));
    place.append("one", 1, false);
    assert_eq!(place.wrong(None), [""; 0]);
    place.append("two", 200, true);
    let (last, epoch) = place.last();
    let survey = place.verify(Some(last));
    assert!(survey.consistent(), "{survey:?}");
    assert_eq!((survey.last, survey.acknowledged, survey.epochs, epoch), (last, last, 2, 2));
    assert_eq!(survey.held.iter().sum::<u64>(), layout().lap());
    assert_eq!((survey.takeovers[1].from.as_str(), survey.takeovers[1].orderly), ("one", false));
    place.append("three", 1, true);
    assert!(place.verify(None).takeovers[2].orderly);
}

#[test]
fn a_lost_page_is_told_with_the_call_that_lied() {
    let place = Place::appended(&[150]);
    let (last, _) = place.last();
    for back in 1..11 {
        let sequence = last - back;
        let wrong = place.with(DATA, |bytes| lap_before(bytes, sequence), None);
        let mut expected = [Layout::method(sequence).check(), "int.acknowledged"];
        expected.sort_unstable();
        assert_eq!(wrong, expected, "{back}");
    }
    // The last one was perhaps not acknowledged, unless a checkpoint or a witness knows.
    let forget = |bytes: &mut Vec<u8>| {
        lap_before(bytes, last);
        let number = Layout::checkpoint(last);
        let page = page(bytes, number);
        let now = read_whole(page).unwrap();
        page.copy_from_slice(&Stamp { sequence: last - 2, ..now }.page_bytes());
    };
    assert_eq!(place.with(DATA, forget, None), [""; 0]);
    assert!(place.with(DATA, forget, Some(last)).contains(&"int.acknowledged".to_owned()));
    let wrong = place.with(DATA, |bytes| lap_before(bytes, last), None);
    assert!(wrong.contains(&"int.acknowledged".to_owned()), "{wrong:?}");
}

#[test]
fn what_only_one_call_made_durable_is_told_by_its_name() {
    let place = Place::appended(&[47]);
    let (last, _) = place.last();
    for method in super::Method::ALL {
        let name = method.file();
        let own = (1..=last).rev().find(|sequence| Layout::method(*sequence) == method).unwrap();
        let cut = |back: usize| move |file: &mut Vec<u8>| file.truncate(file.len() - back);
        let mut expected = vec![method.check(), "int.acknowledged"];
        expected.sort_unstable();
        // The last one of all may have been in flight; the one before it not.
        let wrong = place.with(name, cut(RECORD), Some(last));
        assert_eq!(wrong, expected, "{own} of {last}");
        let wrong = place.with(name, cut(2 * RECORD), None);
        assert_eq!(wrong, expected);
        let zero = |file: &mut Vec<u8>| {
            let at = file.len() - 3 * RECORD;
            file[at..at + RECORD].fill(0);
        };
        assert_eq!(place.with(name, zero, None), expected);
        let bytes = place.read(name);
        std::fs::remove_file(place.file(name)).unwrap();
        assert_eq!(place.wrong(None), ["int.names"]);
        place.write(name, &bytes);
    }
    assert_eq!(place.wrong(Some(last)), [""; 0]);
}

#[test]
fn a_torn_page_is_a_fault_only_if_it_was_acknowledged() {
    let place = Place::appended(&[150]);
    let (last, _) = place.last();
    for (sequence, known, bad) in [(last - 3, None, true), (last, Some(last), true)] {
        for sectors in [1, 4, 7] {
            let tear = |bytes: &mut Vec<u8>| {
                let number = layout().page(sequence);
                let new = page(bytes, number).to_vec();
                lap_before(bytes, sequence);
                page(bytes, number)[..sectors * SECTOR].copy_from_slice(&new[..sectors * SECTOR]);
            };
            let wrong = place.with(DATA, tear, known);
            assert_eq!(wrong.contains(&"int.page".to_owned()), bad, "{sequence} {wrong:?}");
        }
    }
    // In flight: garbage in its page and its checkpoint, or half a record.
    let tear = |bytes: &mut Vec<u8>| {
        page(bytes, layout().page(last))[700..900].fill(7);
        page(bytes, Layout::checkpoint(last))[3000..].fill(0);
    };
    assert_eq!(place.with(DATA, tear, None), [""; 0]);
}

#[test]
fn damage_and_misplaced_pages_are_found() {
    let place = Place::appended(&[150]);
    let (last, _) = place.last();
    let number = layout().page(last - 6);
    let wrong = place.with(DATA, |bytes| page(bytes, number)[2000] ^= 1, None);
    assert_eq!(wrong, ["int.acknowledged", "int.page"]);
    let other = layout().page(last - 7);
    let copy = |bytes: &mut Vec<u8>| {
        let from = page(bytes, other).to_vec();
        page(bytes, number).copy_from_slice(&from);
    };
    assert_eq!(place.with(DATA, copy, None), ["int.acknowledged", "int.page"]);
    let zero = |bytes: &mut Vec<u8>| page(bytes, number).fill(0);
    assert!(place.with(DATA, zero, None).contains(&"int.acknowledged".to_owned()));
    // Sector 3 is told as such.
    let before = place.read(DATA);
    let mut bytes = before.clone();
    page(&mut bytes, number)[3 * SECTOR + 9] ^= 1;
    place.write(DATA, &bytes);
    let survey = place.verify(None);
    let evidence = &survey.wrong["int.page"].evidence[0];
    assert_eq!(evidence.page, Some(number));
    assert_eq!(evidence.note, format!("sector 3 of page {number}: its checksum is wrong"));
}

#[test]
fn a_log_that_forgot_is_found() {
    let place = Place::appended(&[150]);
    let (last, _) = place.last();
    // Cut by one record: nobody can tell, unless data, checkpoint or witness know.
    let wrong = place.with(LOG, |log| log.truncate(log.len() - RECORD), None);
    assert!(wrong.contains(&"int.order".to_owned()), "{wrong:?}");
    let wrong = place.with(LOG, |log| log.truncate(log.len() - 10 * RECORD), Some(last));
    assert!(wrong.contains(&"int.witness".to_owned()), "{wrong:?}");
    assert_eq!(place.wrong(Some(last)), [""; 0]);
    // The last record torn: it was in flight, as nothing follows it.
    let records = place.records();
    assert_eq!(records.last().unwrap().entry, Entry::Sequence);
    let gap = |log: &mut Vec<u8>| {
        let at = log.len() - 20 * RECORD;
        log.drain(at..at + RECORD);
    };
    assert!(place.with(LOG, gap, None).contains(&"int.log".to_owned()));
    let zeros = |log: &mut Vec<u8>| {
        let at = log.len() - 20 * RECORD;
        log[at..at + RECORD].fill(0);
    };
    assert_eq!(place.with(LOG, zeros, None), ["int.log"]);
    assert!(place.with(LOG, |log| log.truncate(100), None).contains(&"int.size".to_owned()));
}

#[test]
fn a_storage_that_went_back_in_time_is_told_by_a_witness_only() {
    let place = Place::appended(&[20]);
    let (log, data) = (place.read(LOG), place.read(DATA));
    let last = place.last().0;
    let names: Vec<_> =
        std::fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let kept: Vec<_> = names.iter().map(|path| std::fs::read(path).unwrap()).collect();
    place.append("late", 50, false);
    let then = place.last().0;
    for (path, bytes) in names.iter().zip(kept) {
        std::fs::write(path, bytes).unwrap();
    }
    place.write(LOG, &log);
    place.write(DATA, &data);
    assert_eq!(place.wrong(Some(last)), [""; 0]);
    assert_eq!(place.wrong(Some(then)), ["int.witness"]);
}

#[test]
fn a_holder_that_writes_after_another_took_over_is_found() {
    let place = Place::appended(&[40, 60]);
    let takeover = place.verify(None).takeovers[1].sequence;
    let run = super::job::run_id(RUN).unwrap();
    let old = |sequence: u64, number: u64, kind: Kind| {
        let stamp = Stamp::new(run, File::Data, kind, number);
        Stamp { sequence, epoch: 1, host: "host0".into(), ..stamp }.page_bytes()
    };
    // The page it had in flight, the next one, and its checkpoint.
    for sequence in [takeover, takeover + 1] {
        let number = layout().page(sequence);
        let late = |bytes: &mut Vec<u8>| {
            page(bytes, number).copy_from_slice(&old(sequence, number, Kind::Sequence));
        };
        let wrong = place.with(DATA, late, None);
        assert!(wrong.contains(&"int.epoch".to_owned()), "{sequence}: {wrong:?}");
    }
    for number in [1, 2] {
        let late = |bytes: &mut Vec<u8>| {
            page(bytes, number).copy_from_slice(&old(takeover, number, Kind::Checkpoint));
        };
        assert_eq!(place.with(DATA, late, None), ["int.epoch"]);
    }
    // Its record over the beginning of the epoch.
    let records = place.records();
    let at = records.iter().position(|r| r.entry == Entry::Epoch && r.epoch == 2).unwrap();
    let late = |log: &mut Vec<u8>| {
        let record = records.iter().find(|record| record.sequence == takeover).unwrap();
        let offset = FIRST_RECORD + (at * RECORD) as u64;
        let late = Record {
            entry: Entry::Sequence,
            sequence: takeover + 1,
            page: layout().page(takeover + 1),
            offset,
            epoch: 1,
            ..record.clone()
        };
        let place = usize::try_from(offset).unwrap();
        log[place..place + RECORD].copy_from_slice(&late.bytes(&run));
    };
    assert_eq!(place.with(LOG, late, None), ["int.epoch"]);
}

#[test]
fn lost_names_are_found() {
    let place = Place::appended(&[3]);
    let mark = place.file(&super::markers::name(1, 1));
    let bytes = std::fs::read(&mark).unwrap();
    std::fs::remove_file(&mark).unwrap();
    assert_eq!(place.wrong(None), ["int.names"]);
    std::fs::write(&mark, &bytes[..100]).unwrap();
    assert_eq!(place.wrong(None), ["int.names"]);
    std::fs::write(&mark, &bytes).unwrap();
    assert_eq!(place.wrong(None), [""; 0]);
    // In flight: the next one.
    std::fs::write(place.file("amqmfsck.new-1"), &bytes[..512]).unwrap();
    std::fs::write(place.file(&super::markers::name(2, 1)), &bytes).unwrap();
    assert_eq!(place.wrong(None), [""; 0]);
    place.append("next", 2, true);
    assert_eq!(place.wrong(None), [""; 0]);
    assert_eq!(place.verify(None).markers, 2);
}

#[test]
fn a_header_and_a_length_are_verified() {
    let place = Place::appended(&[10]);
    assert_eq!(place.with(DATA, |bytes| bytes[5] ^= 1, None), ["int.format"]);
    assert_eq!(place.with(DATA, |bytes| bytes.push(0), None), ["int.size"]);
    let wrong = place.with(DATA, |bytes| bytes.truncate(10 * PAGE), None);
    assert!(wrong.contains(&"int.size".to_owned()), "{wrong:?}");
    std::fs::remove_file(place.file(LOG)).unwrap();
    let problem = run(&mut Task::default(), place.path(), Job::Verify { known: None });
    assert!(
        !matches!(problem, Progress::Checked(ref survey) if survey.consistent()),
        "{problem:?}"
    );
}

#[test]
fn garbage_never_panics_and_a_flip_is_always_found_where_it_matters() {
    let place = Place::appended(&[30, 30]);
    let (data, log) = (place.read(DATA), place.read(LOG));
    for seed in 0..300 {
        let noise = crate::call::seeded(seed, 64);
        let (mut data, mut log) = (data.clone(), log.clone());
        let number = |at: usize| usize::try_from(super::page::u32_at(&noise, at)).unwrap();
        for at in (0..16).step_by(4) {
            let file = if noise[at + 32] & 1 == 0 { &mut data } else { &mut log };
            let (len, place) = (file.len(), number(at));
            match noise[at + 33] % 4 {
                0 => file[place % len] ^= 1 << (noise[at + 34] % 8),
                1 => file.truncate(place % len + 1),
                2 => file.extend_from_slice(&noise),
                _ => {
                    let len = len.min(place % len + 600);
                    file[place % len..len].fill(noise[at + 34]);
                }
            }
        }
        place.write(DATA, &data);
        place.write(LOG, &log);
        for job in [
            Job::Verify { known: Some(Known { run: RUN.into(), sequence: 10, idle_ms: None }) },
            Job::Append { host: "x".into(), known: None },
        ] {
            let mut task = Task::default();
            let mut step = Step::Begin(job);
            for _ in 0..4 {
                task.step(place.path(), &step);
                step = Step::Go { ms: 0, known: None };
            }
        }
    }
}

#[test]
fn foreign_files_are_left_alone() {
    let place = Place { dir: tempfile::tempdir().unwrap() };
    let problem = |job| match run(&mut Task::default(), place.path(), job) {
        Progress::Problem { problem, .. } => problem,
        other => panic!("{other:?}"),
    };
    for name in [DATA, LOG] {
        place.write(name, b"somebody's letters");
        let foreign = Problem::Foreign { file: name.to_owned() };
        assert_eq!(problem(format(PAGES)), foreign);
        assert_eq!(problem(Job::Remove), foreign);
        assert_eq!(place.read(name), b"somebody's letters");
        std::fs::remove_file(place.file(name)).unwrap();
    }
    place.write("letters", b"somebody's letters");
    std::os::unix::fs::symlink("letters", place.file(DATA)).unwrap();
    assert_eq!(problem(format(PAGES)), Problem::Foreign { file: DATA.to_owned() });
    assert_eq!(problem(Job::Verify { known: None }), Problem::Foreign { file: DATA.to_owned() });
    assert_eq!(place.read("letters"), b"somebody's letters");
    std::fs::remove_file(place.file(DATA)).unwrap();
    assert_eq!(problem(Job::Verify { known: None }), Problem::NotFormatted);
}

#[test]
fn formatting_again_needs_the_same_size_and_removing_leaves_nothing() {
    let place = Place::appended(&[5]);
    let mut task = Task::default();
    let other = run(&mut task, place.path(), format(PAGES * 2));
    let problem = Problem::OtherSize { pages: PAGES };
    assert_eq!(other, Progress::Problem { problem, sequence: 0 });
    assert!(matches!(run(&mut task, place.path(), format(PAGES)), Progress::Formatted { .. }));
    assert_eq!(place.verify(None).last, 0);
    place.append("again", 5, true);
    let removed = run(&mut task, place.path(), Job::Remove);
    assert!(matches!(&removed, Progress::Removed(names) if names.len() == 8), "{removed:?}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn what_takes_too_long_is_made_shorter() {
    let dir = tempfile::tempdir().unwrap();
    let job = Job::Format { pages: 64 * 1024, run: RUN.into(), limit_ms: 1, host: "h".into() };
    let done = run(&mut Task::default(), dir.path(), job);
    let Progress::Formatted { pages, asked, .. } = done else { panic!("{done:?}") };
    assert!(pages < asked && pages % 16 == 0, "{pages}");
    let length = std::fs::metadata(dir.path().join(DATA)).unwrap().len();
    assert_eq!(length, pages * 4096);
    let verified = run(&mut Task::default(), dir.path(), Job::Verify { known: None });
    assert!(matches!(verified, Progress::Checked(survey) if survey.consistent()));
}

#[test]
fn only_one_holder_at_a_time() {
    let place = Place::formatted();
    let (mut one, mut two) = (Task::default(), Task::default());
    let go = Step::Go { ms: 0, known: None };
    let append = |host: &str| Step::Begin(Job::Append { host: host.into(), known: None });
    one.step(place.path(), &append("one"));
    while !matches!(one.step(place.path(), &go), Progress::Appended { .. }) {}
    two.step(place.path(), &append("two"));
    let waiting = two.step(place.path(), &go);
    assert!(matches!(&waiting, Progress::Waiting { holder, .. } if holder == "one"), "{waiting:?}");
    let busy = run(&mut Task::default(), place.path(), Job::Verify { known: None });
    let problem = Problem::InUse { file: DATA.into(), holder: "one".into() };
    assert_eq!(busy, Progress::Problem { problem, sequence: 0 });
    let busy = run(&mut Task::default(), place.path(), format(PAGES));
    assert!(matches!(busy, Progress::Problem { problem: Problem::InUse { .. }, .. }), "{busy:?}");
    drop(one);
    let mut taken = false;
    for _ in 0..20 {
        taken |= matches!(two.step(place.path(), &go), Progress::Taken(_));
    }
    assert!(taken);
    drop(two);
    assert_eq!(place.wrong(None), [""; 0]);
}
