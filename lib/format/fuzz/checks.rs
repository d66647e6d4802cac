//! What must hold of any bytes, for the fuzz targets and for `tests/any_bytes.rs`: each function
//! panics if it does not.
//!
//! A checksum keeps random bytes from getting far, so those formats are tried twice: as the
//! bytes are, and with letters, version and checksum put right.

#![allow(dead_code, reason = "each fuzz target uses one of the functions")]

use miqm_format::catalogue::{self, SnapshotHeader, SnapshotRef};
use miqm_format::control::Control;
use miqm_format::extent::{ExtentHeader, ExtentStart};
use miqm_format::frame::{self, Decoder};
use miqm_format::lockrec::{LOCK_RECORD_BYTES, LockSlot};
use miqm_format::object::ObjectImage;
use miqm_format::provision::Provision;
use miqm_format::record::{self, Record};
use miqm_format::stanza::Document;
use miqm_format::{control, extent};
use miqm_types::{Lsn, PAGE_BYTES};

const PAGE: usize = PAGE_BYTES as usize;

/// What is wrong is told with a place in the file, and not without end; what is right is within bounds.
pub(crate) fn provision(bytes: &[u8]) {
    match Provision::parse(bytes) {
        Ok(found) => {
            assert!(found.lines.values().all(|line| *line >= 1));
            assert!(found.storage().iter().all(|path| path.is_absolute()));
        }
        Err(problems) => {
            assert!((1..=20).contains(&problems.len()), "{problems:?}");
            let lines = bytes.split(|byte| *byte == b'\n').count();
            for problem in problems {
                assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{problem:?}");
                assert!(problem.why.to_string().len() < 2000, "{problem:?}");
            }
        }
    }
}

/// The last bytes say what to edit; the rest is a file. What is read is written back as it was,
/// and an edit that is accepted reads back as just that edit.
pub(crate) fn stanza(bytes: &[u8]) {
    let (bytes, edit) = bytes.split_at(bytes.len() - bytes.len() / 4);
    let Ok(mut document) = Document::parse(bytes) else { return };
    assert_eq!(document.to_bytes(), bytes, "what is not edited stays");

    let edit = String::from_utf8_lossy(edit);
    let mut words = edit.splitn(3, '\n');
    let mut word = || words.next().unwrap_or_default();
    let (name, key, value) = (word(), word(), word());
    let mut expected = settings(&document);
    if let Some(stanza) = document.find_mut(name, |_| true)
        && stanza.set(key, value).is_ok()
    {
        let changed = expected.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name));
        let changed = &mut changed.expect("it was found").1;
        match changed.iter_mut().rfind(|(k, _)| k.eq_ignore_ascii_case(key)) {
            Some(setting) => value.clone_into(&mut setting.1),
            None => changed.push((key.to_owned(), value.to_owned())),
        }
    }
    if let Ok(stanza) = document.push_stanza(key) {
        let value = if stanza.set(name, value).is_ok() {
            vec![(name.to_owned(), value.to_owned())]
        } else {
            vec![]
        };
        expected.push((key.to_owned(), value));
    }
    assert_eq!(settings(&document), expected);
    reread(&document, &expected);

    for stanza in document.stanzas_mut(name) {
        stanza.remove(key);
    }
    for (n, settings) in &mut expected {
        settings.retain(|(k, _)| !n.eq_ignore_ascii_case(name) || !k.eq_ignore_ascii_case(key));
    }
    reread(&document, &expected);
    document.remove_stanzas(key, |_| true);
    expected.retain(|(n, _)| !n.eq_ignore_ascii_case(key));
    reread(&document, &expected);
}

type Settings = Vec<(String, Vec<(String, String)>)>;

fn settings(document: &Document) -> Settings {
    let pair = |s: miqm_format::stanza::Setting<'_>| (s.key.to_owned(), s.value.to_owned());
    document.all().map(|s| (s.name().to_owned(), s.settings().map(pair).collect())).collect()
}

fn reread(document: &Document, expected: &Settings) {
    // An edit may make a file longer than what is read.
    if let Ok(again) = Document::parse(&document.to_bytes()) {
        assert_eq!(&settings(&again), expected, "an edit reads back");
    } else {
        let bytes = document.to_bytes().len();
        assert!(bytes > miqm_format::stanza::FILE_BYTES_MAX, "an edit of {bytes} bytes reads back");
    }
}

/// A record that is accepted is the one its own bytes say.
pub(crate) fn lockrec(bytes: &[u8]) {
    lock_slot(bytes);
    let mut whole = [0; LOCK_RECORD_BYTES];
    whole.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    whole[..6].copy_from_slice(b"MQLK\x01\0");
    let sum = crc32c::crc32c_append(crc32c::crc32c(&whole[..8]), &whole[12..]);
    whole[8..12].copy_from_slice(&sum.to_le_bytes());
    lock_slot(&whole);
}

fn lock_slot(bytes: &[u8]) {
    if let LockSlot::Present(record) = LockSlot::decode(bytes) {
        assert_eq!(LockSlot::decode(&record.encode()), LockSlot::Present(record));
    }
}

