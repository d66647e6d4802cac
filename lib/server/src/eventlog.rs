//! Where an instance says what happens to it: the journal, or `errors/AMQERR01.LOG`.
//!
//! With a journal, entries go there and nowhere else, each with the fields by which it is found again:
//!
//! ```text
//! MESSAGE            id and sentence
//! MESSAGE_ID         the journal's identifier of the message: its explanation is found with it
//! PRIORITY           6 information, 4 warning, 3 error, 2 severe or the end of the process
//! SYSLOG_IDENTIFIER  miqmd
//! QMGR               the queue manager
//! MQ_ROLE            what the instance is: starting, standby, ...
//! MQ_EPOCH           its epoch, if it has one
//! MQ_HOST            the host, as the instance is shown
//! MQ_MESSAGE         the id, as in AMQ1401I
//! MQ_INSERT_...      each insert of the sentence
//! ```
//!
//! Without a journal, or for as long as it does not take entries, an active instance writes to the
//! `errors` directory of the queue manager, every other to that of the host: a standby must not touch
//! the shared directories, and an active that has lost its hold must not either. Writing to shared
//! storage is done by a thread of its own that nobody waits for; what it cannot take is counted and
//! dropped.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use miqm_messages::{Message, Severity, field_of_insert, message_id};
use miqm_sys::fs::{AppendFile, Owner};
use miqm_sys::journal::{self, Journal};
use miqm_sys::{IoError, clock, fs, proc};
use miqm_types::{Epoch, HostName, QmgrName, UtcTime};

use crate::spawn;

/// Entries that may wait for shared storage before they are dropped.
const WAITING_MAX: usize = 256;
/// Files of a log: the newest is 01.
const FILES: u32 = 3;
/// Mode of a log file.
const MODE: u32 = 0o660;

/// What the entries of a log have in common.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The queue manager.
    pub qmgr: QmgrName,
    /// The host.
    pub host: HostName,
    /// Owner of files that have to be made.
    pub owner: Owner,
    /// `<prefix>/errors`.
    pub local_dir: PathBuf,
    /// Whether the journal is to be used if there is one.
    pub journal: bool,
}

