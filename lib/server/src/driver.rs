//! The life of an instance: the role machine's acts done, their outcomes fed back to it.
//!
//! The driver's thread does no I/O on shared storage at all, so it can always answer, watch the age of
//! the hold and stop serving. What touches the storage is done by the [`crate::keeper`].

use std::fmt::Write as _;
use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use miqm_engine::Engine;
use miqm_messages::Message;
use miqm_qmgr::instance::escalation::steps;
use miqm_qmgr::instance::hold::Loss;
use miqm_qmgr::instance::role::{Act, Event, Role};
use miqm_sys::clock::BootInstant;
use miqm_sys::disk::RealDir;
use miqm_sys::inflight;
use miqm_types::Epoch;

use crate::control::protocol::{Answer, EndRequest, Refusal};
use crate::keeper::{EndState, Order};
use crate::pulse::{Pulse, is_well};
use crate::report::StartEvent;
use crate::sessions::Phase;
use crate::shared::Shared;
use crate::{Applications, Error, Outcome, notify};

/// How often the driver looks at the clock, at least.
const TICK: Duration = Duration::from_millis(200);
/// How long it waits for the last answers to be read before the process ends.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long the keeper of an instance that holds nothing may take to come back from the storage.
const KEEPER_PATIENCE: Duration = Duration::from_secs(5);

/// What the driver hears.
#[derive(Debug)]
pub(crate) enum Input {
    /// The keeper found another active instance, and this one waits.
    Joined { active_host: Option<String> },
    /// Who holds the role, or has held it last, as far as the lock record tells.
    Holder(Option<Holder>),
    /// Something happened that the role machine knows.
    Event(Event),
    /// The log is being replayed.
    Replaying { percent: u8 },
    /// The log has been replayed.
    Replayed { records: u64, in_flight: u64 },
    /// The new epoch has begun.
    Activated { epoch: Epoch, engine: Weak<Engine<RealDir>> },
    /// The instance cannot start, or go on starting.
    Failed(Error),
    /// The hold is lost.
    Lost(Loss),
    /// The keeper has let everything go.
    Released,
    /// The service manager wants an end.
    Terminate,
    /// A command wants an end. `standby_waits` was looked up if it matters.
    End { request: EndRequest, standby_waits: bool, reply: Sender<Answer> },
}

/// Who holds the role, or has held it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) host: String,
    pub(crate) epoch: Epoch,
}

/// The end that is under way.
#[derive(Debug)]
struct Ending {
    request: EndRequest,
    steps: Vec<(BootInstant, Event)>,
}

pub(crate) struct Driver {
    shared: Shared,
    inputs: Receiver<Input>,
    orders: Sender<Order>,
    role: Role,
    epoch: Option<Epoch>,
    ending: Option<Ending>,
    /// The strongest end so far: it names the state in which the queue manager is left.
    end_state: EndState,
    waiters: Vec<Sender<Answer>>,
    outcome: Option<Result<Outcome, Error>>,
    next_watchdog: Option<(BootInstant, Duration)>,
    pulse: Pulse,
    holder: Option<Holder>,
    /// How much of the log has been read, in percent.
    replayed: u8,
    told_waiting: u64,
    /// What the service manager was told last.
    told_status: String,
    multi_instance: bool,
    /// Since when only the keeper is waited for.
    stopped_at: Option<BootInstant>,
}

/// The end that SIGTERM asks for: this instance ends, a standby takes over.
const TERMINATE: EndRequest = EndRequest {
    mode: crate::control::protocol::WireMode::Immediate,
    switchover: true,
    reconnect: true,
    standby: true,
    wait: false,
    target_seconds: None,
    target_preemptive: false,
};

impl Driver {
    pub(crate) fn new(
        shared: Shared,
        inputs: Receiver<Input>,
        orders: Sender<Order>,
        multi_instance: bool,
    ) -> Self {
        let next_watchdog =
            miqm_sys::sd::watchdog_interval().map(|whole| (BootInstant::now(), whole / 3));
        Self {
            shared,
            inputs,
            orders,
            role: Role::Starting,
            epoch: None,
            ending: None,
            end_state: EndState::Normal,
            waiters: Vec::new(),
            outcome: None,
            next_watchdog,
            pulse: Pulse::new(),
            holder: None,
            replayed: 0,
            told_waiting: 0,
            told_status: String::new(),
            multi_instance,
            stopped_at: None,
        }
    }

