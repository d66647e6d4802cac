//! The process that looks after the files, for an owner that must not touch them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use miqm_sys::port::{Incoming, Port};
use miqm_sys::probe::{self, Dir};
use miqm_sys::{proc, worker};
use serde::{Deserialize, Serialize};

use super::board::{Board, Names, View, again, remove_dead};
use super::carry::Carry;
use super::meeting::{Meeting, Offer, Outcome, Seen, State};
use super::sheet::Id;
use crate::wire::BEAT;

/// What the names of all files of copies that look for each other end with.
const ENDING: &str = "hello";
/// The most files of others that are looked at.
const VIEWS_MAX: usize = 64;
/// How long a file under one of our names may make no sense before people are told.
const STRANGE: Duration = Duration::from_secs(5);

/// What a postman is to do.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) dir: PathBuf,
    pub(crate) id: Id,
    pub(crate) nonce: Id,
    pub(crate) offer: Offer,
    /// How long a copy that shows no sign of life lives.
    pub(crate) silence: Duration,
}

impl Task {
    /// How often a copy shows a sign of life.
    pub(crate) fn beat(&self) -> Duration {
        BEAT.min(self.silence / 8)
    }
}

/// What a postman says to its owner until the two copies are connected. After [`Word::Met`], the port
/// carries what the copies say to each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Word {
    /// Something that people should know.
    Seen(Seen),
    /// The copies are connected.
    Met { id: Id, offer: Box<Offer>, directs: bool, folder: String },
    /// The only other copy does not fit.
    Differs(Vec<String>),
    /// The directory cannot be used for this; a sentence without a full stop.
    Cannot(String),
    /// Nothing, but it is there.
    Beat,
}

/// How soon to look again: often as long as something happens.
#[derive(Debug)]
pub(crate) struct Pace(BootInstant);

impl Pace {
    pub(crate) fn new() -> Self {
        Self(BootInstant::now())
    }

    /// Something has happened.
    pub(crate) fn reset(&mut self) {
        self.0 = BootInstant::now();
    }

    pub(crate) fn wait(&self) -> Duration {
        Duration::from_millis(match self.0.elapsed().as_millis() {
            0..30 => 2,
            30..500 => 5,
            500..2000 => 20,
            _ => 100,
        })
    }
}

/// Does a task for whoever is at the other end of the port, until that closes it or dies; the code to end
/// with. All files of this copy are removed then.
pub(crate) fn work(task: Task, port: Port) -> u8 {
    let owner = proc::parent();
    // Then the other copy is told at once that this one's owner died.
    if worker::outlive_maker().is_err() || proc::parent() != owner {
        return 1;
    }
    // Others must be able to read what is published.
    proc::set_umask(0);
    let dir = match again(|| Dir::open(&task.dir)) {
        Ok(dir) => dir,
        Err(errno) => return cannot(port, "opened", errno),
    };
    let letters = task.offer.letters();
    let stem = format!("amqmfsck-{letters}-{}", task.id);
    let board = Board::new(Names { folder: ".".into(), stem, ending: ENDING }, task.id);
    let meeting = Meeting::new(task.id, task.nonce, task.offer.clone(), task.silence);
    let now = BootInstant::now();
    let mut postman = Postman {
        port,
        owner,
        dir,
        board,
        meeting,
        views: BTreeMap::new(),
        published: None,
        said: now,
        pace: Pace::new(),
        task,
    };
    let over = postman.meet();
    let Some((with, directs)) = over else {
        postman.board.remove(&postman.dir);
        return 0;
    };
    postman.connect(with, directs)
}

fn cannot(mut port: Port, what: &str, errno: i32) -> u8 {
    let why = format!("the directory cannot be {what}: {}", probe::errno_text(errno));
    say(&mut port, &Word::Cannot(why));
    1
}

fn say(port: &mut Port, word: &Word) -> bool {
    let Ok(bytes) = serde_json::to_vec(word) else { return false };
    port.send(&bytes, BEAT).is_ok()
}

struct Postman {
    task: Task,
    port: Port,
    owner: u32,
    dir: Dir,
    board: Board,
    meeting: Meeting,
    views: BTreeMap<Id, Look>,
    /// What was published last, and when.
    published: Option<(State, BootInstant)>,
    said: BootInstant,
    pace: Pace,
}

/// A copy whose files were found.
struct Look {
    view: View,
    since: BootInstant,
    told: bool,
}