/// The first byte is the size of the chunks. Frames that are read print as what was read, and
/// no more than one body is held.
pub(crate) fn frame(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let mut decoder = Decoder::new();
    let mut printed = Vec::new();
    for mut chunk in bytes.chunks(usize::from(*size) + 1) {
        loop {
            match decoder.feed(&mut chunk) {
                Ok(Some(frame)) => {
                    let frame = frame::encode(frame.kind, &frame.body);
                    printed.extend(frame.expect("what was read is short enough"));
                }
                Ok(None) => break,
                Err(bad) => {
                    assert!(bad.len_bytes > frame::BODY_BYTES_MAX as u64);
                    assert!(bytes.starts_with(&printed));
                    return;
                }
            }
        }
        assert!(chunk.is_empty());
    }
    assert!(bytes.starts_with(&printed));
    assert_eq!(decoder.is_between_frames(), printed.len() == bytes.len());
}

/// The first eight bytes are the position, the next four the salt.
pub(crate) fn record(bytes: &[u8]) {
    let Some((at, rest)) = bytes.split_first_chunk() else { return };
    let Some((salt, rest)) = rest.split_first_chunk() else { return };
    let (at, salt) = (Lsn(u64::from_le_bytes(*at)), u32::from_le_bytes(*salt));
    record_at(at, salt, rest);
    let Some(len) = Record::announced_bytes(rest) else { return };
    let mut whole = rest.to_vec();
    whole.resize(whole.len().max(len), 0);
    whole[14] = record::VERSION;
    whole[16..24].copy_from_slice(&at.0.to_le_bytes());
    assert!(Record::claims(at, &whole));
    let (this, _) = whole.split_at_mut(len);
    record::seal(salt, this);
    record_at(at, salt, &whole);
}

fn record_at(at: Lsn, salt: u32, bytes: &[u8]) {
    let Ok(record) = Record::decode(at, salt, bytes) else { return };
    assert_eq!(Record::announced_bytes(bytes), Some(record.total_bytes));
    assert!(record.total_bytes <= record::RECORD_BYTES_MAX);
    assert!(record.end() >= at);
    let mut again = Vec::new();
    record::encode(&record.header, record.body, &mut again);
    record::seal(salt, &mut again);
    let again = Record::decode(at, salt, &again).expect("what was read can be written");
    assert_eq!((again.header, again.body), (record.header, record.body));
    let _ = ExtentStart::decode(record.body);
}

/// A header that is accepted is the one its own bytes say.
pub(crate) fn extent(bytes: &[u8]) {
    for page in [bytes.to_vec(), page(bytes, extent::MAGIC, extent::VERSION)] {
        if let Ok(header) = ExtentHeader::decode(&page) {
            assert_eq!(ExtentHeader::decode(&header.encode()), Ok(header));
        }
    }
}

/// A slot that is accepted is the one its own bytes say.
pub(crate) fn control(bytes: &[u8]) {
    for page in [bytes.to_vec(), page(bytes, control::MAGIC, control::VERSION)] {
        if let Ok(slot) = Control::decode(&page) {
            assert_eq!(Control::decode(&slot.encode()), Ok(slot));
        }
    }
}

/// An object that is accepted is the one its own bytes say, and they say it in the only way.
pub(crate) fn object(bytes: &[u8]) {
    let Ok(image) = ObjectImage::decode(bytes) else { return };
    let mut again = Vec::new();
    image.encode(&mut again).expect("what was read can be written");
    assert_eq!(again, bytes);
    for (id, value) in &image.attrs {
        assert_eq!(image.attr(*id), Some(value));
    }
}

/// A page of a snapshot that is accepted is the one its own bytes say; an entry likewise.
pub(crate) fn catalogue(bytes: &[u8]) {
    for page in [bytes.to_vec(), page(bytes, catalogue::MAGIC, catalogue::VERSION)] {
        if let Ok(header) = SnapshotHeader::decode(&page) {
            assert_eq!(SnapshotHeader::decode(&header.encode()), Ok(header));
            let reference = header.reference();
            assert_eq!(SnapshotRef::decode(&reference.encode()), Some(reference));
            let name = reference.file_name();
            assert_eq!(catalogue::from_file_name(&name), Some((header.epoch, header.seq)));
        }
    }
    if let Ok((image, rest)) = catalogue::decode_entry(7, bytes) {
        let mut again = Vec::new();
        catalogue::encode_entry(7, image, &mut again);
        assert_eq!([&again, rest].concat(), bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some((epoch, seq)) = catalogue::from_file_name(text)
    {
        assert_eq!(catalogue::file_name(epoch, seq), text);
    }
}

/// Bytes made a page with the right letters, version and checksum.
fn page(bytes: &[u8], magic: [u8; 8], version: u32) -> Vec<u8> {
    let mut page = bytes.to_vec();
    page.resize(PAGE, 0);
    page[..8].copy_from_slice(&magic);
    page[8..12].copy_from_slice(&version.to_le_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c(&page[..12]), &page[16..]);
    page[12..16].copy_from_slice(&sum.to_le_bytes());
    page
}
