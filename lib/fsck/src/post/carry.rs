//! Messages through files, between two copies that have met.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};
use miqm_sys::lock::Range;
use miqm_sys::port::{Incoming, Port};
use miqm_sys::probe::{self, Dir, Family, How, Kind};
use miqm_sys::proc;
use miqm_sys::worker::Worker;
use serde::{Deserialize, Serialize};

use super::board::{Board, Names, View, again};
use super::postman::{Pace, Task};
use super::sheet::{Id, Letter, MAIL_BYTES};
use crate::wire::{BEAT, Message};

/// What the names of these files end with.
const ENDING: &str = "mail";
/// How long what came may wait for a message of this side with which to acknowledge it.
const ACKNOWLEDGE: Duration = Duration::from_millis(20);
/// Without news for so long, it is looked for new files, too.
const LIST: Duration = Duration::from_millis(100);
/// What the other copy has not taken for so long is published as a new file, too.
const BARE: Duration = Duration::from_millis(150);
/// Without news for so long, a lock is taken and dropped, which renews what a host keeps of a file.
const TOUCH: Duration = Duration::from_millis(300);
/// A touch that takes longer is never tried again.
const TOUCH_MAX: Duration = Duration::from_secs(5);
/// How long the last messages are given to arrive.
const FAREWELL: Duration = Duration::from_secs(3);
/// `EEXIST`.
const EXISTS: i32 = 17;

/// What is published with the letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// For whom the letters are, and the nonce of that copy.
    to: Id,
    nonce: Id,
    /// The number of the last letter that was taken.
    taken: u64,
    /// Whether what the other one published was seen in new files only.
    by_new: bool,
    /// Whether there will be no more.
    ended: bool,
}

/// The post between this copy and another one.
pub(crate) struct Carry {
    board: Board,
    view: View,
    folder: String,
    state: State,
    nonce: Id,
    me: Id,
    beat: Duration,
    silence: Duration,
    /// What the other one has not taken yet.
    out: VecDeque<Letter>,
    out_bytes: usize,
    written: u64,
    /// What was taken from the other one and not by the owner yet.
    inbound: VecDeque<Vec<u8>>,
    inbound_bytes: usize,
    /// When the other one's number last grew, and whether it said that it ends.
    moved: BootInstant,
    over: bool,
    published: Option<BootInstant>,
    /// Since when letters are published that the other one has not taken, and not in a new file.
    bare: Option<BootInstant>,
    /// Whether the other one sees new files only.
    wants_new: bool,
    /// When a new file was last made.
    renewed: Option<BootInstant>,
    /// Since when something is to be published.
    due: Option<BootInstant>,
    now: bool,
    toucher: Toucher,
}

impl Carry {
    /// A link in the folder of the run, which is not there yet.
    pub(crate) fn new(task: &Task, folder: &str, with: Id, nonce: Id) -> Self {
        let link = format!("{folder}/link");
        let names = |id: Id| Names { folder: link.clone(), stem: id.to_string(), ending: ENDING };
        let view = View::new(names(with), with);
        let toucher = Toucher::new(&task.dir, &view.staying());
        Self {
            board: Board::new(names(task.id), task.id),
            view,
            folder: link.clone(),
            state: State { to: with, nonce, taken: 0, by_new: false, ended: false },
            nonce: task.nonce,
            me: task.id,
            beat: task.beat(),
            silence: task.silence,
            out: VecDeque::new(),
            out_bytes: 0,
            written: 0,
            inbound: VecDeque::new(),
            inbound_bytes: 0,
            moved: BootInstant::now(),
            over: false,
            published: None,
            bare: None,
            wants_new: false,
            renewed: None,
            due: None,
            now: true,
            toucher,
        }
    }

