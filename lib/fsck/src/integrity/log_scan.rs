//! Reading the log: a chain of records in which nothing may be missing but the last.

use miqm_types::PAGE_BYTES;

use super::LOG;
use super::job::run_text;
use super::layout::{Layout, Method};
use super::page::RunId;
use super::record::{Entry, FIRST_RECORD, RECORD, RECORD_BYTES, Record, UNKNOWN};
use super::survey::{Survey, Takeover};
use crate::finding::Evidence;

/// What is kept of an epoch, however many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) epoch: u32,
    /// The last sequence before it.
    pub(super) taken: u64,
}

/// The state of reading.
#[derive(Debug)]
pub(super) struct LogScan {
    run: RunId,
    layout: Layout,
    /// Where the next record is.
    pub(super) offset: u64,
    /// The length of the file.
    len: u64,
    /// All epochs, in order.
    pub(super) epochs: Vec<Begun>,
    /// The last sequence that was begun.
    pub(super) last: u64,
    /// The last good record.
    pub(super) last_entry: Option<Entry>,
    /// Where a record goes that is appended.
    pub(super) end: u64,
    /// The last markers, by number and epoch, the newest first.
    markers: [Option<(u64, u32)>; 3],
    /// Whether directories can be synced, as far as was tried.
    pub(super) names_synced: bool,
    /// Who wrote the last record.
    host: String,
    /// How the pages of each region, and the small writes, were really made durable.
    regions: [Method; 5],
    small: [Method; 3],
    /// A record was not what it should be, so what it stood for is not missed again.
    forgive: bool,
}

impl LogScan {
    /// Of a log of so many bytes.
    pub(super) fn new(run: RunId, layout: Layout, len: u64) -> Self {
        Self {
            run,
            layout,
            offset: FIRST_RECORD,
            len,
            epochs: Vec::new(),
            last: 0,
            last_entry: None,
            end: FIRST_RECORD,
            markers: [None; 3],
            names_synced: true,
            host: String::new(),
            regions: Method::ALL,
            small: Method::ANYWHERE,
            forgive: false,
        }
    }

    /// The number of the last epoch; 0 if there was none.
    pub(super) fn epoch(&self) -> u32 {
        self.epochs.last().map_or(0, |begun| begun.epoch)
    }

    /// Takes the next bytes of the file; `false` at its end.
    pub(super) fn feed(&mut self, bytes: &[u8], survey: &mut Survey) -> bool {
        for slot in bytes.chunks(RECORD) {
            let offset = self.offset;
            self.offset += slot.len() as u64;
            match Record::read(slot, &self.run) {
                Some(record) if record.offset == offset => {
                    self.take(record, offset, survey);
                    self.end = offset + RECORD_BYTES;
                }
                Some(record) => {
                    let note =
                        format!("a record that belongs at byte {} stands here", record.offset);
                    survey.note("int.log", at(offset, note));
                    self.forgive = true;
                }
                // Only one record is in flight at a time, so only the last may be in part there.
                None if offset + RECORD_BYTES >= self.len => {
                    survey.tolerate(format!(
                        "the last record of {LOG}, at byte {offset}, was not acknowledged and is not \
                         whole"
                    ));
                }
                None => {
                    let zero = slot.iter().all(|byte| *byte == 0);
                    let what = if zero { "zeros are" } else { "something else is" };
                    let note = format!("{what} where a record that was synced belongs");
                    survey.note("int.log", at(offset, note));
                    self.forgive = true;
                }
            }
        }
        self.offset < self.len && !bytes.is_empty()
    }

    fn take(&mut self, record: Record, offset: u64, survey: &mut Survey) {
        let epoch = self.epoch();
        if record.entry == Entry::Epoch {
            self.begin(&record, offset, survey);
        } else if record.epoch < epoch {
            let note = format!(
                "{} wrote this record of epoch {}, sequence {}, after epoch {epoch} had begun",
                record.host, record.epoch, record.sequence
            );
            survey.note("int.epoch", at(offset, note));
            // It is not part of the chain.
            self.forgive = true;
            return;
        } else if record.epoch > epoch {
            let note = format!(
                "epoch {} goes on here, but its beginning was overwritten by epoch {epoch}",
                record.epoch
            );
            survey.note("int.epoch", at(offset, note));
            let taken = record.sequence.saturating_sub(u64::from(record.entry == Entry::Sequence));
            self.epochs.push(Begun { epoch: record.epoch, taken });
            self.last = taken;
        }
        match record.entry {
            Entry::Sequence => self.sequence(&record, offset, survey),
            Entry::Marker => {
                let [newest, other, _] = self.markers;
                self.markers = [Some((record.page, record.epoch)), newest, other];
                if record.flags & Record::NO_DIR_SYNC != 0 {
                    self.names_synced = false;
                }
                self.same_sequence(&record, offset, survey);
            }
            Entry::End => self.same_sequence(&record, offset, survey),
            Entry::Epoch => {}
        }
        self.last_entry = Some(record.entry);
        self.host = record.host;
        self.forgive = false;
    }