impl Origin {
    /// The origin of what an instance says that is started so.
    pub fn of(start: &crate::Start) -> Self {
        Self {
            qmgr: start.qmgr.clone(),
            host: start.host.clone(),
            owner: start.owner,
            local_dir: start.errors_dir.clone(),
            journal: start.journal,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Now {
    role: &'static str,
    epoch: Option<Epoch>,
    /// The `errors` directory of the queue manager and its largest file, in bytes; while active.
    shared: Option<(PathBuf, u64)>,
}

/// The log of an instance. Cheap to clone.
#[derive(Clone)]
pub struct EventLog(Arc<Inner>);

struct Inner {
    origin: Origin,
    journal: Option<Journal>,
    now: Mutex<Now>,
    shared: SyncSender<(PathBuf, u64, String)>,
    dropped: AtomicU64,
    /// Cleared when the instance has lost its hold: what still waits is not written then.
    may_write_shared: Arc<AtomicBool>,
}

impl EventLog {
    /// A log for an instance that has no role yet.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub fn new(origin: Origin) -> Result<Self, IoError> {
        let journal = origin.journal.then(|| Journal::open(Path::new(journal::SOCKET)).ok());
        Self::with(origin, journal.flatten())
    }

    fn with(origin: Origin, journal: Option<Journal>) -> Result<Self, IoError> {
        let (shared, lines) = sync_channel(WAITING_MAX);
        let owner = origin.owner;
        let may_write_shared = Arc::new(AtomicBool::new(true));
        let may = Arc::clone(&may_write_shared);
        spawn("errorlog", move || write_shared(&lines, owner, &may))?;
        let now = Mutex::new(Now { role: "starting", ..Now::default() });
        let dropped = AtomicU64::new(0);
        Ok(Self(Arc::new(Inner { origin, journal, now, shared, dropped, may_write_shared })))
    }

    fn now(&self) -> Now {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what the instance is from now on. `shared` is the `errors` directory of the queue manager
    /// and the size at which a file there is full, in bytes; only for an active instance.
    pub fn set(&self, role: &'static str, epoch: Option<Epoch>, shared: Option<(&Path, u64)>) {
        let shared = shared.map(|(dir, bytes)| (dir.to_owned(), bytes));
        *self.0.now.lock().unwrap_or_else(PoisonError::into_inner) = Now { role, epoch, shared };
    }

    /// From now on nothing is written to shared storage, not even what waits to be.
    pub fn leave_shared_storage(&self) {
        self.0.may_write_shared.store(false, Ordering::Release);
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner).shared = None;
    }

    /// Logs a message. Never waits for shared storage.
    pub fn log(&self, message: &Message) {
        let now = self.now();
        let to_journal = self.0.journal.as_ref();
        if to_journal.is_some_and(|to| to.send(&self.journal_entry(&now, message)).is_ok()) {
            return;
        }
        let entry = self.entry(&now, message, clock::utc_now());
        match &now.shared {
            None => {
                // There is nowhere left to say that the log of the host cannot be written.
                drop(append(
                    &self.0.origin.local_dir,
                    &entry,
                    LOCAL_BYTES_MAX,
                    self.0.origin.owner,
                ));
            }
            Some((dir, bytes)) => {
                let dropped = self.0.dropped.swap(0, Ordering::Relaxed);
                let entry = match dropped {
                    0 => entry,
                    n => format!("({n} entries before this one could not be written)\n{entry}"),
                };
                if self.0.shared.try_send((dir.clone(), *bytes, entry)).is_err() {
                    self.0.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
                }
            }
        }
    }

    fn entry(&self, now: &Now, message: &Message, at: UtcTime) -> String {
        let Origin { qmgr, host, .. } = &self.0.origin;
        let time = jiff::Timestamp::from_microsecond(at.0)
            .map_or_else(|_| at.0.to_string(), |t| format!("{t:.3}"));
        let mut text = format!(
            "{time} {id} QMGR({qmgr}) HOST({host}) PID({pid}) ROLE({role})",
            id = message.id_text(),
            pid = proc::pid(),
            role = now.role,
        );
        if let Some(epoch) = now.epoch {
            write!(text, " EPOCH({epoch})").expect("a string takes all");
        }
        let entry = message.entry();
        write!(
            text,
            "\n{message}\n  Explanation: {}\n  Response: {}\n\n",
            entry.explanation, entry.response
        )
        .expect("a string takes all");
        text
    }

    fn journal_entry(&self, now: &Now, message: &Message) -> journal::Entry {
        let id = message.id_text();
        let mut entry = journal::Entry::new()
            .field("MESSAGE", &format!("{id}: {message}"))
            .field("MESSAGE_ID", &message_id(message.id()))
            .field("PRIORITY", priority(message.severity()))
            .field("SYSLOG_IDENTIFIER", "miqmd")
            .field("QMGR", self.0.origin.qmgr.as_str())
            .field("MQ_ROLE", now.role);
        if let Some(epoch) = now.epoch {
            entry = entry.field("MQ_EPOCH", &epoch.to_string());
        }
        entry = entry.field("MQ_HOST", self.0.origin.host.as_str()).field("MQ_MESSAGE", &id);
        for (name, value) in message.inserts() {
            entry = entry.field(&field_of_insert(name), &value);
        }
        entry
    }
}

/// The priority of an entry in the journal, from 7, the lowest, to 0.
fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "6",
        Severity::Warning => "4",
        Severity::Error => "3",
        Severity::Severe | Severity::Terminate => "2",
    }
}

/// The size at which a file of the host's own log is full, in bytes.
const LOCAL_BYTES_MAX: u64 = 32 * 1024 * 1024;

fn write_shared(lines: &Receiver<(PathBuf, u64, String)>, owner: Owner, may: &AtomicBool) {
    while let Ok((dir, bytes_max, entry)) = lines.recv() {
        if !may.load(Ordering::Acquire) {
            return;
        }
        // The journal is not there, and the storage refuses: there is nobody left to tell.
        drop(append(&dir, &entry, bytes_max, owner));
    }
}

fn file_name(number: u32) -> String {
    format!("AMQERR{number:02}.LOG")
}

/// Appends an entry to `AMQERR01.LOG` in `dir`, in one write; rolls the files over when it is full.
fn append(dir: &Path, entry: &str, bytes_max: u64, owner: Owner) -> Result<(), IoError> {
    let newest = dir.join(file_name(1));
    let mut file = AppendFile::open(&newest, MODE, Some(owner))?;
    if file.len()? + entry.len() as u64 > bytes_max {
        drop(file);
        roll(dir, bytes_max, owner)?;
        file = AppendFile::open(&newest, MODE, Some(owner))?;
    }
    file.append(entry.as_bytes())
}

