//! The lock that people release, with `-w` and two copies that were started by hand: one copy holds it
//! from the beginning, the other one waits. When all automatic checks are over, people let the holder
//! release it, or kill the holder or its host, and it is measured when the other copy gets it.
//!
//! Both copies use the code by which instances of a queue manager lock their files.

mod play;

use std::path::Path;
use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};
use miqm_sys::probe::How;

use crate::call::{Burst, Call, Reply, Value, Want};
use crate::check::{Check, Runs};
use crate::finding::{Finding, Told, Verdict};
use crate::host::{Host, LocalHost, Lost, Received, RemoteHost};
use crate::report::{HostFacts, Phase};
use crate::wire::Manual;
use play::Play;
pub use play::{Limits, Scene};

/// The file, in the tested directory.
pub const FILE: &str = "amqmfsck.lkw";
/// How often a waiting copy asks for the lock: as often as a standby instance does, or more.
const EVERY_MS: u32 = 100;
/// How long it asks before it is looked whether the file is still there.
const ASKING_MS: u32 = 500;
/// `ENOENT`.
const MISSING: i32 = 2;
/// The one actor.
const ACTOR: u32 = 1;
/// How long the lock may take to be given back.
const LET_GO: Duration = Duration::from_secs(10);

/// The check, which no phase runs by itself.
const CHECK: Check = Check {
    id: "lock.by-hand",
    title: "A lock that people release, or whose holder they kill, goes to the copy that waits",
    how: "One copy locks amqmfsck.lkw as an active instance locks its files, the other one asks for the \
          lock as a standby does; when the holder is told to release it, or is killed, or its host is \
          failed, the time until the other one has the lock is measured.",
    why: "A standby instance takes over when it gets this lock, and not before.",
    change: "Look for what keeps the lock: a server that is told nothing of a host that died (NFS 3), a \
             long lease, or a client that still runs.",
    needs: &[],
    runs: Runs::BY_HAND,
    required: true,
    run: |_| Ok(Told::not_tested("Only two copies that are started by hand do this.")),
};

/// The table of that one row.
pub(crate) const CHECKS: &[Check] = &[CHECK];

/// The process that asks for the lock.
pub struct Hold {
    host: LocalHost,
    state: State,
    /// Whether somebody else held the lock when it was first asked for.
    late: bool,
    /// Whether the storage refuses such locks, so that nobody can hold one.
    refused: bool,
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hold({:?})", self.state)
    }
}

/// What the actor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It makes the file if there is none.
    Making,
    /// It asks once.
    Trying,
    Waiting,
    Held,
    Over,
}

/// What became of the lock.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// This copy got it at once, and holds it.
    Held,
    /// Another copy holds it, so this one waits.
    Waiting,
    /// This copy got it after waiting.
    Got,
    /// It cannot be had; why, as a sentence without a full stop.
    Cannot(String),
}

impl Hold {
    /// Begins to ask for the lock in the directory at `path`. It is asked for by a process of its own.
    ///
    /// # Errors
    ///
    /// If that cannot be made.
    pub fn start(path: &Path) -> Result<Self, Lost> {
        let mut host = LocalHost::new(path, HostFacts::default());
        host.start(ACTOR)?;
        host.send(ACTOR, &make())?;
        Ok(Self { host, state: State::Making, late: false, refused: false })
    }

    /// Whether this copy holds the lock.
    pub fn is_held(&self) -> bool {
        self.state == State::Held
    }

    /// Whether this copy waits for the lock.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// What has become of the lock since the last call. It does not wait.
    pub fn poll(&mut self) -> Option<Event> {
        if self.state == State::Over {
            return None;
        }
        let reply = match self.host.receive(ACTOR, Duration::ZERO) {
            Ok(Received::Reply(reply)) => reply,
            Ok(Received::Late) => return None,
            Ok(Received::Ended) => return Some(self.over("the process that asks for it died")),
            Err(lost) => return Some(self.over(&lost.why)),
        };
        match self.state {
            State::Making => self.made(&reply),
            State::Trying => self.tried(&reply),
            State::Waiting => self.waited(reply),
            State::Held | State::Over => None,
        }
    }

