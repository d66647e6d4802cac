//! How copies find each other: what each says of itself and of the others, and what follows from it.
//! Nothing here touches a file or a clock of its own.
//!
//! * Each copy says a random word, its *nonce*, and repeats those of all others that it sees. A copy that
//!   repeats one's own nonce has read it, so it lived after this one began: what a dead copy left, and
//!   a copy of one's own file, cannot.
//! * Of two, the one with the lower id *invites* and will direct. The other one *accepts* one invitation,
//!   and the inviter *confirms*: only then are both sure that each means the other. A copy waits for an
//!   answer only of copies with higher ids, so no circle of copies waits for itself.

use std::collections::BTreeMap;
use std::time::Duration;

use miqm_sys::clock::BootInstant;
use serde::{Deserialize, Serialize};

use super::sheet::Id;
use crate::report::{Phase, Report};

/// The version of how copies meet.
const PAIR_PROTOCOL: u32 = 1;
/// The most copies that are taken notice of at the same time.
const OTHERS_MAX: usize = 64;
/// How long a copy with other parameters is noticed before that ends the wait: another one with the
/// same may be seen meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the other copy is given to see that both do not fit.
const FAREWELL: Duration = Duration::from_secs(6);
/// How long a copy must show no sign of life before people are told of it.
const QUIET: Duration = Duration::from_secs(5);

/// What a copy is about to do. Two copies must agree on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Offer {
    /// The versions of how copies meet, and of what they say then.
    pub protocol: (u32, u32),
    /// The version of the form of reports.
    pub format: u32,
    /// What was asked.
    pub phases: Vec<Phase>,
    /// The pages of the integrity test, if that is asked.
    pub pages: Option<u64>,
    /// Whether it is meant that both copies run on one host.
    pub one_host: bool,
    /// The name of the host.
    pub host: String,
    /// The version of the program.
    pub version: String,
    /// The kernel's id of the boot; empty if unknown.
    pub boot: String,
    /// The process number.
    pub pid: u32,
    /// When the process started, in clock ticks since the boot; 0 if unknown.
    pub started_ticks: u64,
    /// When the copy began, by the clock of its host, in microseconds since 1970 UTC. For people only.
    pub began: i64,
}

impl Offer {
    /// What this process offers; who it is is added when it begins to look for the other one.
    pub fn new(host: &str, phases: &[Phase], pages: Option<u64>) -> Self {
        Self {
            protocol: (PAIR_PROTOCOL, crate::wire::PROTOCOL),
            format: Report::FORMAT,
            phases: phases.to_vec(),
            pages,
            host: host.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Self::default()
        }
    }

    /// What keeps two copies from working together, as sentences without a full stop.
    pub fn differences(&self, theirs: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.protocol != theirs.protocol || self.format != theirs.format {
            found.push(format!(
                "the copy on host {} is version {} of the checker, and this one is {}",
                theirs.host, theirs.version, self.version
            ));
        }
        if self.phases != theirs.phases {
            let words = |phases: &[Phase]| {
                let words: Vec<_> = phases.iter().map(|phase| word(*phase)).collect();
                words.join(" and ")
            };
            found.push(format!(
                "the copy on host {} tests {}, and this one {}",
                theirs.host,
                words(&theirs.phases),
                words(&self.phases)
            ));
        }
        if self.one_host != theirs.one_host {
            let (with, without) =
                if self.one_host { ("this one", "that one") } else { ("that one", "this one") };
            found.push(format!(
                "of the copy on host {} and this one, {with} was started with --one-host, {without} without",
                theirs.host
            ));
        }
        if self.pages != theirs.pages {
            let pages = |pages: Option<u64>| pages.map_or("none".into(), |n| n.to_string());
            found.push(format!(
                "the copy on host {} was told a number of pages of {}, and this one of {}",
                theirs.host,
                pages(theirs.pages),
                pages(self.pages)
            ));
        }
        found
    }

    /// The letters of the options in the name of the file that others look for.
    pub(crate) fn letters(&self) -> String {
        let letter = |phase: &Phase| match phase {
            Phase::Concurrent => 'c',
            Phase::Waiting => 'w',
            Phase::Append => 'a',
            _ => 'x',
        };
        let letters: String = self.phases.iter().map(letter).collect();
        if letters.is_empty() { "x".into() } else { letters }
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Concurrent => "concurrent writes (-c)",
        Phase::Waiting => "waiting for locks (-w)",
        Phase::Append => "appends (-a)",
        _ => "something else",
    }
}

