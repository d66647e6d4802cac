//! What the threads of an instance have in common.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError};
use std::time::Duration;

use miqm_format::lockrec::{LockRecord, State};
use miqm_messages::Message;
use miqm_qmgr::autoconf;
use miqm_qmgr::boot;
use miqm_qmgr::config::Settings;
use miqm_qmgr::identity::Identity;
use miqm_qmgr::instance::hold::Hold;
use miqm_qmgr::instance::role::Role;
use miqm_qmgr::layout;
use miqm_qmgr::runtime::{LocalRole, LocalStatus};
use miqm_sys::{clock, fs, proc, random};
use miqm_types::{BootId, Epoch, InstanceId, Lsn, QmgrId, QmgrName, UtcTime};

use crate::eventlog::EventLog;
use crate::keeper::EndState;
use crate::report::Report;
use crate::sessions::Sessions;
use crate::{Error, Start};

/// What the threads of an instance have in common. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

struct Inner {
    start: Start,
    log: EventLog,
    sessions: Sessions,
    identity: Mutex<Option<Identity>>,
    /// Whether it was said which settings are not known.
    warned: Once,
    error_log_bytes: AtomicU64,
    hold: Mutex<Option<Hold>>,
    instance: InstanceId,
    boot: BootId,
    pid_started: u64,
    since: Mutex<(Role, Option<Epoch>, UtcTime)>,
    beats: AtomicU64,
    /// Answers of the control socket that are being written.
    answering: Mutex<u32>,
    answered: Condvar,
}

impl std::ops::Deref for Shared {
    type Target = Start;

    fn deref(&self) -> &Start {
        &self.0.start
    }
}

impl Shared {
    pub(crate) fn new(start: Start, log: EventLog, sessions: Sessions) -> Result<Self, Error> {
        let pid_started = proc::start_time(proc::pid()).unwrap_or(0);
        Ok(Self(Arc::new(Inner {
            log,
            sessions,
            identity: Mutex::new(None),
            warned: Once::new(),
            error_log_bytes: AtomicU64::new(0),
            hold: Mutex::new(None),
            instance: InstanceId(random::bytes16()?),
            boot: proc::boot_id()?,
            pid_started,
            since: Mutex::new((Role::Starting, None, clock::utc_now())),
            beats: AtomicU64::new(0),
            answering: Mutex::new(0),
            answered: Condvar::new(),
            start,
        })))
    }

    pub(crate) fn log(&self, message: &Message) {
        self.0.log.log(message);
    }

    pub(crate) fn event_log(&self) -> &EventLog {
        &self.0.log
    }

    pub(crate) fn report(&self) -> &Report {
        &self.0.start.report
    }

    pub(crate) fn qmgr(&self) -> &QmgrName {
        &self.0.start.qmgr
    }