/// Renames the files, oldest first. Only one process of the host does it at a time; the others go on
/// with the file they find.
fn roll(dir: &Path, bytes_max: u64, owner: Owner) -> Result<(), IoError> {
    let path = dir.join("AMQERR.LCK");
    let Some(_one) = miqm_qmgr::runtime::lock_or_create(&path, owner)? else { return Ok(()) };
    let newest = dir.join(file_name(1));
    if fs::stat(&newest)?.size < bytes_max / 2 {
        return Ok(());
    }
    for number in (1..FILES).rev() {
        match fs::rename(&dir.join(file_name(number)), &dir.join(file_name(number + 1))) {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn owner() -> Owner {
        let caller = miqm_sys::user::caller().unwrap();
        Owner { uid: caller.uid, gid: caller.gid }
    }

    fn origin(local_dir: &Path) -> Origin {
        Origin {
            qmgr: "QM1".parse().unwrap(),
            host: "host1".parse().unwrap(),
            owner: owner(),
            local_dir: local_dir.to_owned(),
            journal: true,
        }
    }

    /// The fields of an entry in the journal's protocol, without those that have several lines.
    fn fields(bytes: &[u8]) -> Vec<(String, String)> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let pair = |line: &str| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        text.lines().map(|line| pair(line).expect(line)).collect()
    }

    #[test]
    fn an_entry_of_the_journal_has_the_fields_that_it_is_found_by() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        let log = EventLog::with(origin(dir.path()), Some(Journal::open(&path).unwrap())).unwrap();
        let mut bytes = vec![0; 1 << 16];
        assert_eq!(listener.recv(&mut bytes).unwrap(), 0);

        let qmgr: QmgrName = "QM1".parse().unwrap();
        log.log(&Message::InstanceStarting { qmgr: qmgr.clone() });
        let len = listener.recv(&mut bytes).unwrap();
        let starting = fields(&bytes[..len]);
        assert!(!starting.iter().any(|(name, _)| name == "MQ_EPOCH"), "{starting:?}");
        assert!(starting.contains(&("PRIORITY".into(), "6".into())));

        log.set("active", Some(Epoch(7)), None);
        log.log(&Message::HoldLost { qmgr, why: "master\nis gone".into() });
        let len = listener.recv(&mut bytes).unwrap();
        let found = fields(&bytes[..len]);
        let sentence = found[0].1.clone();
        assert!(sentence.starts_with("AMQ1410S: This instance ends at once"), "{sentence}");
        let expected = [
            ("MESSAGE", sentence.as_str()),
            ("MESSAGE_ID", "6d69716d2d6d65737361676500000582"),
            ("PRIORITY", "2"),
            ("SYSLOG_IDENTIFIER", "miqmd"),
            ("QMGR", "QM1"),
            ("MQ_ROLE", "active"),
            ("MQ_EPOCH", "7"),
            ("MQ_HOST", "host1"),
            ("MQ_MESSAGE", "AMQ1410S"),
            ("MQ_INSERT_QMGR", "QM1"),
            ("MQ_INSERT_WHY", "master\\nis gone"),
        ];
        let expected: Vec<_> =
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(found, expected);
        assert!(!dir.path().join(file_name(1)).exists(), "the journal has it");
    }

    #[test]
    fn what_the_journal_does_not_take_is_in_the_log_of_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        let log = EventLog::with(origin(dir.path()), Some(Journal::open(&path).unwrap())).unwrap();
        drop(listener);
        log.log(&Message::InstanceStarting { qmgr: "QM1".parse().unwrap() });
        let text = std::fs::read_to_string(dir.path().join(file_name(1))).unwrap();
        assert!(text.contains("AMQ1400I QMGR(QM1) HOST(host1)"), "{text}");
    }

    #[test]
    fn three_files_roll_over() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..40 {
            append(dir.path(), &format!("entry {n:02} {}\n", "x".repeat(100)), 1000, owner())
                .unwrap();
        }
        let text = |n| std::fs::read_to_string(dir.path().join(file_name(n))).unwrap();
        assert!(text(1).contains("entry 39"));
        assert!(text(1).len() <= 1000 && text(2).len() <= 1000 && text(3).len() <= 1000);
        let all = [text(3), text(2), text(1)].concat();
        let numbers: Vec<&str> = all.lines().map(|line| &line[6..8]).collect();
        assert!(numbers.is_sorted() && numbers.len() > 16, "{numbers:?}");
        assert!(!dir.path().join(file_name(4)).exists());
    }
}