/// What a copy says while it looks for another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) offer: Offer,
    pub(crate) nonce: Id,
    /// The nonces of the others that it sees.
    pub(crate) heard: Vec<(Id, Id)>,
    /// Whom it invites, or whose invitation it accepts.
    pub(crate) chosen: Option<Id>,
    /// Whether that is sure on both sides.
    pub(crate) confirmed: bool,
    /// Who is there and does not fit.
    pub(crate) refused: Vec<Id>,
}

/// What people are told while a copy waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Seen {
    /// Files of a copy that shows no sign of life.
    Leftover { host: String, began: i64, removed: bool },
    /// Two others work together.
    Busy { hosts: [String; 2] },
    /// A living copy that does not fit.
    Other { host: String },
    /// A living copy that fits.
    Found { host: String },
    /// A file of another version of the checker, or no file of it at all.
    Strange { name: String },
}

/// What a look led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Waiting,
    /// Both copies are sure of each other. The one that invited directs.
    Met {
        with: Id,
        directs: bool,
    },
    /// The only copy that is there does not fit.
    Differs(Vec<String>),
}

#[derive(Debug)]
struct Other {
    state: State,
    /// When its number last grew.
    moved: BootInstant,
    /// When it was first known to live and not to fit.
    unfit: Option<BootInstant>,
    told_quiet: bool,
    told_alive: bool,
}

/// One copy's knowledge of all others.
#[derive(Debug)]
pub(crate) struct Meeting {
    pub(crate) id: Id,
    pub(crate) state: State,
    silence: Duration,
    others: BTreeMap<Id, Other>,
    refused_since: Option<BootInstant>,
    /// What differed from a copy that is not there any more.
    parted: Vec<String>,
    told_busy: bool,
}

impl Meeting {
    pub(crate) fn new(id: Id, nonce: Id, offer: Offer, silence: Duration) -> Self {
        let state = State {
            offer,
            nonce,
            heard: Vec::new(),
            chosen: None,
            confirmed: false,
            refused: Vec::new(),
        };
        let (others, parted) = (BTreeMap::new(), Vec::new());
        Self { id, state, silence, others, refused_since: None, parted, told_busy: false }
    }

    /// What a copy said, whose number has grown.
    pub(crate) fn heard(&mut self, id: Id, state: State, now: BootInstant) {
        if id == self.id || (!self.others.contains_key(&id) && self.others.len() >= OTHERS_MAX) {
            return;
        }
        if let Some(other) = self.others.get_mut(&id) {
            (other.state, other.moved) = (state, now);
        } else {
            let (unfit, told_quiet, told_alive) = (None, false, false);
            let other = Other { state, moved: now, unfit, told_quiet, told_alive };
            self.others.insert(id, other);
        }
    }

    /// Forgets a copy whose files are gone.
    pub(crate) fn forget(&mut self, id: Id) {
        if let Some(other) = self.others.remove(&id).filter(|_| self.state.refused.contains(&id)) {
            // It has seen the same and ended.
            self.parted = self.state.offer.differences(&other.state.offer);
        }
    }

    /// The copies that have shown no sign of life for so long that they are dead, or whose process on
    /// this very host is.
    pub(crate) fn dead(&self, now: BootInstant, runs: &dyn Fn(&Offer) -> bool) -> Vec<Id> {
        let silent = |other: &Other| now.since(other.moved) >= self.silence;
        let here = |offer: &Offer| !offer.boot.is_empty() && offer.boot == self.state.offer.boot;
        let ended = |offer: &Offer| here(offer) && !runs(offer);
        let dead = |other: &Other| silent(other) || ended(&other.state.offer);
        self.others.iter().filter(|(_, other)| dead(other)).map(|(id, _)| *id).collect()
    }

    pub(crate) fn offer_of(&self, id: Id) -> Option<&Offer> {
        self.others.get(&id).map(|other| &other.state.offer)
    }

    pub(crate) fn nonce_of(&self, id: Id) -> Option<Id> {
        self.others.get(&id).map(|other| other.state.nonce)
    }

    /// Whether a copy has read what this one said.
    fn lives(&self, other: &Other, now: BootInstant) -> bool {
        let mine = (self.id, self.state.nonce);
        other.state.heard.contains(&mine) && now.since(other.moved) < self.silence
    }

    fn fits(&self, other: &Other) -> bool {
        self.state.offer.differences(&other.state.offer).is_empty()
    }