    fn begin(&mut self, record: &Record, offset: u64, survey: &mut Survey) {
        let epoch = self.epoch();
        if record.epoch != epoch.saturating_add(1) {
            let note = format!("epoch {} begins here, after epoch {epoch}", record.epoch);
            survey.note("int.epoch", at(offset, note));
        }
        if record.sequence != self.last {
            let note = format!(
                "epoch {} began after sequence {}, but sequence {} stands before it",
                record.epoch, record.sequence, self.last
            );
            if !self.forgive {
                survey.note("int.log", at(offset, note));
            }
            self.last = record.sequence;
        }
        let micros = (record.extra != UNKNOWN).then_some(record.extra);
        survey.took_over(Takeover {
            run: run_text(&self.run),
            epoch: record.epoch,
            host: record.host.clone(),
            from: std::mem::take(&mut self.host),
            sequence: record.sequence,
            time: record.time,
            seconds: micros.map(|micros| std::time::Duration::from_micros(micros).as_secs_f64()),
            orderly: record.flags & Record::ORDERLY != 0,
        });
        survey.epochs = survey.epochs.saturating_add(1);
        if record.epoch > epoch {
            self.epochs.push(Begun { epoch: record.epoch, taken: record.sequence });
        }
    }

    fn sequence(&mut self, record: &Record, offset: u64, survey: &mut Survey) {
        let expected = self.last.saturating_add(1);
        if record.sequence != expected && !self.forgive {
            let note = if record.sequence <= self.last {
                format!("sequence {} comes again after {}", record.sequence, self.last)
            } else {
                format!("sequence {} comes here, sequence {expected} is missing", record.sequence)
            };
            survey.note("int.log", at(offset, note));
        } else if record.page != self.layout.page(record.sequence) {
            let note = format!(
                "sequence {} is said to be in page {}, its page is {}",
                record.sequence,
                record.page,
                self.layout.page(record.sequence)
            );
            survey.note("int.log", at(offset, note));
        }
        if let Some(method) = Method::from_byte(record.page_method) {
            self.regions[Layout::method(record.sequence).at()] = method;
        }
        if let Some(method) = record.durable_by() {
            self.small[Layout::small_place(record.sequence)] = method;
        }
        // What was synced and is missing is told once.
        self.last = self.last.max(record.sequence);
    }

    fn same_sequence(&self, record: &Record, offset: u64, survey: &mut Survey) {
        if record.sequence != self.last && !self.forgive {
            let note = format!(
                "a record made after sequence {} comes after sequence {}",
                record.sequence, self.last
            );
            survey.note("int.log", at(offset, note));
        }
    }

    /// The epochs in which the page of a sequence may have been written last, the first and the last:
    /// the one it belongs to, or the one that began after it and wrote it again.
    pub(super) fn epochs_of(&self, sequence: u64) -> (u32, u32) {
        let before = self.epochs.partition_point(|begun| begun.taken < sequence);
        let until = self.epochs.partition_point(|begun| begun.taken <= sequence);
        let own = before.checked_sub(1).map_or(0, |at| self.epochs[at].epoch);
        if until == before {
            return (own, own);
        }
        let again = self.epochs[until - 1].epoch;
        // Whether the last one came to writing it is not known if it came to nothing else.
        let unsure = until == self.epochs.len() && self.last_entry == Some(Entry::Epoch);
        (if unsure { own } else { again }, again)
    }

    /// How the page of a sequence was made durable.
    pub(super) fn method(&self, sequence: u64) -> Method {
        self.regions[Layout::method(sequence).at()]
    }

    /// How the record and the checkpoint of a sequence were made durable.
    pub(super) fn small_method(&self, sequence: u64) -> Method {
        self.small[Layout::small_place(sequence)]
    }

    /// The number and the epoch of the last marker (0), the one before (1) or the one before that (2).
    pub(super) fn marker(&self, back: usize) -> Option<(u64, u32)> {
        self.markers.get(back).copied().flatten()
    }

    /// The host that wrote the last record; empty if there is none.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The last sequence before the last epoch.
    pub(super) fn taken(&self) -> u64 {
        self.epochs.last().map_or(0, |begun| begun.taken)
    }
}

