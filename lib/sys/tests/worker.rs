//! Workers: a program of its own, because a process that forks must have one thread.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test without the test harness")]

use std::time::Duration;

use miqm_sys::clock::{BootInstant, sleep};
use miqm_sys::proc::Signal;
use miqm_sys::worker::{Worker, receive, send, wait_readable};
use miqm_sys::{probe, proc};

const LIMIT: Duration = Duration::from_secs(10);

fn main() {
    a_worker_answers_and_ends();
    a_worker_that_is_killed_is_gone();
    an_interrupted_wait_goes_on_or_not_as_the_worker_wants();
    what_a_child_inherits_can_be_asked_of_it();
    println!("4 tests of workers passed");
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let limit = BootInstant::now().saturating_add(LIMIT);
    while !done() {
        assert!(!limit.left().is_zero(), "{what} did not happen");
        sleep(Duration::from_millis(2));
    }
}

fn a_worker_answers_and_ends() {
    let mut worker = Worker::start(|mut stream| {
        let asked = receive(&mut stream, 100).unwrap().unwrap();
        send(&mut stream, &asked.repeat(2)).unwrap();
        0
    })
    .unwrap();
    assert_ne!(worker.pid(), proc::pid());
    send(worker.stream(), b"ab").unwrap();
    let ready = wait_readable(&[std::os::fd::AsFd::as_fd(&worker)], LIMIT).unwrap();
    assert_eq!(ready, [0]);
    assert_eq!(receive(worker.stream(), 100).unwrap().unwrap(), b"abab");
    assert_eq!(receive(worker.stream(), 100).unwrap(), None);
    until("the end of the worker", || worker.has_ended());
}

fn a_worker_that_is_killed_is_gone() {
    let mut worker = Worker::start(|mut stream| {
        drop(receive(&mut stream, 100));
        0
    })
    .unwrap();
    assert!(!worker.has_ended());
    worker.signal(Signal::SIGKILL);
    until("the death of the worker", || worker.has_ended());
    worker.signal(Signal::SIGKILL);
    let pid = worker.pid();
    drop(worker);
    assert!(!proc::alive(pid));
    let asleep = Worker::start(|_| {
        sleep(Duration::from_mins(10));
        0
    })
    .unwrap();
    let pid = asleep.pid();
    drop(asleep);
    assert!(!proc::alive(pid), "a worker outlived its maker's interest");
}

fn an_interrupted_wait_goes_on_or_not_as_the_worker_wants() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let opened = probe::Dir::open(&path).unwrap();
    let file = opened.open_file("lock", probe::How::NEW).unwrap();
    let whole = miqm_sys::lock::Range::WHOLE;
    let (ofd, write) = (probe::Family::Ofd, probe::Kind::Write);
    let fd = std::os::fd::AsFd::as_fd(&file);
    probe::lock(fd, ofd, write, whole, false).unwrap();
    let mut worker = Worker::start(move |mut stream| {
        probe::let_usr1_interrupt().unwrap();
        let dir = probe::Dir::open(&path).unwrap();
        let file = dir.open_file("lock", probe::How::RW).unwrap();
        send(&mut stream, b"waits").unwrap();
        let fd = std::os::fd::AsFd::as_fd(&file);
        let errno = probe::lock(fd, ofd, write, whole, true).unwrap_err();
        send(&mut stream, probe::errno_name(errno).as_bytes()).unwrap();
        0
    })
    .unwrap();
    assert_eq!(receive(worker.stream(), 100).unwrap().unwrap(), b"waits");
    until("the interruption", || {
        worker.signal(Signal::SIGUSR1);
        let fds = [std::os::fd::AsFd::as_fd(&worker)];
        !wait_readable(&fds, Duration::from_millis(20)).unwrap().is_empty()
    });
    assert_eq!(receive(worker.stream(), 100).unwrap().unwrap(), b"EINTR");
}

fn what_a_child_inherits_can_be_asked_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = probe::Dir::open(dir.path()).unwrap();
    let file = dir.open_file("lock", probe::How::NEW).unwrap();
    let fd = std::os::fd::AsFd::as_fd(&file);
    let whole = miqm_sys::lock::Range::WHOLE;
    probe::lock(fd, probe::Family::Posix, probe::Kind::Write, whole, false).unwrap();
    let refused = probe::in_child(|| {
        let again = probe::lock(fd, probe::Family::Posix, probe::Kind::Write, whole, false);
        vec![u8::try_from(again.unwrap_err()).unwrap()]
    });
    assert_eq!(probe::errno_name(i32::from(refused.unwrap().unwrap()[0])), "EAGAIN");
    let pid = probe::idle_child().unwrap();
    assert!(proc::alive(pid));
    proc::kill(pid, Signal::SIGKILL).unwrap();
    probe::reap(pid);
    assert!(!proc::alive(pid));
}