    /// What follows from what was heard; `state` is what is to be published now.
    pub(crate) fn step(&mut self, now: BootInstant, tell: &mut dyn FnMut(Seen)) -> Outcome {
        self.tell(now, tell);
        let heard = self.others.iter().map(|(id, other)| (*id, other.state.nonce));
        self.state.heard = heard.collect();
        let alive: Vec<Id> = self
            .others
            .iter()
            .filter(|(_, other)| self.lives(other, now) && self.fits(other))
            .map(|(id, _)| *id)
            .collect();
        let outcome = self.choose(&alive);
        if outcome == Outcome::Waiting && alive.is_empty() {
            return self.differing(now);
        }
        outcome
    }

    /// Whom another copy has chosen.
    fn choice(&self, id: Id) -> Option<Id> {
        self.others.get(&id).and_then(|other| other.state.chosen)
    }

    fn choose(&mut self, alive: &[Id]) -> Outcome {
        let me = self.id;
        if let Some(with) = self.state.chosen {
            let theirs = self.choice(with);
            let confirmed = self.others.get(&with).is_some_and(|other| other.state.confirmed);
            let alive = alive.contains(&with);
            if alive && theirs == Some(me) && with > me {
                self.state.confirmed = true;
                return Outcome::Met { with, directs: true };
            }
            if alive && theirs == Some(me) && confirmed {
                return Outcome::Met { with, directs: false };
            }
            // An invitation that was taken back, or one to somebody who has chosen another.
            let off = if with < me { theirs != Some(me) } else { theirs.is_some() };
            if !alive || off {
                self.state.chosen = None;
            }
        }
        if self.state.chosen.is_none() {
            let invites = |id: &&Id| **id < me && self.choice(**id) == Some(me);
            let free = |id: &&Id| **id > me && self.choice(**id).is_none_or(|with| with == me);
            let chosen = alive.iter().find(invites).or_else(|| alive.iter().find(free));
            self.state.chosen = chosen.copied();
        }
        Outcome::Waiting
    }

    /// Whether two others work together.
    fn pair_of(&self, id: Id) -> Option<[Id; 2]> {
        let with = self.choice(id)?;
        (self.choice(with) == Some(id)).then_some([id, with])
    }

    fn differing(&mut self, now: BootInstant) -> Outcome {
        if !self.parted.is_empty() {
            return Outcome::Differs(std::mem::take(&mut self.parted));
        }
        let mut unfit = Vec::new();
        for (id, other) in &self.others {
            if self.lives(other, now) && !self.fits(other) && self.pair_of(*id).is_none() {
                unfit.push(*id);
            }
        }
        let mut differences = Vec::new();
        let mut over = false;
        self.state.refused.clear();
        for id in unfit {
            let (me, mine) = (self.id, self.state.offer.clone());
            let Some(other) = self.others.get_mut(&id) else { continue };
            let since = *other.unfit.get_or_insert(now);
            if now.since(since) < PATIENCE {
                continue;
            }
            self.state.refused.push(id);
            differences.extend(mine.differences(&other.state.offer));
            over |= other.state.refused.contains(&me);
        }
        if differences.is_empty() {
            self.refused_since = None;
            return Outcome::Waiting;
        }
        let since = *self.refused_since.get_or_insert(now);
        // It has seen the same, or will not any more.
        if over || now.since(since) >= FAREWELL {
            return Outcome::Differs(differences);
        }
        Outcome::Waiting
    }

    fn tell(&mut self, now: BootInstant, tell: &mut dyn FnMut(Seen)) {
        let ids: Vec<Id> = self.others.keys().copied().collect();
        for id in ids {
            if let Some([one, other]) = self.pair_of(id).filter(|_| !self.told_busy) {
                let name = |id| self.offer_of(id).map(|offer| offer.host.clone());
                tell(Seen::Busy {
                    hosts: [name(one).unwrap_or_default(), name(other).unwrap_or_default()],
                });
                self.told_busy = true;
            }
            let Some(other) = self.others.get(&id) else { continue };
            let (lives, fits) = (self.lives(other, now), self.fits(other));
            let Some(other) = self.others.get_mut(&id) else { continue };
            let offer = &other.state.offer;
            let host = offer.host.clone();
            if lives && !other.told_alive {
                other.told_alive = true;
                tell(if fits { Seen::Found { host } } else { Seen::Other { host } });
            } else if !lives && now.since(other.moved) >= QUIET && !other.told_quiet {
                other.told_quiet = true;
                tell(Seen::Leftover { host, began: offer.began, removed: false });
            }
        }
    }
}

#[cfg(test)]
mod tests;