    /// Runs until the instance has ended.
    pub(crate) fn run(mut self) -> Result<Outcome, Error> {
        // An instance that was killed here could not say that it serves no more.
        self.shared.show_serving(false);
        self.publish();
        loop {
            match self.inputs.recv_timeout(TICK) {
                Ok(input) => self.take(input),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.take(Input::Released),
            }
            self.tick();
            if let Some(outcome) = self.outcome.take() {
                self.farewell(&outcome);
                return outcome;
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Joined { active_host } => {
                self.event(Event::LocksBusy);
                self.shared.log(&Message::StandbyStarted {
                    qmgr: self.shared.qmgr().clone(),
                    host: active_host.clone().unwrap_or_else(|| "unknown".to_owned()),
                });
                self.shared.report().tell(&StartEvent::Standby { active_host });
                self.shared.report().finish();
                notify::ready();
            }
            Input::Holder(holder) => self.holder = holder,
            Input::Event(event) => self.event(event),
            Input::Replaying { percent } => self.replaying(percent),
            Input::Replayed { records, in_flight } => {
                self.shared.report().tell(&StartEvent::Replayed { records });
                self.shared.report().tell(&StartEvent::Recovered { in_flight });
                self.shared.log(&Message::LogReplaying { records });
            }
            Input::Activated { epoch, engine } => {
                self.epoch = Some(epoch);
                self.event(Event::Replayed);
                let qmgr = self.shared.qmgr().clone();
                self.shared.log(&Message::InstanceActive { qmgr, epoch });
                if self.role == Role::Active
                    && let Some(when_active) = &self.shared.when_active
                {
                    let sessions = self.shared.sessions().clone();
                    let services = self.shared.services;
                    when_active(Applications { engine, sessions, services });
                }
            }
            Input::Failed(error) => {
                let (qmgr, why) = (self.shared.qmgr().clone(), error.to_string());
                self.shared.log(&match self.ending {
                    Some(_) => Message::EndIncomplete { qmgr, why },
                    None => Message::StartFailed { qmgr, why },
                });
                self.outcome = Some(self.unless_asked_for(error));
                self.event(Event::CannotStart);
            }
            Input::Lost(loss) => self.lost(loss),
            Input::Released => {
                if self.outcome.is_none() {
                    self.outcome = Some(Ok(Outcome { end: self.end_state }));
                }
            }
            Input::Terminate => {
                let (reply, _nobody) = channel();
                let standby_waits = true;
                self.end(TERMINATE, standby_waits, reply);
            }
            Input::End { request, standby_waits, reply } => self.end(request, standby_waits, reply),
        }
    }

    fn event(&mut self, event: Event) {
        let Some((next, act)) = self.role.on(event) else { return };
        self.role = next;
        match act {
            Act::AwaitLocks => {}
            Act::Replay => self.order(Order::Replay),
            Act::Serve => return self.serve(),
            Act::Quiesce => self.leave(Phase::Quiescing),
            Act::Disconnect => {
                self.end_state = self.end_state.max(EndState::Immediate);
                self.leave(Phase::Ending);
            }
            Act::Cut => {
                self.end_state = self.end_state.max(EndState::Preemptive);
                self.leave(Phase::Cut);
            }
            Act::Release => {
                self.serve_no_more();
                let switchover = self.ending.as_ref().is_some_and(|e| e.request.switchover);
                self.order(Order::Release { end: self.end_state, switchover });
            }
            Act::GiveUp | Act::Abort => self.serve_no_more(),
        }
        self.publish();
    }

    fn order(&mut self, order: Order) {
        if self.orders.send(order).is_err() && self.outcome.is_none() {
            self.outcome = Some(Ok(Outcome { end: self.end_state }));
        }
    }

    fn serve(&mut self) {
        let epoch = self.epoch.expect("an epoch has begun before anything is served");
        self.shared.sessions().enter(Phase::Open);
        // First what dspmq shows: whoever hears in any way that it serves may look at once.
        self.publish();
        self.shared.show_serving(true);
        notify::ready();
        self.shared.report().tell(&StartEvent::Active { epoch: epoch.0 });
        self.shared.report().finish();
    }

    /// Said only now, and not when an end begins: the service manager gives an end that it knows of a
    /// few minutes, and applications may take longer to disconnect.
    fn serve_no_more(&self) {
        self.shared.show_serving(false);
        notify::stopping();
    }

    fn leave(&mut self, phase: Phase) {
        let left = self.shared.sessions().enter(phase);
        // Nobody can be waited for in a pre-emptive end.
        if left == 0 || phase == Phase::Cut {
            self.event(Event::Drained);
        }
    }

    /// Stops serving first, and says so after.
    fn lost(&mut self, loss: Loss) {
        let releasing = self.role == Role::Stopped && self.outcome.is_none();
        if !self.role.holds_locks() && !releasing {
            return;
        }
        self.shared.sessions().enter(Phase::Cut);
        self.shared.show_serving(false);
        self.event(Event::HoldLost);
        // From here on the host's own log is the only one that is this instance's to write.
        self.shared.event_log().leave_shared_storage();
        self.shared
            .log(&Message::HoldLost { qmgr: self.shared.qmgr().clone(), why: loss.to_string() });
        notify::status(&format!("fenced itself: {loss}"));
        self.outcome = Some(self.unless_asked_for(Error::Fenced(loss)));
    }

    /// What an instance ends with that cannot go on. Who has asked for the end does not want a service manager
    /// to mend it.
    fn unless_asked_for(&self, error: Error) -> Result<Outcome, Error> {
        match self.ending {
            Some(_) => Ok(Outcome { end: self.end_state }),
            None => Err(error),
        }
    }

    fn end(&mut self, request: EndRequest, standby_waits: bool, reply: Sender<Answer>) {
        let refusal = self.refusal(request, standby_waits);
        if let Some(refusal) = refusal {
            answer(&reply, Answer::Refused(refusal));
            return;
        }
        // Before the answer: who has it may count on that.
        if request.reconnect {
            self.shared.sessions().ask_to_reconnect();
        }
        answer(&reply, Answer::Accepted);
        if request.wait {
            self.waiters.push(reply);
        }
        let mode = request.mode.into();
        let began = BootInstant::now();
        let mut plan: Vec<_> = steps(mode, request.target())
            .into_iter()
            .map(|(d, e)| (began.saturating_add(d), e))
            .collect();
        let mut request = request;
        if let Some(earlier) = self.ending.take() {
            plan.extend(earlier.steps);
            if request == TERMINATE {
                // A service manager that hurries does not change what the operator decided.
                request.switchover = earlier.request.switchover;
            }
        }
        self.ending = Some(Ending { request, steps: plan });
        self.event(mode.event());
    }

    fn refusal(&self, request: EndRequest, standby_waits: bool) -> Option<Refusal> {
        let is_term = request == TERMINATE;
        match self.role {
            Role::Stopped => Some(Refusal::Ending),
            Role::Standby if !request.standby => Some(Refusal::IsStandby),
            Role::Starting | Role::Standby => None,
            Role::Recovering
            | Role::Active
            | Role::Quiescing
            | Role::EndingImmediately
            | Role::EndingPreemptively => {
                if is_term {
                    return None;
                }
                if request.standby {
                    return Some(Refusal::IsActive);
                }
                if request.switchover && !self.multi_instance {
                    return Some(Refusal::StandbyNotPermitted);
                }
                if request.switchover && !standby_waits {
                    return Some(Refusal::NoStandby);
                }
                let mode: miqm_qmgr::instance::escalation::EndMode = request.mode.into();
                let changes = self.role.on(mode.event()).is_some();
                (!changes && !request.wait).then_some(Refusal::Ending)
            }
        }
    }

    fn replaying(&mut self, percent: u8) {
        self.shared.report().tell(&StartEvent::Replaying { percent });
        notify::extend_timeout(Duration::from_mins(1));
        self.replayed = percent;
    }

    fn tick(&mut self) {
        self.tell_status();
        self.watch_hold();
        self.leave_the_keeper();
        self.hurry();
        self.say_what_is_waited_for();
        self.watchdog();
    }

    /// The one check that needs no I/O: has any write come back lately? Asked while everything is
    /// being let go, too: on dead storage that would else never be over.
    fn watch_hold(&mut self) {
        let releasing = self.role == Role::Stopped;
        if self.outcome.is_some() || !(releasing || self.role.holds_locks()) {
            return;
        }
        let Some(hold) = self.shared.hold() else { return };
        match hold.overdue() {
            Ok(()) => {}
            Err(Loss::LetGo) if releasing => {}
            Err(loss) => self.lost(loss),
        }
    }

    /// Ends without the keeper if it does not come back from the storage and has nothing to let go.
    fn leave_the_keeper(&mut self) {
        let idle = self.role == Role::Stopped && self.outcome.is_none();
        if !idle || self.shared.hold().is_some() {
            return;
        }
        let since = *self.stopped_at.get_or_insert_with(BootInstant::now);
        if since.elapsed() > KEEPER_PATIENCE {
            self.outcome = Some(Ok(Outcome { end: self.end_state }));
        }
    }

    fn hurry(&mut self) {
        let Some(ending) = &mut self.ending else { return };
        let now = BootInstant::now();
        let due: Vec<Event> =
            ending.steps.iter().filter(|(at, _)| *at <= now).map(|s| s.1).collect();
        ending.steps.retain(|(at, _)| *at > now);
        for event in due {
            self.event(event);
        }
    }

    fn say_what_is_waited_for(&mut self) {
        let Some(stuck) = inflight::longest() else {
            self.told_waiting = 0;
            return;
        };
        let seconds = stuck.elapsed.as_secs();
        if seconds > self.told_waiting {
            let what = format!("{} {}", stuck.op.as_str(), stuck.path.display());
            // Not a reason to extend the start: nothing waits for ever on a dead mount.
            self.shared.report().tell(&StartEvent::Waiting { seconds, what });
        }
        self.told_waiting = seconds;
    }

    /// Feeds the service manager's watchdog only while those who touch the storage make progress.
    fn watchdog(&mut self) {
        let Some((due, interval)) = self.next_watchdog else { return };
        if BootInstant::now() < due {
            return;
        }
        self.pulse.feel(self.shared.beats());
        // How long storage may keep an instance waiting is the hold's deadline, which may be set.
        let limit = self.shared.hold().map_or(Duration::ZERO, |hold| hold.deadline());
        let stuck = inflight::longest().map(|stuck| stuck.elapsed);
        if is_well(self.role, stuck, self.pulse.silent_for(), limit.max(interval * 2)) {
            notify::watchdog();
        }
        self.next_watchdog = Some((BootInstant::now().saturating_add(interval), interval));
    }

    /// Shows the role to the local world.
    fn publish(&mut self) {
        self.shared.publish(self.role, self.epoch);
        self.tell_status();
    }

    fn tell_status(&mut self) {
        let sentence = self.sentence();
        if self.outcome.is_none() && sentence != self.told_status {
            notify::status(&sentence);
            self.told_status = sentence;
        }
    }

    /// Role, epoch, who is active, how far the replay has come, what is waited for.
    fn sentence(&self) -> String {
        let role = self.role.as_str();
        let mut text = match (self.role, &self.holder, self.epoch) {
            (Role::Standby, Some(Holder { host, epoch }), _) => {
                format!("{role}, {host} is active, epoch {epoch}")
            }
            (Role::Standby, None, _) => format!("{role}, who is active cannot be told"),
            (Role::Recovering, holder, _) => {
                let after =
                    holder.as_ref().map(|h| format!(" after epoch {} on {}", h.epoch, h.host));
                format!("{role}{}, {} % of the log read", after.unwrap_or_default(), self.replayed)
            }
            (_, _, Some(epoch)) if self.role.holds_locks() => {
                let connections = self.shared.sessions().count();
                format!("{role}, epoch {epoch}, {connections} connections")
            }
            _ => role.to_owned(),
        };
        if self.told_waiting > 0
            && let Some(stuck) = inflight::longest()
        {
            let (op, path) = (stuck.op.as_str(), stuck.path.display());
            let seconds = self.told_waiting;
            write!(text, "; no answer from the storage for {seconds} s: {op} {path}")
                .expect("a string takes all");
        }
        text
    }

    fn farewell(&mut self, outcome: &Result<Outcome, Error>) {
        if let Ok(outcome) = outcome {
            self.shared.log(&Message::InstanceEnded {
                qmgr: self.shared.qmgr().clone(),
                how: outcome.end.as_str().to_owned(),
            });
            // After an error, whoever runs the instance says more.
            self.shared.report().finish();
        }
        if outcome.is_ok() {
            // Why a start failed is told by whoever knows the exit code and the message for it.
            self.shared.report().finish();
        }
        let waited_for = !self.waiters.is_empty();
        for waiter in std::mem::take(&mut self.waiters) {
            drop(waiter.send(Answer::Done));
        }
        self.shared.withdraw();
        if waited_for {
            self.shared.wait_for_answers(LAST_WORDS);
        }
    }
}

fn answer(reply: &Sender<Answer>, answer: Answer) {
    // A command that has gone away does not hear the answer.
    drop(reply.send(answer));
}