    pub(crate) fn instance(&self) -> InstanceId {
        self.0.instance
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// Makes sure that the data directory is the queue manager's own, and reads its settings. Touches
    /// `qmid` and `qm.ini` only.
    pub(crate) fn prepare(&self) -> Result<Settings, Error> {
        let file = self.data_dir.identity();
        let identity = Identity::expect(&file, &self.qmgr, self.expected_id)?;
        *lock(&self.0.identity) = Some(identity);
        let settings = autoconf::effective(&self.data_dir)?;
        self.0.warned.call_once(|| {
            for unknown in &settings.unknown {
                self.log(&Message::AttributeNotKnown {
                    attribute: unknown.key.clone().unwrap_or_else(|| unknown.stanza.clone()),
                    file: self.data_dir.qm_ini().display().to_string(),
                    line: unknown.line as u64,
                });
            }
        });
        let noted =
            boot::note(&self.boot_note, self.data_dir.path(), &settings.log.path, self.owner);
        if let Err(error) = noted {
            // It starts all the same; the next boot may not wait for the mount of its log.
            self.log(&Message::BootNoteFailed { why: error.to_string() });
        }
        self.0.error_log_bytes.store(settings.error_log_bytes_max, Ordering::Relaxed);
        Ok(settings)
    }

    /// Makes sure that the directories of the queue manager are there, and that its settings are those
    /// of its automatic files. Only after the locks were taken: a standby looks at nothing but the lock files.
    pub(crate) fn check_directories(&self) -> Result<(), Error> {
        for dir in [self.data_dir.objects(), self.data_dir.queues(), self.data_dir.errors()] {
            if fs::presence(&dir)? == fs::Presence::Absent {
                if !self.remake_dirs {
                    return Err(Error::MissingDirectory(dir));
                }
                fs::make_dir(&dir, layout::DIR_MODE, Some(self.owner))?;
                fs::sync_dir(self.data_dir.path())?;
            }
        }
        let applied = autoconf::at_start(&self.data_dir, self.owner)?;
        if let Some(why) = applied.and_then(|applied| applied.from_copies) {
            let why = why.to_string();
            self.log(&Message::AutoFromCopies { qmgr: self.qmgr().clone(), why });
        }
        Ok(())
    }

    pub(crate) fn qmgr_id(&self) -> QmgrId {
        lock(&self.0.identity).as_ref().map_or(QmgrId([0; 16]), |identity| identity.id)
    }

    pub(crate) fn set_hold(&self, hold: Hold) {
        *lock(&self.0.hold) = Some(hold);
    }

    pub(crate) fn hold(&self) -> Option<Hold> {
        lock(&self.0.hold).clone()
    }

    /// A lock record of this instance.
    pub(crate) fn record(&self, state: State, epoch: Epoch) -> LockRecord {
        LockRecord {
            state,
            permits_standby: self.multi_instance,
            multi_instance: self.multi_instance,
            successor_wanted: false,
            host: self.host.clone(),
            pid: proc::pid(),
            pid_started: self.0.pid_started,
            boot_id: self.0.boot,
            instance_id: self.0.instance,
            qmgr_id: self.qmgr_id(),
            epoch,
            since: lock(&self.0.since).2,
            beats: self.0.beats.fetch_add(1, Ordering::Relaxed),
            beat_time: clock::utc_now(),
            durable_lsn: Lsn::ZERO,
        }
    }

    /// Says that the keeper gets on.
    pub(crate) fn beat(&self) {
        self.0.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the keeper has said so.
    pub(crate) fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }

    /// Writes `qmstatus.ini`, for people and their scripts; nothing of ours decides by it, so that it
    /// cannot be written, on a full disk perhaps, ends nothing.
    pub(crate) fn note_status(&self, epoch: Epoch, end: Option<EndState>) {
        let state = match end {
            None => "Running",
            Some(EndState::Normal) => "EndedNormally",
            Some(EndState::Immediate) => "EndedImmediately",
            Some(EndState::Preemptive) => "EndedPreemptively",
        };
        let standby = match (end, self.multi_instance) {
            (Some(_), _) => "NotApplicable",
            (None, true) => "Permitted",
            (None, false) => "NotPermitted",
        };
        let text = format!(
            "QMStatus:\n   CreationState=Complete\n   State={state}\n   Standby={standby}\n   \
             Epoch={epoch}\n   Host={}\n   Since={}\n",
            self.host,
            clock::utc_now().0
        );
        let path = self.data_dir.qmstatus_ini();
        if let Err(error) = fs::replace(&path, text.as_bytes(), layout::INI_MODE, Some(self.owner))
        {
            self.log(&Message::StatusFileFailed { why: error.to_string() });
        }
    }

    /// Shows role and epoch to the local world, and to the log.
    pub(crate) fn publish(&self, role: Role, epoch: Option<Epoch>) {
        let since = {
            let mut since = lock(&self.0.since);
            if (since.0, since.1) != (role, epoch) {
                *since = (role, epoch, clock::utc_now());
            }
            since.2
        };
        let errors = self.data_dir.errors();
        let bytes = self.0.error_log_bytes.load(Ordering::Relaxed);
        let shared = (role.holds_locks() && role != Role::Recovering).then_some((&*errors, bytes));
        self.0.log.set(role.as_str(), epoch, shared);
        let local = match role {
            Role::Starting => LocalRole::Starting,
            Role::Standby => LocalRole::Standby,
            Role::Recovering => LocalRole::Recovering,
            Role::Active => LocalRole::Active,
            Role::Quiescing => LocalRole::Quiescing,
            Role::EndingPreemptively => LocalRole::EndingPreemptively,
            Role::EndingImmediately | Role::Stopped => LocalRole::EndingImmediately,
        };
        let status = LocalStatus {
            role: local,
            pid: proc::pid(),
            epoch,
            since,
            instance: self.0.instance,
            host: self.host.clone(),
            multi_instance: self.multi_instance,
        };
        // A full or vanished runtime directory must not end a queue manager.
        if let Err(error) = self.runtime.write_status(&status, self.owner) {
            self.0.log.log(&Message::RuntimeFileFailed { why: error.to_string() });
        }
    }

    /// Tells the local world whether this instance serves.
    pub(crate) fn show_serving(&self, serves: bool) {
        if let Err(error) = self.runtime.write_role(serves, self.owner) {
            self.0.log.log(&Message::RuntimeFileFailed { why: error.to_string() });
        }
    }

    /// Takes the socket away, last.
    pub(crate) fn withdraw(&self) {
        // The next instance replaces what is left.
        drop(fs::remove_file(&self.runtime.control()));
    }

    /// Counts an answer that is being written to a command.
    pub(crate) fn answering(&self) -> Answering {
        *lock(&self.0.answering) += 1;
        Answering(self.clone())
    }

    /// Waits until every answer has been written, but not for ever.
    pub(crate) fn wait_for_answers(&self, most: Duration) {
        let answering = lock(&self.0.answering);
        drop(self.0.answered.wait_timeout_while(answering, most, |open| *open > 0));
    }

    /// What the instance is at the moment.
    pub(crate) fn role(&self) -> (Role, Option<Epoch>) {
        let since = lock(&self.0.since);
        (since.0, since.1)
    }
}

/// An answer that is being written.
pub(crate) struct Answering(Shared);

impl Drop for Answering {
    fn drop(&mut self) {
        *lock(&self.0.0.answering) -= 1;
        self.0.0.answered.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
