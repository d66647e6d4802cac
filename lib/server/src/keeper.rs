//! Everything that an instance does on shared storage outside its applications' calls: taking the
//! locks, replaying the log, proving the hold, letting go. All on one thread, which may hang when
//! the storage does; the driver does not.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use miqm_format::lockrec::{LockRecord, LockSlot, State};
use miqm_messages::Message;
use miqm_qmgr::config::Settings;
use miqm_qmgr::instance::hold::{Held, Hold, Limits};
use miqm_qmgr::instance::locks::{ActiveLocks, Attempt, LockFiles, StandbySlot, write_record};
use miqm_qmgr::instance::role::Event;
use miqm_sys::clock::BootInstant;
use miqm_sys::{IoError, clock, random};
use miqm_types::{Epoch, Lsn};

use crate::driver::{Holder, Input};
use crate::shared::Shared;
use crate::store::Store;
use crate::{Error, Refused};

/// An assertion of the lock younger than this is not repeated before a write: shorter than the
/// quickest takeover.
const FRESH: Duration = Duration::from_millis(40);
/// How long an instance that finds the locks held looks again before it believes it.
const GLANCE: Duration = Duration::from_millis(60);
/// How long an instance that finds the locks held, but by nobody who runs, waits for a sign.
const UNCLEAR_MAX: Duration = Duration::from_secs(2);
/// How long to look for a free slot: a standby that takes over at this moment leaves its own only when
/// it has the locks.
const SLOT_PATIENCE: Duration = Duration::from_millis(500);
/// How often a waiting standby looks whether its own slot and `master` are still the same files.
const SLOT_CHECK: Duration = Duration::from_secs(1);

/// In which state an orderly end leaves the queue manager. The order is from gentle to hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndState {
    /// After a controlled end.
    Normal,
    /// After an immediate end.
    Immediate,
    /// After a pre-emptive end.
    Preemptive,
}

impl EndState {
    /// How it ended, as an adverb.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normally",
            Self::Immediate => "immediately",
            Self::Preemptive => "pre-emptively",
        }
    }

    /// The number in the control file of the log; never renumbered.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Normal => 1,
            Self::Immediate => 2,
            Self::Preemptive => 3,
        }
    }

    const fn state(self) -> State {
        match self {
            Self::Normal => State::EndedNormally,
            Self::Immediate => State::EndedImmediately,
            Self::Preemptive => State::EndedPreemptively,
        }
    }
}

/// What the driver tells the keeper to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Replay,
    Release { end: EndState, switchover: bool },
}

/// What stands in `master` when this instance joins, so that an end that happens while it waits can be
/// told from one that was over before.
type Observed = Option<(Epoch, State)>;

pub(crate) struct Keeper {
    pub(crate) shared: Shared,
    pub(crate) driver: Sender<Input>,
    pub(crate) orders: Receiver<Order>,
}

/// A queue manager that is this instance's.
pub(crate) struct Taken {
    pub(crate) locks: ActiveLocks,
    pub(crate) hold: Hold,
    pub(crate) store: Store,
}

/// How a wait came to its end.
enum Waited {
    Taken(ActiveLocks),
    /// The driver does not want the role any more.
    Stop,
}

impl Keeper {
    /// Lives until the instance has let everything go.
    pub(crate) fn run(self) {
        let last = self.live().map_or_else(ended, |()| Input::Released);
        self.tell(last);
    }

    fn tell(&self, input: Input) {
        // A driver that is gone has ended the process.
        drop(self.driver.send(input));
    }

