//! What instances tell a service manager, without one.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::Machine;
use crate::support::instance::{Foreground, says_it_serves};
use crate::support::pair::{Pair, signal, wait_until};

const SOON: Duration = Duration::from_secs(30);

/// The end of the notify protocol that is the service manager's.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    /// One for the instances that are started on this host from here on, which feed its watchdog.
    fn of(host: Machine, watchdog: Duration) -> (Self, Machine) {
        let path = host.shared().join(format!("notify-{}", host.host()));
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
        let host = host
            .with("NOTIFY_SOCKET", &path.display().to_string())
            .with("WATCHDOG_USEC", &watchdog.as_micros().to_string());
        (Self { socket, heard: Vec::new() }, host)
    }

    /// Waits until this is said; what was said before it is forgotten.
    fn hears(&mut self, wanted: &str) {
        let began = Instant::now();
        loop {
            if let Some(said) = self.listen()
                && said == wanted
            {
                return;
            }
            assert!(began.elapsed() < SOON, "{wanted} was not said, but {:?}", self.heard);
        }
    }

    fn listen(&mut self) -> Option<String> {
        let mut buffer = [0; 4096];
        let len = self.socket.recv(&mut buffer).ok()?;
        let said = String::from_utf8_lossy(&buffer[..len]).trim_end().to_owned();
        self.heard.push(said.clone());
        Some(said)
    }
}

/// The file that is there only while an instance serves.
fn mark(host: &Machine) -> PathBuf {
    host.runtime_dir().join("active@QM1")
}

#[test]
fn the_status_line_and_the_marker_follow_the_role() {
    let Pair { one, two } = Pair::created();
    let watchdog = Duration::from_secs(2);
    let (mut manager_1, one) = Manager::of(one, watchdog);
    let (mut manager_2, two) = Manager::of(two, watchdog);

    let mut first = Foreground::start(&one);
    manager_1.hears("STATUS=active, epoch 2, 0 connections");
    manager_1.hears("READY=1");
    assert!(mark(&one).exists() && says_it_serves(&one.runtime_dir()));
    manager_1.hears("WATCHDOG=1");

    let mut second = Foreground::start(&two);
    manager_2.hears("STATUS=standby, host1 is active, epoch 2");
    manager_2.hears("WATCHDOG=1");
    assert!(manager_2.heard.contains(&"READY=1".to_owned()) && !mark(&two).exists());

    signal(first.pid(), "TERM");
    manager_1.hears("STOPPING=1");
    // Whoever is told that it stops finds no sign any more that it serves.
    assert!(!mark(&one).exists() && !says_it_serves(&one.runtime_dir()));
    assert_eq!(first.ended(SOON).expect("it ends").0, Some(0));
    manager_2.hears("STATUS=active, epoch 3, 0 connections");
    let recovering = |said: &String| said.starts_with("STATUS=recovering after epoch 2 on host1, ");
    assert!(manager_2.heard.iter().any(recovering), "{:?}", manager_2.heard);

    // Nobody but a service manager tells the host that this one is gone.
    wait_until(SOON, "the marker of the second", || mark(&two).exists());
    drop(two.run("miqmd --stopped QM1").success());
    assert!(mark(&two).exists() && says_it_serves(&two.runtime_dir()), "it is alive");
    signal(second.pid(), "KILL");
    drop(second.ended(SOON).expect("it ends"));
    assert!(mark(&two).exists() && says_it_serves(&two.runtime_dir()));
    drop(two.run("miqmd --stopped QM1").success());
    assert!(!mark(&two).exists() && !says_it_serves(&two.runtime_dir()));
    drop(two.run("miqmd --stopped NEVER.RAN").success());
    drop(two.run("miqmd --stopped -x QM1").code(39));
}