impl Postman {
    /// Looks for another copy; with whom this one works from now on, and whether it directs. `None` if
    /// nothing came of it, or the owner wants no more.
    fn meet(&mut self) -> Option<(Id, bool)> {
        let mut failing: Option<BootInstant> = None;
        loop {
            if !matches!(self.port.receive(self.pace.wait()), Ok(Incoming::Late)) {
                return None;
            }
            if proc::parent() != self.owner {
                return None;
            }
            let result = self.look().and_then(|outcome| self.publish().map(|()| outcome));
            let outcome = match result {
                Ok(outcome) => outcome,
                Err(errno) => {
                    let since = *failing.get_or_insert_with(BootInstant::now);
                    if since.elapsed() >= self.task.silence.min(Duration::from_secs(10)) {
                        let why = probe::errno_text(errno);
                        let why = format!("no file can be published in the directory: {why}");
                        say(&mut self.port, &Word::Cannot(why));
                        return None;
                    }
                    continue;
                }
            };
            failing = None;
            match outcome {
                Outcome::Met { with, directs } => return Some((with, directs)),
                Outcome::Differs(what) => {
                    say(&mut self.port, &Word::Differs(what));
                    return None;
                }
                Outcome::Waiting => {}
            }
            if self.said.elapsed() >= BEAT {
                self.say(&Word::Beat);
            }
        }
    }

    fn say(&mut self, word: &Word) {
        // An owner that does not listen is asking somebody something.
        if self.port.has_room().unwrap_or(false) {
            say(&mut self.port, word);
        }
        self.said = BootInstant::now();
    }

    fn look(&mut self) -> Result<Outcome, i32> {
        let mut listed = again(|| self.dir.list("."))?;
        listed.retain(|name| id_of(name).is_some());
        let now = BootInstant::now();
        for name in &listed {
            let Some((stem, id)) = id_of(name) else { continue };
            if id != self.task.id && self.views.len() < VIEWS_MAX {
                let names = Names { folder: ".".into(), stem: stem.to_owned(), ending: ENDING };
                let new = || Look { view: View::new(names, id), since: now, told: false };
                self.views.entry(id).or_insert_with(new);
            }
        }
        let mut gone = Vec::new();
        for (id, look) in &mut self.views {
            if let Some(sheet) = look.view.look(&self.dir, &listed)
                && let Ok(state) = serde_json::from_slice(&sheet.state)
            {
                self.meeting.heard(*id, state, now);
            }
            let text = id.to_string();
            let unlisted = !listed.iter().any(|name| name.contains(&text));
            if look.view.gone || (look.view.number == 0 && unlisted) {
                gone.push(*id);
            }
        }
        for id in gone {
            self.views.remove(&id);
            self.meeting.forget(id);
        }
        self.tell_strange(now);
        self.bury(&listed, now);
        let mut seen = Vec::new();
        let outcome = self.meeting.step(now, &mut |what| seen.push(what));
        for what in seen {
            self.pace.reset();
            self.say(&Word::Seen(what));
        }
        Ok(outcome)
    }

    fn tell_strange(&mut self, now: BootInstant) {
        let mut strange = Vec::new();
        for look in self.views.values_mut() {
            if look.view.number == 0 && !look.told && now.since(look.since) >= STRANGE {
                look.told = true;
                strange.push(look.view.staying());
            }
        }
        for name in strange {
            self.say(&Word::Seen(Seen::Strange { name }));
        }
    }

    /// Removes what dead copies left.
    fn bury(&mut self, listed: &[String], now: BootInstant) {
        let runs = |offer: &Offer| match proc::start_time(offer.pid) {
            Some(ticks) => offer.started_ticks == 0 || ticks == offer.started_ticks,
            // Without /proc nothing is known.
            None => offer.started_ticks == 0 || proc::start_time(proc::pid()).is_none(),
        };
        for id in self.meeting.dead(now, &runs) {
            let offer = self.meeting.offer_of(id).cloned().unwrap_or_default();
            let removed = remove_dead(&self.dir, listed, id) > 0;
            self.meeting.forget(id);
            self.views.remove(&id);
            let (host, began) = (offer.host, offer.began);
            self.say(&Word::Seen(Seen::Leftover { host, began, removed }));
        }
    }

    /// Publishes what this copy has to say, if that is new or it is time for a sign of life.
    fn publish(&mut self) -> Result<(), i32> {
        let same = |last: &(State, BootInstant)| {
            last.0 == self.meeting.state && last.1.elapsed() < self.task.beat()
        };
        if self.published.as_ref().is_some_and(same) {
            return Ok(());
        }
        let state = serde_json::to_vec(&self.meeting.state).map_err(|_| INVALID)?;
        if self.published.as_ref().is_none_or(|last| last.0 != self.meeting.state) {
            self.pace.reset();
        }
        self.board.publish(&self.dir, state, Vec::new(), true)?;
        self.published = Some((self.meeting.state.clone(), BootInstant::now()));
        Ok(())
    }