    /// Makes the folder, which the other copy does, too. To be tried again: a host may not know yet of what
    /// another one made.
    ///
    /// # Errors
    ///
    /// The error number.
    pub(crate) fn make_folder(&self, dir: &Dir) -> Result<(), i32> {
        let run = self.folder.split_once('/').map(|(run, _)| run);
        for name in run.into_iter().chain([self.folder.as_str()]) {
            match again(|| dir.make_dir(name, 0o770)) {
                Ok(()) | Err(EXISTS) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Looks for what the other copy wrote: whether it has written to this one at all.
    pub(crate) fn hears(&mut self, dir: &Dir) -> bool {
        self.look(dir);
        self.view.number > 0
    }

    /// Looks once; whether there was something new.
    fn look(&mut self, dir: &Dir) -> bool {
        // The folder of the link holds few names. If it cannot be listed, the staying file is enough.
        let all = self.view.by_new || self.view.number == 0 || self.moved.elapsed() >= LIST;
        let list = || again(|| dir.list(&self.folder)).unwrap_or_default();
        let listed = if all { list() } else { Vec::new() };
        let before = self.view.number;
        let sheet = self.view.look(dir, &listed);
        if sheet.is_none() {
            if self.view.gone {
                self.over = true;
            } else if self.moved.elapsed() >= TOUCH {
                self.toucher.touch();
            }
            return false;
        }
        let Some(sheet) = sheet else { return false };
        let state: Option<State> = serde_json::from_slice(&sheet.state).ok();
        let Some(state) = state.filter(|state| state.to == self.me && state.nonce == self.nonce)
        else {
            self.view.number = before;
            return false;
        };
        self.moved = BootInstant::now();
        self.over |= state.ended;
        self.wants_new = state.by_new;
        self.state.by_new = self.view.by_new;
        while self.out.front().is_some_and(|letter| letter.0 <= state.taken) {
            self.out_bytes -= self.out.pop_front().map_or(0, |letter| letter.1.len());
        }
        if self.out.is_empty() {
            self.bare = None;
        }
        let mut news = false;
        for (number, letter) in sheet.letters {
            if number == self.state.taken + 1 && self.inbound_bytes < MAIL_BYTES {
                self.inbound_bytes += letter.len();
                self.inbound.push_back(letter);
                self.state.taken = number;
                self.due.get_or_insert_with(BootInstant::now);
                news = true;
            }
        }
        news
    }

    /// Publishes if there is something to say, or it is time for a sign of life.
    ///
    /// # Errors
    ///
    /// The error number of the storage; it is tried again by the next call.
    pub(crate) fn publish(&mut self, dir: &Dir) -> Result<(), i32> {
        let alive = self.published.is_some_and(|at| at.elapsed() < self.beat);
        let acknowledge = self.due.is_some_and(|since| since.elapsed() >= ACKNOWLEDGE);
        let bare = self.bare.is_some_and(|since| since.elapsed() >= BARE);
        if alive && !acknowledge && !bare && !self.now {
            return Ok(());
        }
        let state = serde_json::to_vec(&self.state).unwrap_or_default();
        let old = self.renewed.is_none_or(|at| at.elapsed() >= self.beat);
        let as_new = self.wants_new || bare || old;
        self.board.publish(dir, state, self.out.iter().cloned().collect(), as_new)?;
        let now = BootInstant::now();
        self.published = Some(now);
        if as_new {
            (self.renewed, self.bare) = (Some(now), None);
        } else if !self.out.is_empty() {
            self.bare.get_or_insert(now);
        }
        self.due = None;
        self.now = false;
        Ok(())
    }

    /// Removes what this copy wrote, and the folder, unless somebody has something in it.
    pub(crate) fn remove_all(&mut self, dir: &Dir) {
        self.board.remove(dir);
        dir.remove_dir(&self.folder).ok();
        if let Some((run, _)) = self.folder.split_once('/') {
            dir.remove_dir(run).ok();
        }
    }

    /// Carries messages until one of the two copies ends, and removes what this one wrote.
    pub(crate) fn run(&mut self, dir: &Dir, mut port: Port, owner: u32) {
        let mut pace = Pace::new();
        let mut said = BootInstant::now();
        let why = loop {
            let looked = BootInstant::now();
            match self.collect(&mut port, pace.wait()) {
                Some(true) => pace.reset(),
                Some(false) => {}
                None => break None,
            }
            if proc::parent() != owner {
                break None;
            }
            if self.look(dir) {
                pace.reset();
            }
            if self.deliver(&mut port).is_err() {
                break None;
            }
            // What fails is tried again, until the other copy believes that this one is dead.
            self.publish(dir).ok();
            if said.elapsed() >= BEAT {
                tell(&mut port, &Message::Beat);
                said = BootInstant::now();
            }
            // A look that hung says nothing about the other copy.
            let took = looked.elapsed();
            if took > 2 * BEAT {
                self.moved = self.moved.saturating_add(took);
            }
            if self.over && self.inbound.is_empty() {
                break Some("the checker there ended".to_owned());
            }
            if self.moved.elapsed() >= self.silence {
                let seconds = self.silence.as_secs_f64();
                break Some(format!("it has shown no sign of life for {seconds:.0} s"));
            }
        };
        match why {
            Some(why) => tell(&mut port, &Message::Gone { why }),
            None => self.farewell(dir),
        }
        self.board.remove(dir);
        self.remove_theirs(dir);
        self.remove_all(dir);
    }

    /// Takes what the owner has to say, waiting for it a little: whether there was something. `None` if
    /// it has ended.
    fn collect(&mut self, port: &mut Port, wait: Duration) -> Option<bool> {
        if self.out_bytes >= MAIL_BYTES {
            sleep(wait);
            return Some(false);
        }
        let beat = serde_json::to_vec(&Message::Beat).unwrap_or_default();
        let mut some = false;
        let mut wait = wait;
        while self.out_bytes < MAIL_BYTES {
            match port.receive(wait) {
                Ok(Incoming::Message(letter)) if letter == beat => {}
                Ok(Incoming::Message(letter)) => {
                    self.written += 1;
                    self.out_bytes += letter.len();
                    self.out.push_back((self.written, letter));
                    (self.now, some, wait) = (true, true, Duration::ZERO);
                }
                Ok(Incoming::Late) => break,
                Ok(Incoming::End) | Err(_) => return None,
            }
        }
        Some(some)
    }

    /// Gives the owner what came for it, as far as it takes it.
    fn deliver(&mut self, port: &mut Port) -> Result<(), ()> {
        while let Some(letter) = self.inbound.front() {
            if !port.has_room().map_err(drop)? {
                break;
            }
            port.send(letter, self.silence).map_err(drop)?;
            self.inbound_bytes -= letter.len();
            self.inbound.pop_front();
        }
        Ok(())
    }

    /// Lets the other copy have the last words, and know that they were the last.
    fn farewell(&mut self, dir: &Dir) {
        let until = BootInstant::now().saturating_add(FAREWELL.min(self.silence));
        self.state.ended = true;
        self.now = true;
        let mut told = 0;
        while !self.over && !until.left().is_zero() {
            if self.publish(dir).is_ok() {
                told += 1;
            }
            self.look(dir);
            // Nobody has to answer to what carries nothing.
            if self.out.is_empty() && told > 100 {
                break;
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// Removes what the other copy published, which is not there any more or is on its way out.
    fn remove_theirs(&mut self, dir: &Dir) {
        let listed = again(|| dir.list(&self.folder)).unwrap_or_default();
        let names: Vec<_> = listed.iter().map(|name| format!("{}/{name}", self.folder)).collect();
        super::board::remove_dead(dir, &names, self.state.to);
    }
}

/// Tells the owner something that it can do without.
fn tell(port: &mut Port, message: &Message) {
    if port.has_room().unwrap_or(false) {
        let bytes = serde_json::to_vec(message).unwrap_or_default();
        // It is gone otherwise, which is seen at the next look.
        port.send(&bytes, BEAT).ok();
    }
}

/// Takes and drops a lock on a file, in a process that can be given up if that hangs: a host that keeps
/// old contents of a file gives them up when it takes a lock.
struct Toucher {
    path: PathBuf,
    name: String,
    worker: Option<Worker>,
    /// Since when it is at work.
    since: Option<BootInstant>,
    last: Option<BootInstant>,
    hopeless: bool,
}

impl Toucher {
    fn new(path: &Path, name: &str) -> Self {
        let (path, name) = (path.to_owned(), name.to_owned());
        Self { path, name, worker: None, since: None, last: None, hopeless: false }
    }

    fn touch(&mut self) {
        if self.hopeless || self.last.is_some_and(|at| at.elapsed() < TOUCH) {
            return;
        }
        if let (Some(since), Some(worker)) = (self.since, &mut self.worker)
            && !worker.has_ended()
        {
            if since.elapsed() >= TOUCH_MAX {
                self.hopeless = true;
                self.worker = None;
            }
            return;
        }
        let (path, name) = (self.path.clone(), self.name.clone());
        let now = BootInstant::now();
        (self.since, self.last) = (Some(now), Some(now));
        // Without it, changes may be seen late.
        self.worker = Worker::start(move |_| u8::from(touch(&path, &name).is_err())).ok();
    }
}

fn touch(path: &Path, name: &str) -> Result<(), i32> {
    let file = Dir::open(path)?.open_file(name, How::RO)?;
    probe::lock(file.as_fd(), Family::Posix, Kind::Read, Range::WHOLE, false)?;
    probe::lock(file.as_fd(), Family::Posix, Kind::Unlock, Range::WHOLE, false)
}
