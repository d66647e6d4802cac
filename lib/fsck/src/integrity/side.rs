//! Reading the files of the methods: in each, a record of every fifth sequence, and nothing that was made
//! durable in another way.

use miqm_sys::probe::Dir;

use super::files::{CHUNK, ENOENT, Reader};
use super::layout::{Layout, Method};
use super::log_scan::LogScan;
use super::page::RunId;
use super::record::{FIRST_RECORD, RECORD, RECORD_BYTES, Record};
use super::survey::Survey;
use crate::finding::Evidence;

/// How far reading is.
#[derive(Debug, Default)]
pub(super) struct Sides {
    /// The place of the method in [`Method::ALL`].
    pub(super) method: usize,
    reader: Option<Reader>,
    /// The next record.
    place: u64,
}

impl Sides {
    /// Where reading goes on after the file of a method.
    pub(super) fn after(method: usize) -> Self {
        Self { method: method + 1, ..Self::default() }
    }

    /// Reads on; `false` at the end of the file.
    pub(super) fn read(
        &mut self,
        dir: &Dir,
        method: Method,
        run: &RunId,
        log: &LogScan,
        survey: &mut Survey,
    ) -> bool {
        let name = method.file();
        let mut reader = match self.reader.take().map_or_else(|| Reader::open(dir, name), Ok) {
            Ok(reader) => reader,
            Err(ENOENT) => {
                let note = "it was made durable with its directory, and is not there";
                survey.note("int.names", Evidence::note(note).file(name).errno(ENOENT));
                return false;
            }
            Err(errno) => {
                let evidence = Evidence { call: "open".into(), ..Evidence::default() };
                survey.note("int.log", evidence.file(name).errno(errno));
                return false;
            }
        };
        let at = FIRST_RECORD + self.place * RECORD_BYTES;
        let bytes = match reader.read(dir, at, CHUNK) {
            Ok(bytes) => bytes,
            Err(errno) => {
                let evidence = Evidence { call: "pread".into(), ..Evidence::default() };
                survey.note("int.log", evidence.file(name).errno(errno).offset(at));
                return false;
            }
        };
        survey.bytes += bytes.len() as u64;
        let more = bytes.len() == CHUNK;
        for slot in bytes.chunks_exact(RECORD) {
            self.judge(slot, method, run, log, survey);
            self.place += 1;
        }
        self.reader = Some(reader);
        if !more {
            self.judge_end(method, log, survey);
        }
        more
    }

    fn judge(&self, slot: &[u8], method: Method, run: &RunId, log: &LogScan, survey: &mut Survey) {
        let sequence = Layout::sequence_of(method, self.place);
        let offset = FIRST_RECORD + self.place * RECORD_BYTES;
        let evidence = |note: String| Evidence::note(note).file(method.file()).offset(offset);
        let record = Record::read(slot, run)
            .filter(|record| (record.sequence, record.offset) == (sequence, offset));
        let (first, last) = log.epochs_of(sequence);
        match record {
            Some(record) if sequence > log.last => {
                let late = record.epoch < log.epoch();
                let what = format!(
                    "sequence {sequence} of {}; the log ends with {}",
                    record.host, log.last
                );
                survey.note(if late { "int.epoch" } else { "int.order" }, evidence(what));
            }
            Some(record) if !(first..=last).contains(&record.epoch) => {
                let what = format!(
                    "{} wrote sequence {sequence} in epoch {}, after epoch {last} had written it",
                    record.host, record.epoch
                );
                survey.note("int.epoch", evidence(what));
            }
            Some(_) => {}
            None if sequence <= survey.acknowledged => {
                let real = log.method(sequence);
                let zero = slot.iter().all(|byte| *byte == 0);
                let what = if zero { "zeros" } else { "something else" };
                let words = real.words();
                let note = format!("sequence {sequence}, acknowledged by {words}, has {what}");
                survey.note(real.check(), evidence(note.clone()));
                survey.note("int.acknowledged", evidence(note));
            }
            None => {
                survey.tolerate(format!(
                    "the record of sequence {sequence} in {}, which was not acknowledged, is not whole",
                    method.file()
                ));
            }
        }
    }

    /// What must be there and is beyond the end of the file.
    fn judge_end(&self, method: Method, log: &LogScan, survey: &mut Survey) {
        let sequence = Layout::sequence_of(method, self.place);
        if sequence > survey.acknowledged {
            return;
        }
        let (real, offset) = (log.method(sequence), FIRST_RECORD + self.place * RECORD_BYTES);
        let note = format!(
            "the file ends before sequence {sequence}, which was acknowledged by {}",
            real.words()
        );
        let evidence = Evidence::note(note).file(method.file()).offset(offset);
        survey.note(real.check(), evidence.clone());
        survey.note("int.acknowledged", evidence);
    }
}