    /// Carries messages between the two copies until one of them ends.
    fn connect(mut self, with: Id, directs: bool) -> u8 {
        let folder = folder_of(if directs { self.task.id } else { with });
        let (Some(offer), Some(nonce)) =
            (self.meeting.offer_of(with).cloned(), self.meeting.nonce_of(with))
        else {
            return 1;
        };
        let mut carry = Carry::new(&self.task, &folder, with, nonce);
        let mut made = Err(INVALID);
        // The other one may not have seen yet that both agree: this goes on until it writes letters.
        let began = BootInstant::now();
        while !carry.hears(&self.dir) {
            if proc::parent() != self.owner || began.elapsed() >= self.task.silence {
                self.board.remove(&self.dir);
                carry.remove_all(&self.dir);
                let host = offer.host;
                let why = match made {
                    Ok(()) => format!("the copy on host {host} was found, and not heard of again"),
                    Err(errno) => {
                        let why = probe::errno_text(errno);
                        format!("no folder can be made for the run with host {host}: {why}")
                    }
                };
                say(&mut self.port, &Word::Cannot(why));
                return 1;
            }
            // What fails now is tried again.
            self.publish().ok();
            if made.is_err() {
                made = carry.make_folder(&self.dir);
            }
            carry.publish(&self.dir).ok();
            if !matches!(self.port.receive(self.pace.wait()), Ok(Incoming::Late)) {
                self.board.remove(&self.dir);
                carry.remove_all(&self.dir);
                return 0;
            }
        }
        self.board.remove(&self.dir);
        let met = Word::Met { id: with, offer: Box::new(offer), directs, folder };
        if !say(&mut self.port, &met) {
            carry.remove_all(&self.dir);
            return 1;
        }
        carry.run(&self.dir, self.port, self.owner);
        let listed = self.dir.list(".").unwrap_or_default();
        let hellos: Vec<_> = listed.into_iter().filter(|name| id_of(name).is_some()).collect();
        remove_dead(&self.dir, &hellos, with);
        0
    }
}

/// Removes what the copy of this id published, wherever that is: after its postman died.
pub(crate) fn clean_up(path: &Path, id: Id) -> u8 {
    let Ok(dir) = Dir::open(path) else { return 1 };
    let listed = dir.list(".").unwrap_or_default();
    let (folders, hellos): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|name| name.strip_suffix(".tmp").is_some());
    remove_dead(&dir, &hellos, id);
    for folder in folders.iter().filter(|name| name.starts_with("amqmfsck-")) {
        let link = format!("{folder}/link");
        let listed = dir.list(&link).unwrap_or_default();
        let names: Vec<_> = listed.iter().map(|name| format!("{link}/{name}")).collect();
        if remove_dead(&dir, &names, id) > 0 || *folder == folder_of(id) {
            // They stay as long as somebody else has something in them.
            dir.remove_dir(&link).ok();
            dir.remove_dir(folder).ok();
        }
    }
    0
}

/// `EINVAL`.
const INVALID: i32 = 22;

/// The name of the folder of a run that a copy directs.
pub(crate) fn folder_of(id: Id) -> String {
    format!("amqmfsck-{id}.tmp")
}

/// What the names of a copy's files begin with, and which copy it is, if this is such a name.
pub(crate) fn id_of(name: &str) -> Option<(&str, Id)> {
    let rest = name.strip_prefix("amqmfsck-")?;
    let (letters, rest) = rest.split_once('-')?;
    if letters.is_empty() || letters.len() > 8 || !letters.bytes().all(|c| c.is_ascii_lowercase()) {
        return None;
    }
    let id = rest.get(..32)?.parse().ok()?;
    let stem = name.get(..name.len() - rest.len() + 32)?;
    let ending = rest.get(32..)?.strip_suffix(ENDING)?.strip_suffix('.')?;
    let number = ending.strip_prefix('.').map(str::parse::<u64>);
    (ending.is_empty() || matches!(number, Some(Ok(_)))).then_some((stem, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_looked_at() {
        let id = "0123456789abcdef0123456789abcdef";
        let stem = format!("amqmfsck-cw-{id}");
        for end in [".hello", ".7.hello"] {
            let name = format!("{stem}{end}");
            assert_eq!(id_of(&name), Some((stem.as_str(), id.parse().unwrap())));
        }
        for wrong in [
            "amqmfsck.dat".to_owned(),
            format!("amqmfsck-{id}.tmp"),
            format!("{stem}.x.hello"),
            format!("{stem}hello"),
            format!("{stem}..hello"),
            format!("amqmfsck--{id}.hello"),
            format!("amqmfsck-c-{}.hello", &id[1..]),
            format!("amqmfsck-c-{}\u{e9}.hello", &id[1..]),
        ] {
            assert_eq!(id_of(&wrong), None, "{wrong}");
        }
    }
}