    fn over(&mut self, why: &str) -> Event {
        self.state = State::Over;
        Event::Cannot(why.to_owned())
    }

    fn ask(&mut self, call: &Call, state: State) -> Option<Event> {
        self.state = state;
        self.host.send(ACTOR, call).err().map(|lost| self.over(&lost.why))
    }

    fn made(&mut self, reply: &Reply) -> Option<Event> {
        match reply.result {
            Ok(_) => self.ask(&Call::Hold { name: FILE.into() }, State::Trying),
            Err(errno) => Some(self.over(miqm_sys::probe::errno_text(errno))),
        }
    }

    fn tried(&mut self, reply: &Reply) -> Option<Event> {
        match reply.result {
            Ok(Value::Yes(true)) => Some(self.got()),
            Ok(_) => {
                let first = !std::mem::replace(&mut self.late, true);
                self.wait().or(first.then_some(Event::Waiting))
            }
            Err(MISSING) => self.ask(&make(), State::Making),
            Err(errno) => {
                self.refused = true;
                Some(self.over(miqm_sys::probe::errno_text(errno)))
            }
        }
    }

    fn got(&mut self) -> Event {
        self.state = State::Held;
        if self.late { Event::Got } else { Event::Held }
    }

    fn wait(&mut self) -> Option<Event> {
        let call = Box::new(Call::Hold { name: FILE.into() });
        let want = Want::Yes(true);
        let until = Burst::Until { call, want, every_ms: EVERY_MS, limit_ms: ASKING_MS };
        self.ask(&Call::Burst(until), State::Waiting)
    }

    fn waited(&mut self, reply: Reply) -> Option<Event> {
        match reply.result {
            Ok(Value::Waited { came: true, .. }) => Some(self.got()),
            Ok(Value::Waited { last, .. }) => match last.result {
                // A holder that gave up removed it. Who makes it first has the lock of the new one.
                Err(MISSING) => self.ask(&make(), State::Making),
                Err(errno) => Some(self.over(miqm_sys::probe::errno_text(errno))),
                Ok(_) => self.wait(),
            },
            Ok(_) => Some(self.over("the answer makes no sense")),
            Err(errno) => Some(self.over(miqm_sys::probe::errno_text(errno))),
        }
    }

    /// Gives the lock back, or stops asking for it. The file stays.
    pub fn let_go(&mut self) {
        if self.state == State::Held && self.host.send(ACTOR, &Call::LetGo).is_ok() {
            // A storage that does not take it back loses it with the process.
            self.host.receive(ACTOR, LET_GO).ok();
        }
        self.state = State::Over;
        self.host.dismiss(ACTOR);
    }

    /// The same, and removes the file if this copy holds the lock, or nobody can: nobody else uses it then.
    pub fn clean_up(&mut self) {
        if self.state == State::Held || self.refused {
            let removed = self.host.send(ACTOR, &Call::Unlink { name: FILE.into() });
            if removed.is_ok() {
                self.host.receive(ACTOR, LET_GO).ok();
            }
        }
        self.let_go();
    }
}

/// Opens the file, and makes it if it is not there.
fn make() -> Call {
    Call::Open { fd: 0, name: FILE.into(), how: How { mode: 0o660, ..How::MAKE } }
}

/// One copy's part in the lock, and in the play.
#[derive(Debug)]
pub struct Part {
    hold: Hold,
    play: Play,
    told: Option<Told>,
}

/// How often a part is looked after.
const TICK: Duration = Duration::from_millis(50);

impl Part {
    /// Begins to ask for the lock in the directory at `path`; see [`Hold::start`].
    ///
    /// # Errors
    ///
    /// If no process can be made.
    pub fn start(path: &Path, limits: Limits) -> Result<Self, Lost> {
        let play = Play::new(limits, BootInstant::now());
        Ok(Self { hold: Hold::start(path)?, play, told: None })
    }