    fn live(&self) -> Result<(), Error> {
        let mut settings = self.shared.prepare()?;
        let mut files = LockFiles::new(self.shared.data_dir.path(), self.shared.owner);
        let mut locks = match self.join(&mut files, &settings)? {
            Waited::Taken(locks) => locks,
            Waited::Stop => return Ok(()),
        };
        loop {
            self.tell(Input::Event(Event::LocksTaken));
            match self.orders.recv() {
                Ok(Order::Replay) => {}
                Ok(Order::Release { .. }) | Err(_) => return Ok(()),
            }
            // The mount may have come, gone or changed while this instance waited.
            settings = self.shared.prepare()?;
            match self.activate(&locks, &settings) {
                Ok(Some((hold, store))) => {
                    return self.serve(Taken { locks, hold, store }, &settings);
                }
                Ok(None) => return Ok(()),
                Err(Error::Store(error)) if error.is_busy() && self.shared.multi_instance => {
                    // An active holds the log although not the lock files: somebody replaced those.
                    drop(locks);
                    self.shared.log(&Message::LogHeldElsewhere {
                        qmgr: self.shared.qmgr().clone(),
                        why: error.to_string(),
                    });
                    self.tell(Input::Event(Event::LocksBusy));
                    match self.wait(&mut files, &settings, None)? {
                        Waited::Taken(taken) => locks = taken,
                        Waited::Stop => return Ok(()),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the locks, or a standby slot and then the locks, or finds out that neither is to be had.
    fn join(&self, files: &mut LockFiles, settings: &Settings) -> Result<Waited, Error> {
        let began = BootInstant::now();
        loop {
            if let Attempt::Taken(locks) = files.try_active()? {
                return Ok(Waited::Taken(locks));
            }
            let seen = files.see_master()?;
            match seen.record {
                // Somebody who only looks holds the lock for a moment, and the record may be that of
                // an instance that is dead: only who still holds it a little later is at work.
                _ if began.elapsed() < GLANCE => clock::sleep(GLANCE / 3),
                LockSlot::Present(record) if seen.held && !record.state.is_end() => {
                    match self.stand_by(files, settings, &record) {
                        Err(Error::Refused(Refused::TooManyStandbys { .. }))
                            if began.elapsed() < SLOT_PATIENCE =>
                        {
                            clock::sleep(Duration::from_millis(20));
                        }
                        found => return found,
                    }
                }
                _ if began.elapsed() < UNCLEAR_MAX => clock::sleep(Duration::from_millis(20)),
                // Somebody holds the lock and does not say who. Waiting is safe.
                _ if self.shared.multi_instance => {
                    return self.enter_slot(files, settings, None, None);
                }
                _ => {
                    return Err(
                        Refused::ActiveElsewhere { host: None, permits_standby: false }.into()
                    );
                }
            }
            files.refresh();
        }
    }

    fn stand_by(
        &self,
        files: &mut LockFiles,
        settings: &Settings,
        record: &LockRecord,
    ) -> Result<Waited, Error> {
        let host = Some(record.host.to_string());
        if !self.shared.multi_instance || !record.permits_standby {
            let permits_standby = record.permits_standby;
            return Err(Refused::ActiveElsewhere { host, permits_standby }.into());
        }
        self.enter_slot(files, settings, host, Some((record.epoch, record.state)))
    }

    fn enter_slot(
        &self,
        files: &mut LockFiles,
        settings: &Settings,
        active_host: Option<String>,
        observed: Observed,
    ) -> Result<Waited, Error> {
        let Some(slot) = self.take_slot(files, settings)? else {
            return Err(Refused::TooManyStandbys { most: settings.locks.standbys_max }.into());
        };
        self.tell_holder(files);
        self.tell(Input::Joined { active_host });
        self.wait(files, settings, Some((slot, observed)))
    }

    fn take_slot(
        &self,
        files: &LockFiles,
        settings: &Settings,
    ) -> Result<Option<StandbySlot>, IoError> {
        let slot = files.try_standby(settings.locks.standbys_max)?;
        if let Some(slot) = &slot {
            slot.write(&self.shared.record(State::Standby, Epoch(0)))?;
        }
        Ok(slot)
    }

    /// Tries the locks until they are free.
    fn wait(
        &self,
        files: &mut LockFiles,
        settings: &Settings,
        slot: Option<(StandbySlot, Observed)>,
    ) -> Result<Waited, Error> {
        let (mut slot, observed) = match slot {
            Some((slot, observed)) => (Some(slot), observed),
            None => (None, None),
        };
        let mut checked = BootInstant::now();
        let mut troubled = false;
        loop {
            match self.orders.recv_timeout(jittered(settings.locks.poll_interval)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(_) | Err(RecvTimeoutError::Disconnected) => return Ok(Waited::Stop),
            }
            let tried = files.try_active();
            self.shared.beat();
            match tried {
                Ok(Attempt::Taken(locks)) if is_wanted(&locks, observed)? => {
                    self.log_takeover(&locks)?;
                    return Ok(Waited::Taken(locks));
                }
                Ok(Attempt::Taken(_)) => {
                    let qmgr = self.shared.qmgr().clone();
                    self.shared.log(&Message::StandbyNotWanted { qmgr });
                    self.tell(Input::Event(Event::NoSuccessorWanted));
                    return Ok(Waited::Stop);
                }
                Ok(Attempt::Busy) => {
                    if std::mem::take(&mut troubled) {
                        let qmgr = self.shared.qmgr().clone();
                        self.shared.log(&Message::StorageAnswersAgain { qmgr });
                    }
                }
                Err(error) => {
                    files.refresh();
                    if !std::mem::replace(&mut troubled, true) {
                        self.shared.log(&Message::StandbyStorageTrouble {
                            qmgr: self.shared.qmgr().clone(),
                            why: error.to_string(),
                        });
                    }
                }
            }
            if checked.elapsed() >= SLOT_CHECK {
                checked = BootInstant::now();
                files.refresh();
                self.tell_holder(files);
                if !slot.as_ref().is_some_and(|slot| slot.check().unwrap_or(false)) {
                    drop(slot.take());
                    self.tell(Input::Event(Event::SlotLost));
                    slot = self.take_slot(files, settings).ok().flatten();
                }
            }
        }
    }

    /// For people: nothing is decided by it.
    fn tell_holder(&self, files: &LockFiles) {
        let record = files.see_master().ok().and_then(|seen| seen.record.present());
        self.tell(Input::Holder(record.as_ref().map(holder)));
    }

    fn log_takeover(&self, locks: &ActiveLocks) -> Result<(), Error> {
        let (host, cause) = match locks.predecessor()? {
            LockSlot::Present(left) if left.state.is_end() => {
                (left.host.to_string(), "it has ended")
            }
            LockSlot::Present(left) => (left.host.to_string(), "it is gone without having ended"),
            LockSlot::Absent | LockSlot::Unreadable(_) => {
                ("unknown".to_owned(), "it has left no record that can be read")
            }
        };
        let (qmgr, cause) = (self.shared.qmgr().clone(), cause.to_owned());
        self.shared.log(&Message::TakenOver { qmgr, host, cause });
        Ok(())
    }

    /// Replays the log and begins a new epoch. `None` if an end was ordered meanwhile.
    fn activate(
        &self,
        locks: &ActiveLocks,
        settings: &Settings,
    ) -> Result<Option<(Hold, Store)>, Error> {
        let predecessor = locks.predecessor()?.present();
        let epoch = predecessor.as_ref().map_or(Epoch(0), |record| record.epoch);
        self.tell(Input::Holder(predecessor.as_ref().map(holder)));
        let proven = BootInstant::now();
        write_record(&locks.master, &self.shared.record(State::Starting, epoch), 0)?;
        let limits = Limits { deadline: settings.locks.hold_deadline, fresh: FRESH };
        let hold = Hold::new(&locks.master, limits, proven);
        self.shared.set_hold(hold.clone());
        let outcome = self.begin(locks, &hold, epoch, settings);
        if !matches!(outcome, Ok(Some(_)) | Err(Error::Fenced(_)))
            && let Some(record) = predecessor
        {
            // Nothing has become of it: the record says again how the queue manager was left.
            hold.usable().map_err(Error::Fenced)?;
            write_record(&locks.master, &record, 0)?;
        }
        Ok(outcome?.map(|store| (hold, store)))
    }

    fn begin(
        &self,
        locks: &ActiveLocks,
        hold: &Hold,
        before: Epoch,
        settings: &Settings,
    ) -> Result<Option<Store>, Error> {
        let known_durable =
            locks.last_heartbeat()?.present().map_or(Lsn::ZERO, |record| record.durable_lsn);
        self.shared.check_directories()?;
        let mut told = BootInstant::now();
        let mut checked = BootInstant::now();
        let progress = |percent: u8| -> Result<(), Error> {
            if checked.elapsed() >= settings.locks.hold_check_interval {
                checked = BootInstant::now();
                self.check(hold, locks, None, (State::Starting, before, known_durable))?;
            }
            if told.elapsed() >= Duration::from_secs(1) {
                told = BootInstant::now();
                self.tell(Input::Replaying { percent });
            }
            Ok(())
        };
        let recovered = Store::recover(&self.shared, settings, known_durable, progress)?;
        let (records, in_flight) = (recovered.records(), recovered.in_flight());
        self.tell(Input::Replayed { records, in_flight });
        if let Ok(Order::Release { .. }) = self.orders.try_recv() {
            return Ok(None);
        }
        let store = recovered.activate(&self.shared, hold)?;
        write_record(&locks.master, &self.shared.record(State::Active, store.epoch()), 0)
            .map_err(|error| Error::Fenced(hold.lose_by(&error)))?;
        self.tell(Input::Activated { epoch: store.epoch(), engine: store.engine() });
        // For people; applications need not wait for it.
        self.shared.note_status(store.epoch(), None);
        Ok(Some(store))
    }

    fn check(
        &self,
        hold: &Hold,
        locks: &ActiveLocks,
        log: Option<&Store>,
        (state, epoch, durable_lsn): (State, Epoch, Lsn),
    ) -> Result<(), Error> {
        let mut all: Vec<&dyn Held> = vec![&*locks.master, &*locks.active];
        all.extend(log.map(|store| store as &dyn Held));
        let record = LockRecord { durable_lsn, ..self.shared.record(state, epoch) };
        hold.check(&all, || write_record(&locks.active, &record, 0)).map_err(Error::Fenced)
    }

    /// Proves the hold again and again until the driver orders the end.
    fn serve(&self, taken: Taken, settings: &Settings) -> Result<(), Error> {
        let (end, switchover) = match self.prove(&taken, settings) {
            Ok(Some(ordered)) => ordered,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.tell(ended(error));
                // The locks stay until the driver has stopped serving: nobody else may begin before.
                while self.orders.recv().is_ok() {}
                return Ok(());
            }
        };
        self.release(taken, end, switchover)
    }

    /// Proves the hold again and again, until the end is ordered or the driver is gone.
    fn prove(
        &self,
        Taken { locks, hold, store }: &Taken,
        settings: &Settings,
    ) -> Result<Option<(EndState, bool)>, Error> {
        loop {
            match self.orders.recv_timeout(settings.locks.hold_check_interval) {
                Ok(Order::Release { end, switchover }) => return Ok(Some((end, switchover))),
                Ok(Order::Replay) => {}
                Err(RecvTimeoutError::Timeout) => {
                    let shown = (State::Active, store.epoch(), store.durable());
                    self.check(hold, locks, Some(store), shown)?;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    /// Writes the last records and lets everything go.
    pub(crate) fn release(
        &self,
        Taken { locks, hold, store }: Taken,
        end: EndState,
        switchover: bool,
    ) -> Result<(), Error> {
        let epoch = store.epoch();
        let durable = store.close(end).map_err(|error| match hold.loss() {
            Some(loss) => Error::Fenced(loss),
            None => Error::Store(error),
        })?;
        hold.usable().map_err(Error::Fenced)?;
        self.shared.note_status(epoch, Some(end));
        let mut record = self.shared.record(end.state(), epoch);
        record.durable_lsn = durable;
        record.successor_wanted = switchover;
        let written = write_record(&locks.active, &record, 0)
            .and_then(|()| write_record(&locks.master, &record, 0));
        written.map_err(|error| Error::Fenced(hold.lose_by(&error)))
    }

    /// Takes the queue manager if it is free, without waiting for it.
    pub(crate) fn take_at_once(&self) -> Result<Taken, Error> {
        let settings = self.shared.prepare()?;
        let mut files = LockFiles::new(self.shared.data_dir.path(), self.shared.owner);
        let Waited::Taken(locks) = self.join(&mut files, &settings)? else {
            return Err(Refused::ActiveElsewhere { host: None, permits_standby: false }.into());
        };
        match self.activate(&locks, &settings)? {
            Some((hold, store)) => Ok(Taken { locks, hold, store }),
            None => Err(Refused::RunsHere.into()),
        }
    }
}

fn holder(record: &LockRecord) -> Holder {
    Holder { host: record.host.to_string(), epoch: record.epoch }
}

/// What the driver hears of an error.
fn ended(error: Error) -> Input {
    match error {
        Error::Fenced(loss) => Input::Lost(loss),
        error => Input::Failed(error),
    }
}

/// Whether the active that this standby has waited for left a role to take over.
fn is_wanted(locks: &ActiveLocks, observed: Observed) -> Result<bool, Error> {
    let LockSlot::Present(left) = locks.predecessor()? else { return Ok(true) };
    let ended_before_we_came = observed == Some((left.epoch, left.state));
    Ok(!left.state.is_end() || left.successor_wanted || observed.is_none() || ended_before_we_came)
}

/// Between half of the interval and the whole, so that two waiting instances do not march in step.
fn jittered(interval: Duration) -> Duration {
    let part = f64::from(random::u32().unwrap_or(512) % 1024) / 1024.0;
    interval.mul_f64(0.5 + part / 2.0)
}
