//! Two copies over a socket: a program of its own, because a process that forks must have one thread.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test without the test harness"
)]

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use miqm_fsck::agent::{self, Event};
use miqm_fsck::host::{Host, LocalHost, Lost, Received, RemoteHost};
use miqm_fsck::stage::{Limits, SharedHost};
use miqm_fsck::wire::{Hello, WIRE_BYTES_MAX};
use miqm_fsck::{Call, HostFacts, Outcome, Phase, Place, Report, Stage, run};
use miqm_sys::port::Port;
use miqm_sys::proc::Signal;
use miqm_sys::worker::Worker;
use miqm_types::UtcTime;

const LIMIT: Duration = Duration::from_secs(5);

fn facts(name: &str) -> HostFacts {
    HostFacts { name: name.into(), ..HostFacts::default() }
}

/// An agent in a process of its own, and a host over it.
fn remote(dir: &Path) -> (Worker, RemoteHost) {
    let path = dir.to_owned();
    let worker = Worker::start(move |stream| {
        let port = Port::of_stream(stream, WIRE_BYTES_MAX).unwrap();
        let mut host = LocalHost::new(&path, facts("there"));
        let mut notes = 0;
        let end = agent::serve(
            port,
            &mut host,
            LIMIT,
            &mut |event| {
                notes += u8::from(matches!(event, Event::Note("hello")));
                None
            },
            &|| false,
        );
        let report = end.report.is_some_and(|report| report.run == "test");
        u8::from(end.why.is_some() || !report || notes != 1)
    })
    .unwrap();
    let port = worker.port(WIRE_BYTES_MAX).unwrap();
    let host = RemoteHost::over(port, &Hello::new(&facts("here")), LIMIT, LIMIT).unwrap();
    (worker, host)
}

fn until(what: &str, mut test: impl FnMut() -> bool) {
    let began = Instant::now();
    while !test() {
        assert!(began.elapsed() < 2 * LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn checks_run_on_two_hosts_in_both_directions() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("amqmfsck-test.tmp")).unwrap();
    let (mut worker, mut there) = remote(dir.path());
    assert_eq!(there.facts().name, "there");
    there.note("hello").unwrap();
    let there = Rc::new(RefCell::new(there));
    let far: SharedHost = there.clone();
    let here: SharedHost = Rc::new(RefCell::new(LocalHost::new(dir.path(), facts("here"))));
    let stage = Stage::one_host(here.clone(), "amqmfsck-test.tmp", Limits::default(), || false);
    stage.allow_one_host();
    let mut report = Report::new("test", "", UtcTime(0), &[Phase::Concurrent]);
    for (first, second) in [(&here, &far), (&far, &here)] {
        let stage = stage.with_hosts(first.clone(), second.clone());
        for phase in [Phase::Concurrent, Phase::Waiting] {
            assert!(run::phase(&stage, phase, &mut report, &mut |_| {}));
        }
    }
    // An answer that does not come is late only when the other host would have sent it.
    let stage = stage.with_hosts(here.clone(), far.clone());
    let mut actor = stage.actor(Place::Second).unwrap();
    actor.pause(true).unwrap();
    actor.begin(Call::Who).unwrap();
    let late = actor.finish(Duration::from_millis(20)).unwrap();
    assert!(late.is_none());
    actor.pause(false).unwrap();
    assert!(actor.finish(LIMIT).unwrap().is_some());
    let refused = actor.call(Call::Stat { name: "/etc".into() }).unwrap();
    assert_eq!(refused.result, Err(1));
    drop((actor, stage, far));
    for found in &report.findings {
        println!("{:?} {} {}", found.hosts, found.check, found.summary);
    }
    assert_eq!(report.judge(), Outcome::Passed);
    let mut there = Rc::into_inner(there).unwrap().into_inner();
    there.report(&report).unwrap();
    assert!(there.goodbye(LIMIT));
    until("the agent ends", || worker.has_ended());
}

fn a_killed_agent_is_a_lost_host() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, mut there) = remote(dir.path());
    there.start(1).unwrap();
    there.send(1, &Call::Who).unwrap();
    assert!(matches!(there.receive(1, LIMIT), Ok(Received::Reply(_))));
    there.kick(1, miqm_fsck::host::Kick::Kill).unwrap();
    assert_eq!(there.receive(1, LIMIT).unwrap(), Received::Ended);
    worker.signal(Signal::SIGKILL);
    there.start(2).ok();
    let began = Instant::now();
    let lost: Result<Received, Lost> = there.receive(2, 2 * LIMIT);
    println!("{lost:?}");
    assert!(lost.is_err() && began.elapsed() < LIMIT);
}

fn a_stopped_agent_is_a_lost_host() {
    let dir = tempfile::tempdir().unwrap();
    let (mut worker, mut there) = remote(dir.path());
    there.start(1).unwrap();
    worker.signal(Signal::SIGSTOP);
    let began = Instant::now();
    let lost = there.receive(1, 4 * LIMIT).unwrap_err();
    println!("{lost}");
    assert!(began.elapsed() < 2 * LIMIT);
}

/// A generator of numbers that is the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// An agent that is talked to by somebody who is no conductor ends, and says why.
fn garbage_ends_an_agent() {
    let seed = std::env::var("MIQM_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("garbage: MIQM_TEST_SEED={seed}");
    let mut numbers = Numbers(seed);
    let hello =
        serde_json::to_vec(&miqm_fsck::wire::Message::Hello(Box::new(Hello::new(&facts("x")))));
    let hello = hello.unwrap();
    for round in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let mut worker = Worker::start(move |stream| {
            let port = Port::of_stream(stream, WIRE_BYTES_MAX).unwrap();
            let mut host = LocalHost::new(&path, facts("there"));
            let end = agent::serve(port, &mut host, LIMIT, &mut |_| None, &|| false);
            u8::from(end.why.is_none())
        })
        .unwrap();
        let mut message = hello.clone();
        if round % 3 == 0 {
            for _ in 0..=numbers.next(4) {
                let at = usize::try_from(numbers.next(message.len() as u64)).unwrap();
                message[at] = u8::try_from(numbers.next(256)).unwrap();
            }
        }
        let mut bytes = u32::try_from(message.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend_from_slice(&message);
        for _ in 0..numbers.next(300) {
            bytes.push(u8::try_from(numbers.next(256)).unwrap());
        }
        bytes.truncate(usize::try_from(numbers.next(bytes.len() as u64 + 1)).unwrap());
        let stream = worker.stream();
        std::io::Write::write_all(stream, &bytes).ok();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        until("the agent ends", || worker.has_ended());
    }
}

fn main() {
    checks_run_on_two_hosts_in_both_directions();
    a_killed_agent_is_a_lost_host();
    a_stopped_agent_is_a_lost_host();
    garbage_ends_an_agent();
}
