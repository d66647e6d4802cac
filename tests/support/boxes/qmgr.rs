//! `QM1` on two hosts in boxes.

use std::time::{Duration, Instant};

use super::host::SOON;
use super::{Boxes, Host};
use crate::support::instance::{Told, says_it_serves};

/// The unit of the instance of `QM1`.
pub(crate) const UNIT: &str = "mqm@QM1.service";
/// What is up while the instance serves.
pub(crate) const TARGET: &str = "mqm-active@QM1.target";
/// The log is small: what takes here is not to be the disk.
const CREATE: &str = "crtmqm -lf 64 -ld /MQHA/logs -md /MQHA/qmgrs QM1";

/// Two hosts with one shared storage.
pub(crate) struct Pair {
    // The hosts go before their storage.
    pub(crate) one: Host,
    pub(crate) two: Host,
    pub(crate) boxes: Boxes,
}

impl Pair {
    /// Two hosts on which nothing is installed.
    pub(crate) fn bare_or_skip(what: &str) -> Option<Self> {
        let boxes = Boxes::or_skip(what)?;
        Some(Self { one: boxes.boot("host1"), two: boxes.boot("host2"), boxes })
    }

    /// Two hosts on which our package is installed. `alice` is a member of the group `mqm`, `bob` is not.
    pub(crate) fn installed_or_skip(what: &str) -> Option<Self> {
        let pair = Self::bare_or_skip(what)?;
        for host in pair.hosts() {
            install(host, &pair.boxes);
        }
        Some(pair)
    }

    /// With `QM1`, created on the first host and added on the second; nothing runs.
    pub(crate) fn created_or_skip(what: &str) -> Option<Self> {
        let pair = Self::installed_or_skip(what)?;
        pair.create();
        Some(pair)
    }

    /// With `QM1` enabled on both hosts: the first one serves.
    pub(crate) fn serving_or_skip(what: &str) -> Option<Self> {
        let pair = Self::created_or_skip(what)?;
        pair.enable();
        Some(pair)
    }

    /// Enables `QM1` on both hosts and starts it, first on the first host.
    pub(crate) fn enable(&self) {
        for (host, role) in [(&self.one, "Active"), (&self.two, "Standby")] {
            drop(host.run("systemctl enable --now --quiet mqm@QM1").code(0));
            // The unit is up when the instance is what it is to be.
            assert_eq!(told(host).map(|told| told.role).as_deref(), Some(role), "{}", host.name());
        }
    }

    /// Creates `QM1` as an operator does by hand.
    pub(crate) fn create(&self) {
        let storage = "install -d -o mqm -g mqm -m 2775 /MQHA/qmgrs /MQHA/logs";
        drop(self.one.run(storage).success());
        drop(self.one.run_as("mqm", CREATE).success());
        let told = self.one.run_as("mqm", "dspmqinf -o command QM1").success().stdout;
        drop(self.two.run_as("mqm", told.trim()).success());
    }

    /// Both hosts.
    pub(crate) fn hosts(&self) -> [&Host; 2] {
        [&self.one, &self.two]
    }

    /// The host that serves, and the other one.
    pub(crate) fn by_role(&self) -> (&Host, &Host) {
        wait("one of the hosts serves", || self.hosts().into_iter().any(serves));
        if serves(&self.one) { (&self.one, &self.two) } else { (&self.two, &self.one) }
    }

    /// The host that serves and the other one, for what changes them.
    pub(crate) fn by_role_mut(&mut self) -> (&mut Host, &mut Host) {
        let first = self.by_role().0.name() == self.one.name();
        if first { (&mut self.one, &mut self.two) } else { (&mut self.two, &mut self.one) }
    }

    /// Asserts that each unit is as the role of its host says: one serves, the other waits.
    pub(crate) fn is_whole(&self) {
        let (active, standby) = self.by_role();
        assert_eq!(has_role(standby, "Standby").epoch, 0, "a standby has no epoch");
        assert!(says_so(active) && !says_so(standby), "the role files");
        for host in [active, standby] {
            host.reaches(UNIT, "active/running");
        }
        active.reaches(TARGET, "active/active");
        standby.reaches(TARGET, "inactive/dead");
    }
}

/// Installs our package as an operator does, and makes the two users.
pub(crate) fn install(host: &Host, boxes: &Boxes) {
    let line = format!("apt-get install -y -qq {} 2>&1", boxes.packages().server());
    drop(host.run(&line).code(0));
    drop(host.run("useradd -m -G mqm alice && useradd -m bob").code(0));
}

/// Waits until a condition holds.
pub(crate) fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < SOON, "not within {} s: {what}", SOON.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What the instance on a host tells of itself, if its process is there.
pub(crate) fn told(host: &Host) -> Option<Told> {
    let told = Told::read(&host.path("/run/miqm"))?;
    host.has(&format!("/proc/{}/fd/0", told.pid)).then_some(told)
}

/// Whether the host's role file says that an instance serves here.
pub(crate) fn says_so(host: &Host) -> bool {
    says_it_serves(&host.path("/run/miqm"))
}

/// Whether an instance serves here.
pub(crate) fn serves(host: &Host) -> bool {
    says_so(host) && told(host).is_some_and(|told| told.role == "Active")
}

/// Waits until the instance on a host has this role.
pub(crate) fn has_role(host: &Host, role: &str) -> Told {
    let began = Instant::now();
    loop {
        match told(host) {
            Some(told) if told.role == role => return told,
            told if began.elapsed() > SOON => {
                panic!("{} is {told:?} and not {role}\n{}", host.name(), host.journal(UNIT));
            }
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