fn at(offset: u64, note: String) -> Evidence {
    let page = Some(offset / u64::from(PAGE_BYTES));
    Evidence { offset: Some(offset), page, ..Evidence::note(note) }.file(LOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunId = *b"0123456789abcdef";

    /// A log in memory.
    #[derive(Clone, Default)]
    struct Log {
        records: Vec<Record>,
    }

    impl Log {
        fn add(mut self, entry: Entry, epoch: u32, sequence: u64) -> Self {
            let offset = FIRST_RECORD + RECORD_BYTES * self.records.len() as u64;
            let layout = Layout::of(16).unwrap();
            let page = if entry == Entry::Sequence { layout.page(sequence) } else { 0 };
            let host = format!("host{epoch}");
            let (own_method, page_method, flags, time, extra) = (1, 1, 0, 0, UNKNOWN);
            self.records.push(Record {
                entry,
                own_method,
                page_method,
                flags,
                epoch,
                sequence,
                page,
                time,
                extra,
                offset,
                host,
            });
            self
        }

        fn bytes(&self) -> Vec<u8> {
            self.records.iter().flat_map(|record| record.bytes(&RUN)).collect()
        }

        fn scan(&self) -> (LogScan, Survey) {
            scan(&self.bytes())
        }
    }

    fn scan(bytes: &[u8]) -> (LogScan, Survey) {
        let mut survey = Survey::default();
        let len = FIRST_RECORD + bytes.len() as u64;
        let mut log = LogScan::new(RUN, Layout::of(16).unwrap(), len);
        assert!(!log.feed(bytes, &mut survey));
        (log, survey)
    }

    fn wrong(survey: &Survey) -> Vec<(&str, u64)> {
        survey.wrong.iter().map(|(id, wrong)| (id.as_str(), wrong.count)).collect()
    }

    fn two_epochs() -> Log {
        use Entry::{Epoch, Sequence};
        let log = Log::default().add(Epoch, 1, 0).add(Sequence, 1, 1).add(Sequence, 1, 2);
        log.add(Epoch, 2, 2).add(Sequence, 2, 3)
    }

    #[test]
    fn a_good_log_has_nothing_wrong() {
        let (log, survey) = two_epochs().scan();
        assert_eq!(wrong(&survey), []);
        assert_eq!((log.last, log.epoch(), log.taken()), (3, 2, 2));
        assert_eq!(log.epochs_of(1), (1, 1));
        assert_eq!(log.epochs_of(2), (2, 2));
        assert_eq!(log.epochs_of(3), (2, 2));
        assert_eq!(survey.takeovers[1].from, "host1");
        let (log, _) = Log::default().add(Entry::Epoch, 1, 0).add(Entry::Sequence, 1, 1).scan();
        assert_eq!(log.epochs_of(0), (1, 1));
        let (empty, survey) = scan(&[]);
        assert_eq!((empty.last, empty.epochs_of(0), survey.consistent()), (0, (0, 0), true));
    }

    #[test]
    fn the_page_of_the_last_sequence_may_be_of_either_epoch_right_after_a_takeover() {
        let mut log = two_epochs();
        log.records.pop();
        assert_eq!(log.scan().0.epochs_of(2), (1, 2));
    }

    #[test]
    fn only_the_last_record_may_be_in_part_there() {
        let bytes = two_epochs().bytes();
        for cut in 1..RECORD {
            let (log, survey) = scan(&bytes[..bytes.len() - cut]);
            assert_eq!((wrong(&survey), log.last), (vec![], 2));
            assert_eq!(log.end, FIRST_RECORD + 4 * RECORD_BYTES);
        }
        for record in 0..5 {
            let mut bytes = bytes.clone();
            bytes[record * RECORD..(record + 1) * RECORD].fill(0);
            let (_, survey) = scan(&bytes);
            assert_eq!(survey.consistent(), record == 4, "{record}");
        }
    }

    #[test]
    fn gaps_and_repeats_are_found() {
        for gone in [1, 2] {
            let mut log = two_epochs();
            log.records.remove(gone);
            let (mut all, mut at) = (Log::default(), log.records.into_iter());
            all.records.extend(at.by_ref());
            for (n, record) in (0..).zip(&mut all.records) {
                record.offset = FIRST_RECORD + RECORD_BYTES * n;
            }
            assert_eq!(wrong(&all.scan().1), [("int.log", 1)], "{gone}");
        }
        let again = two_epochs().add(Entry::Sequence, 2, 3);
        assert_eq!(wrong(&again.scan().1), [("int.log", 1)]);
    }

    #[test]
    fn a_record_of_an_older_epoch_is_a_late_writer() {
        // Over the beginning of the epoch, over a sequence of it, and after its end.
        for place in [3, 4, 5] {
            let mut log = two_epochs().add(Entry::Sequence, 2, 4).add(Entry::Sequence, 2, 5);
            let late = Log::default().add(Entry::Sequence, 1, 3).records.remove(0);
            let offset = FIRST_RECORD + RECORD_BYTES * place;
            log.records[usize::try_from(place).unwrap()] = Record { offset, ..late };
            let (_, survey) = log.scan();
            let ids: Vec<_> = survey.wrong.keys().collect();
            assert_eq!(ids, ["int.epoch"], "{place}: {survey:?}");
        }
    }

    #[test]
    fn garbage_does_no_harm() {
        for seed in 0..200 {
            let mut bytes = two_epochs().bytes();
            let noise = crate::call::seeded(seed, 48);
            for place in noise.chunks(3) {
                let at = usize::from(place[0]) * 256 + usize::from(place[1]);
                let len = bytes.len();
                bytes[at % len] = place[2];
            }
            let (log, _) = scan(&bytes[..bytes.len() - usize::from(noise[0])]);
            assert!(log.last <= 3);
        }
    }
}
