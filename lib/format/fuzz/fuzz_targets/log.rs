//! A log of two epochs is damaged, then recovered: either recovery refuses it, or it gives records
//! that were logged, and all of them up to where the log is known to be durable.
//!
//! The bytes are patches: a file, an offset of 24 bits, a length, and what is written there. A
//! patch may also cut a file, and have a page's checksum put right.
#![no_main]

#[path = "../memory.rs"]
mod memory;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use memory::{Image, Memory};
use miqm_sys::clock::BootInstant;
use miqm_types::{InstanceId, LogGeometry, LogType, Lsn, PAGE_BYTES, QmgrId, QmgrName};
use miqm_wal::{Activation, Creation, Entry, Hold, Identity, Kind, Lost, Recovery, create};

const PAGE: usize = PAGE_BYTES as usize;
const QMGR: QmgrId = QmgrId([7; 16]);
/// Bits of a patch's first byte: cut the file there; put right the checksum of the page.
const CUT: u8 = 0x80;
const SEAL: u8 = 0x40;

type Records = BTreeMap<Lsn, (Kind, Vec<u8>)>;

/// A log, and what is in it.
struct Sample {
    directory: Image,
    active: Image,
    records: Records,
    end: Lsn,
    name: QmgrName,
}

struct Free;

impl Hold for Free {
    fn before_write(&self) -> Result<(), Lost> {
        Ok(())
    }

    fn before_ack(&self, _: BootInstant) -> Result<(), Lost> {
        Ok(())
    }

    fn proven(&self, _: BootInstant) {}
}

fn activation() -> Activation<'static> {
    let instance = InstanceId([1; 16]);
    Activation { instance, hold: Arc::new(Free), files: None, body: b"who", background: false }
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let name: QmgrName = "QM1".parse().expect("a name");
    let (directory, active) = (Memory::default(), Memory::default());
    let geometry = LogGeometry::new(64, 2, 2).expect("small");
    let log_type = LogType::Circular;
    let creation = Creation { name: name.clone(), qmgr: QMGR, salt: 99, geometry, log_type };
    let log = create(directory.clone(), active.clone(), &creation, activation()).expect("made");
    let append = |log: &miqm_wal::Log<Memory>, n: usize| {
        let body = vec![u8::try_from(n % 251).expect("small"); n * 97 % 1500];
        let entry = Entry { kind: Kind(100), uow: 0, uow_prev: Lsn::ZERO, body: &body };
        let appended = log.append(&[entry, entry]).expect("there is room");
        if n % 3 == 0 {
            log.force(appended.end).expect("memory does not fail");
        }
        appended.first
    };
    for n in 0..20 {
        append(&log, n);
    }
    let begin = append(&log, 20);
    log.checkpoint(begin, begin, b"saved").expect("there is room");
    for n in 21..40 {
        append(&log, n);
    }
    log.force(log.end()).expect("memory does not fail");
    log.abandon();
    drop(log);

    let identity = Identity { name: &name, qmgr: QMGR };
    let opened = Recovery::open(directory.clone(), active.clone(), identity, Lsn::ZERO);
    let ignore = &mut |_: &miqm_wal::Record<'_>| Ok::<(), Infallible>(());
    let recovered = opened.expect("whole").replay(&mut |_| (), ignore).expect("whole");
    let log = recovered.activate(activation()).expect("whole");
    for n in 40..60 {
        append(&log, n);
    }
    let end = log.close(7).expect("memory does not fail");

    let (directory, active) = (directory.image(), active.image());
    let (records, found) = recover(&directory, &active, &name, end).expect("whole");
    assert_eq!(found, end);
    assert!(records.len() > 60);
    Sample { directory, active, records, end, name }
});

/// The records of a log, and its end; `None` if recovery refuses it.
fn recover(
    directory: &Image,
    active: &Image,
    name: &QmgrName,
    durable: Lsn,
) -> Option<(Records, Lsn)> {
    let identity = Identity { name, qmgr: QMGR };
    let (directory, active) = (Memory::of(directory), Memory::of(active));
    let opened = Recovery::open(directory, active, identity, durable).ok()?;
    let mut records = Records::new();
    let mut apply = |record: &miqm_wal::Record<'_>| {
        let value = (record.header.kind, record.body.to_vec());
        let earlier = records.insert(record.header.lsn, value);
        assert!(earlier.is_none(), "a record twice");
        Ok::<(), Infallible>(())
    };
    let recovered = opened.replay(&mut |_| (), &mut apply).ok()?;
    let end = recovered.replayed().end;
    Some((records, end))
}

fn damage(sample: &Sample, mut patches: &[u8]) -> (Image, Image) {
    let (mut directory, mut active) = (sample.directory.clone(), sample.active.clone());
    while let Some((&[which, a, b, c, len], rest)) = patches.split_first_chunk() {
        let (bytes, rest) = rest.split_at(usize::from(len).min(rest.len()));
        patches = rest;
        let mut files: Vec<&mut Arc<Vec<u8>>> =
            directory.values_mut().chain(active.values_mut()).collect();
        let count = files.len();
        let file = Arc::make_mut(files[usize::from(which & !CUT & !SEAL) % count]);
        if file.is_empty() {
            continue;
        }
        let at = u32::from_le_bytes([a, b, c, 0]) as usize % file.len();
        if which & CUT != 0 {
            file.truncate(at);
            continue;
        }
        file[at..].iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let page = at / PAGE * PAGE;
        if which & SEAL != 0 && file.len() >= page + PAGE {
            let page = &mut file[page..page + PAGE];
            let sum = crc32c::crc32c_append(crc32c::crc32c(&page[..12]), &page[16..]);
            page[12..16].copy_from_slice(&sum.to_le_bytes());
        }
    }
    (directory, active)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let sample = &*SAMPLE;
    let (directory, active) = damage(sample, bytes);
    // Pages with a checksum that was put right can say anything; then it is enough not to panic.
    let honest = directory.iter().zip(&sample.directory).chain(active.iter().zip(&sample.active));
    let forged = honest.clone().any(|((_, new), (_, old))| {
        !Arc::ptr_eq(new, old)
            && new.chunks(PAGE).zip(old.chunks(PAGE)).any(|(new, old)| {
                new != old
                    && new.len() == PAGE
                    && crc32c::crc32c_append(crc32c::crc32c(&new[..12]), &new[16..]).to_le_bytes()
                        == new[12..16]
            })
    });
    for durable in [Lsn::ZERO, sample.end] {
        let Some((records, end)) = recover(&directory, &active, &sample.name, durable) else {
            continue;
        };
        if forged {
            continue;
        }
        // A damaged slot of the control file makes replay start at an earlier checkpoint.
        let start = records.keys().next().copied().unwrap_or(end);
        for (lsn, record) in &records {
            if let Some(logged) = sample.records.get(lsn) {
                assert_eq!(record, logged, "a record that was not logged at {lsn}");
            } else {
                assert!(lsn < sample.records.keys().next().expect("records"), "invented: {lsn}");
            }
        }
        let expected = sample.records.range(start..end).count();
        let found = records.range(sample.records.keys().next().expect("records")..).count();
        assert_eq!(found, expected, "a record was left out");
        if durable == sample.end {
            assert_eq!(end, sample.end, "durable records were left out");
        }
    }
});