    /// The lock itself.
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// The other copy said something.
    pub fn heard(&mut self, what: &Manual) {
        self.play.heard(what, BootInstant::now());
    }

    /// ENTER was pressed, or there is nobody who could.
    pub fn pressed(&mut self) {
        self.play.pressed();
    }

    /// Does what is to be done now, and gives what is to be said to the other copy. To be called a few
    /// times a second, from before the copies meet: what people should know is told to `on`.
    pub fn tick(&mut self, on: &mut dyn FnMut(Scene)) -> Option<Manual> {
        let now = BootInstant::now();
        if let Some(event) = self.hold.poll() {
            self.play.lock(&event, now);
            match event {
                Event::Held => on(Scene::Holds),
                Event::Waiting => on(Scene::Waits),
                Event::Got => {}
                Event::Cannot(why) => on(Scene::Cannot(why)),
            }
        }
        if self.told.is_some() {
            return None;
        }
        let hold = &mut self.hold;
        let step = self.play.decide(now, &mut || hold.let_go());
        if let Some(scene) = step.scene {
            on(scene);
        }
        self.told = step.told;
        step.say
    }

    /// What came of it, when it is over.
    pub fn told(&self) -> Option<&Told> {
        self.told.as_ref()
    }

    /// Plays it, from the side of the copy that directs, when all automatic checks are over. `pressed`
    /// tells whether ENTER was pressed or there is nobody who could; `asked`, whether to end.
    pub fn direct(
        &mut self,
        far: &mut RemoteHost,
        on: &mut dyn FnMut(Scene),
        pressed: &dyn Fn() -> bool,
        asked: &dyn Fn() -> bool,
    ) -> Told {
        self.play.begin(BootInstant::now());
        let mut say = Some(Manual::Begin);
        loop {
            if pressed() {
                self.play.pressed();
            }
            let said = say.take().map_or(Ok(()), |what| far.say_manual(what));
            let heard = said.and_then(|()| far.manual(TICK));
            match heard {
                Ok(what) => what.iter().for_each(|what| self.heard(what)),
                Err(lost) => return self.alone(&lost.why, far.last_heard(), on, asked),
            }
            if let Some(told) = &self.told {
                return told.clone();
            }
            if asked() {
                return Told::not_tested("The run was ended by a signal.");
            }
            say = self.tick(on);
            if let (Some(told), Some(what)) = (&self.told, &say) {
                // That it does not arrive changes nothing of what was found.
                far.say_manual(what.clone()).ok();
                return told.clone();
            }
        }
    }

    /// Goes on when the other copy is gone, whose last sign of life was at `since`: what came of it.
    pub fn alone(
        &mut self,
        why: &str,
        since: BootInstant,
        on: &mut dyn FnMut(Scene),
        asked: &dyn Fn() -> bool,
    ) -> Told {
        self.play.lost(why, since);
        loop {
            if let Some(told) = &self.told {
                return told.clone();
            }
            if asked() {
                return Told::not_tested("The run was ended by a signal.");
            }
            self.tick(on);
            sleep(TICK);
        }
    }

    /// Gives the lock back; see [`Hold::clean_up`].
    pub fn clean_up(&mut self) {
        self.hold.clean_up();
    }
}

/// What came of it, for the report.
pub fn finding(told: Told, hosts: Vec<String>, seconds: f64) -> Finding {
    let wrong = matches!(told.verdict, Verdict::Fail | Verdict::Warning);
    Finding {
        check: CHECK.id.to_owned(),
        title: CHECK.title.to_owned(),
        phase: Phase::Waiting,
        hosts,
        verdict: told.verdict,
        required: CHECK.required,
        summary: told.summary,
        evidence: told.evidence,
        why: CHECK.why.to_owned(),
        change: if wrong { CHECK.change.to_owned() } else { String::new() },
        seconds,
        series: told.series,
    }
}
