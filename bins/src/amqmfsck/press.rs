//! The lock that people release, at the end of `-w` on two terminals.

use std::time::{Duration, Instant};

use miqm_cli::{Exit, Failure, Message};
use miqm_fsck::hold::{self, FILE, Limits, Part, Scene};
use miqm_fsck::host::RemoteHost;
use miqm_fsck::session::{Session, enter_pressed};
use miqm_fsck::wire::Manual;
use miqm_fsck::{BootInstant, Finding, Phase, Told};

use super::Amqmfsck;
use super::show::Show;

/// This copy's part. Nothing happens in it unless the test is `-w` with all its checks.
pub(super) struct ByHand {
    part: Option<Part>,
    people: Duration,
    host: String,
    /// The host of the other copy.
    pub(super) other: String,
    /// Whether people may press ENTER: not in a script that reads JSON.
    interactive: bool,
    /// Whether the automatic checks are over.
    begun: bool,
    /// Whether this copy knows what came of it.
    pub(super) over: bool,
    began: Instant,
}

impl ByHand {
    /// Begins to ask for the lock.
    pub(super) fn start(
        asked: &Amqmfsck,
        phase: Phase,
        host: &str,
        show: &Show<'_, '_>,
    ) -> Result<Self, Failure> {
        let mut limits = Limits::default();
        if let Some(seconds) = asked.wait {
            limits.people = Duration::from_secs(seconds);
        }
        if let Some(seconds) = asked.limit {
            limits.take_over = Duration::from_secs(seconds);
        }
        let wanted = phase == Phase::Waiting && asked.checks.is_empty();
        let start = || Part::start(&asked.absolute(), limits);
        let part = wanted.then(start).transpose().map_err(|lost| {
            show.progress.clear();
            let (host, why) = (lost.host, lost.why);
            Failure::new(Exit::NotDone, Message::FsckHostLost { host, why })
        })?;
        Ok(Self {
            part,
            people: limits.people,
            host: host.to_owned(),
            other: "unknown".to_owned(),
            interactive: !asked.json,
            begun: false,
            over: false,
            began: Instant::now(),
        })
    }

    /// Does what is to be done now; what is to be said to the other copy.
    pub(super) fn tick(&mut self, show: &mut Show<'_, '_>) -> Option<Manual> {
        let part = self.part.as_mut()?;
        if self.begun && part.hold().is_held() && (!self.interactive || enter_pressed()) {
            part.pressed();
        }
        let (host, other, people) = (&self.host, &self.other, self.people);
        let said = part.tick(&mut |scene| say(show, &scene, [host, other], people));
        self.over |= part.told().is_some();
        said
    }

    /// The other copy said something.
    pub(super) fn heard(&mut self, what: &Manual) {
        if let Some(part) = &mut self.part {
            self.begun |= matches!(what, Manual::Begin);
            part.heard(what);
        }
    }

    /// Plays it to its end, from the side of the copy that directs.
    pub(super) fn direct(
        &mut self,
        remote: &mut RemoteHost,
        show: &mut Show<'_, '_>,
        session: &Session,
    ) -> Option<Finding> {
        let part = self.part.as_mut()?;
        show.progress.clear();
        self.began = Instant::now();
        let (host, other, people) = (&self.host, &self.other, self.people);
        let interactive = self.interactive;
        let told = part.direct(
            remote,
            &mut |scene| say(show, &scene, [host, other], people),
            &|| !interactive || enter_pressed(),
            &|| session.asked(),
        );
        Some(self.found(told))
    }

    /// Goes on if the copy that directs is gone while people were to release the lock; what came of it.
    pub(super) fn alone(
        &mut self,
        why: &str,
        since: BootInstant,
        show: &mut Show<'_, '_>,
        session: &Session,
    ) -> Option<Finding> {
        if !self.begun || self.over {
            return None;
        }
        let part = self.part.as_mut()?;
        let (host, other, people) = (&self.host, &self.other, self.people);
        let on = &mut |scene: Scene| say(show, &scene, [host, other], people);
        let told = part.alone(why, since, on, &|| session.asked());
        self.over = true;
        Some(self.found(told))
    }

    fn found(&self, told: Told) -> Finding {
        let hosts = vec![self.host.clone(), self.other.clone()];
        hold::finding(told, hosts, self.began.elapsed().as_secs_f64())
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        if let Some(part) = &mut self.part {
            part.clean_up();
        }
    }
}

/// Says what happens to the lock.
fn say(show: &mut Show<'_, '_>, scene: &Scene, [host, other]: [&String; 2], people: Duration) {
    let (here, there, file) = (host.clone(), other.clone(), FILE.to_owned());
    show.say(&match scene {
        Scene::Holds => Message::FsckLockHeld { file },
        Scene::Waits => Message::FsckLockWaits { file },
        Scene::Cannot(why) => Message::FsckLockCannot { file, why: why.clone() },
        Scene::Press => Message::FsckLockPress { seconds: people.as_secs() },
        Scene::Wait => Message::FsckLockWait { host: there },
        Scene::Released => Message::FsckLockReleased { host: here },
        Scene::OtherReleased => Message::FsckLockReleased { host: there },
        Scene::OtherGone(why) => Message::FsckLockOtherGone { host: there, why: why.clone() },
        Scene::Got => Message::FsckLockGot { host: here },
        Scene::OtherGot => Message::FsckLockGot { host: there },
    });
}
