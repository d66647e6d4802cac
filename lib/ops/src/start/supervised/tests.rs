//! How a start by the service manager can go, and that a start that failed stays one.

use std::thread::JoinHandle;

use miqm_server::wish;
use miqm_types::Epoch;

use super::*;
use crate::systemd::tests::{DOWN, UP, World, owner, world};

const SOON: Duration = Duration::from_secs(20);

fn request(world: &World) -> StartRequest {
    StartRequest {
        qmgr: world.qmgr.clone(),
        multi_instance: true,
        remake_dirs: false,
        services: true,
        patience: Duration::from_secs(3),
    }
}

/// What strmqm does, and the events that it hears.
fn strmqm(world: &World, request: &StartRequest) -> (Result<Started, StartError>, Vec<StartEvent>) {
    let mut events = Vec::new();
    let mut on_event = |event: &StartEvent| events.push(event.clone());
    let started = super::super::start(&world.env, request, Some(&world.systemd), &mut on_event);
    (started, events)
}

/// An instance that takes the options and tells these events. The job of the unit goes on until it has.
fn instance(world: &World, events: Vec<StartEvent>) -> JoinHandle<Options> {
    world.script("start", "while [ ! -e done ]; do sleep 0.01; done; . ./done");
    let runtime = world.runtime.clone();
    let done = world.env.prefix.parent().unwrap().join("done");
    std::thread::spawn(move || {
        let began = BootInstant::now();
        let (options, report) = loop {
            if let Some(taken) = wish::take(&runtime, owner()).unwrap() {
                break taken;
            }
            assert!(began.elapsed() < SOON, "nobody waits");
            std::thread::sleep(Duration::from_millis(5));
        };
        let failed = matches!(events.last(), Some(StartEvent::Failed { .. }) | None);
        for event in events {
            report.tell(&event);
        }
        report.finish();
        let text = if failed { "echo 'Job for it failed.'; exit 1" } else { "true" };
        std::fs::write(done.with_extension("new"), text).unwrap();
        std::fs::rename(done.with_extension("new"), &done).unwrap();
        options
    })
}

#[test]
fn what_the_instance_tells_is_what_is_reported() {
    let standby = StartEvent::Standby { active_host: Some("host2".into()) };
    let replayed = StartEvent::Replayed { records: 3 };
    for (last, expected) in [
        (StartEvent::Active { epoch: 7 }, Started::Active(Epoch(7))),
        (standby, Started::Standby { active_host: Some("host2".into()) }),
    ] {
        let world = world();
        let events = vec![replayed.clone(), last];
        let instance = instance(&world, events.clone());
        let asked = StartRequest { multi_instance: false, services: false, ..request(&world) };
        let (started, heard) = strmqm(&world, &asked);
        assert_eq!(started.unwrap(), expected);
        assert_eq!(heard, events);
        let options = Options { multi_instance: false, remake_dirs: false, services: false };
        assert_eq!(instance.join().unwrap(), options);
        assert_eq!(world.told(), ["start UNIT"], "nothing is stopped");
        assert!(!world.runtime.start_socket().exists());
    }
}

#[test]
fn a_failed_start_is_told_in_the_words_of_the_instance_and_not_tried_again() {
    for exit in [3, 5, 16, 23, 31, 39, 43, 47, 71, 72, 96, 97, 100, 119] {
        for (shown, stops) in [("activating\nSubState=auto-restart", true), ("failed", false)] {
            let world = world();
            let lines = vec![format!("AMQ1415E: {exit}"), "AMQ7018E: more".to_owned()];
            let events = vec![StartEvent::Failed { exit, lines: lines.clone() }];
            let instance = instance(&world, events);
            world.script("show", &format!(
                "printf 'LoadState=loaded\\nActiveState='; if [ -e done ]; then printf '{shown}\\n'; \
                 else printf 'inactive\\n'; fi"
            ));
            let (started, _) = strmqm(&world, &request(&world));
            let Err(StartError::Failed { exit: told, lines: said }) = started else {
                panic!("{started:?}")
            };
            assert_eq!((told, said), (exit, lines));
            instance.join().unwrap();
            let acts: &[&str] = if stops { &["start UNIT", "stop UNIT"] } else { &["start UNIT"] };
            assert_eq!(world.told(), acts);
        }
    }
}

#[test]
fn an_instance_that_dies_or_waits_for_ever_is_not_started_again() {
    let world = world();
    let there = instance(&world, vec![]);
    let (started, _) = strmqm(&world, &request(&world));
    assert!(matches!(started, Err(StartError::Died { .. })), "{started:?}");
    there.join().unwrap();

    let world = crate::systemd::tests::world();
    let waiting = |seconds| StartEvent::Waiting { seconds, what: "open /x".into() };
    let there = instance(&world, vec![waiting(2), waiting(3)]);
    let (started, heard) = strmqm(&world, &request(&world));
    assert!(matches!(started, Err(StartError::Stuck { seconds: 3, .. })), "{started:?}");
    assert_eq!(heard.len(), 2);
    there.join().unwrap();
    assert_eq!(world.told(), ["start UNIT", "stop --no-block UNIT"]);
}

/// The error, and what the service manager was told to do besides starting it.
fn refused(world: &World) -> (StartError, Vec<String>) {
    let (started, _) = strmqm(world, &request(world));
    let mut told = world.told();
    if !told.is_empty() {
        assert_eq!(told.remove(0), "start UNIT");
    }
    (started.unwrap_err(), told)
}

fn why(error: StartError) -> WhySystemd {
    match error {
        StartError::Systemd(error) => {
            assert_eq!(error.unit, "mqm@Q.service");
            error.why
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_may_not_start_it_hears_that_at_once() {
    let world = world();
    world.script(
        "start",
        "echo 'Failed to start mqm@Q.service: Interactive authentication required.'; exit 1",
    );
    let began = BootInstant::now();
    let (error, told) = refused(&world);
    assert!(began.elapsed() < Duration::from_secs(4));
    let WhySystemd::Denied(why) = why(error) else { panic!("it is not denied") };
    assert_eq!(why, "Failed to start mqm@Q.service: Interactive authentication required");
    assert_eq!(told, [""; 0]);
}

#[test]
fn a_service_manager_that_does_not_answer_is_not_waited_for() {
    // An authority that never decides: there is no job, and the program does not come back.
    let world = world().hurried();
    world.script("start", "exec sleep 1000");
    let (error, told) = refused(&world);
    assert!(matches!(why(error), WhySystemd::Silent(_)));
    assert_eq!(told, [""; 0]);
    // A manager that answers nothing any more.
    world.script("start", "cp show.hangs show; exec sleep 1000");
    world.script("show.hangs", "exec sleep 1000");
    assert!(matches!(why(strmqm(&world, &request(&world)).0.unwrap_err()), WhySystemd::Silent(_)));
}

#[test]
fn a_unit_that_cannot_be_started_is_not_gone_round() {
    let world = world();
    world.shows("LoadState=masked\nActiveState=inactive\n");
    let (error, _) = refused(&world);
    assert!(matches!(why(error), WhySystemd::Unusable(state) if state == "masked"));
    world.shows("LoadState=bad-setting\nActiveState=inactive\n");
    let (error, _) = refused(&world);
    assert!(matches!(why(error), WhySystemd::Unusable(state) if state.contains("bad-setting")));
    world.shows(DOWN);
    world.script(
        "start",
        "sleep 1; echo 'A dependency job for mqm@Q.service failed. See more.'; exit 1",
    );
    let (error, told) = refused(&world);
    let WhySystemd::NotDone(why) = why(error) else { panic!("it was not done") };
    assert_eq!(why, "A dependency job for mqm@Q.service failed");
    assert_eq!(told, ["stop UNIT"], "a job may be queued");
}

#[test]
fn a_queue_of_jobs_is_told_about() {
    let world = world();
    world.shows(&format!("{DOWN}Job=7\n"));
    world.script("start", "sleep 6.5; echo 'Job for mqm@Q.service canceled.'; exit 1");
    let (started, heard) = strmqm(&world, &request(&world));
    assert!(matches!(why(started.unwrap_err()), WhySystemd::NotDone(_)));
    let [StartEvent::Queued { unit, seconds: 5..=6 }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(unit, "mqm@Q.service");
}

#[test]
fn an_instance_that_does_not_connect_is_judged_by_its_unit() {
    let ended = |what: &str| {
        let world = world();
        let after = DOWN.replace("InvocationID=", "InvocationID=new") + what;
        world.script("after", &format!("printf '%s' '{after}'"));
        world.script("start", "cp after show; echo 'Job for mqm@Q.service failed.'; exit 1");
        refused(&world).0
    };
    let gone = |what| match why(ended(what)) {
        WhySystemd::Ended(how) => how,
        other => panic!("{other:?}"),
    };
    assert_eq!(gone("ExecMainCode=1\nExecMainStatus=203\n"), How::Code(203));
    assert_eq!(gone("ExecMainCode=2\nExecMainStatus=9\n"), How::Signal(9));
    assert!(matches!(why(ended("ExecMainCode=0\n")), WhySystemd::NotDone(_)));
    let error = ended("ExecMainCode=1\nExecMainStatus=5\n");
    assert!(matches!(error, StartError::RunsHere { .. }), "{error:?}");
}

#[test]
fn a_unit_with_a_command_of_its_own_is_taken_only_if_it_does_what_was_asked() {
    let world = world();
    world.script("start", "cp up show; while [ ! -e done ]; do sleep 0.01; done");
    world.script("up", &format!("printf '%s' '{UP}'"));
    let there = world.env.prefix.parent().unwrap().join("done");
    // The instance begins after strmqm has looked whether one runs.
    let starts = || world.told().iter().filter(|act| *act == "start UNIT").count();
    let started = |role: LocalRole, asked: StartRequest| {
        drop(std::fs::remove_file(&there));
        world.shows(DOWN);
        let before = starts();
        std::thread::scope(|scope| {
            let strmqm = scope.spawn(|| strmqm(&world, &asked).0);
            while starts() == before && !strmqm.is_finished() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let lock = world.instance(role, true);
            std::fs::write(&there, "").unwrap();
            let started = strmqm.join().unwrap();
            drop(lock);
            started
        })
    };
    let plain = request(&world);
    assert_eq!(started(LocalRole::Active, plain.clone()).unwrap(), Started::Active(Epoch(7)));
    let standby = started(LocalRole::Standby, plain.clone()).unwrap();
    assert_eq!(standby, Started::Standby { active_host: None });
    assert!(!world.told().contains(&"stop UNIT".to_owned()));
    for other in [
        StartRequest { multi_instance: false, ..plain.clone() },
        StartRequest { remake_dirs: true, ..plain.clone() },
        StartRequest { services: false, ..plain },
    ] {
        let error = started(LocalRole::Active, other).unwrap_err();
        assert!(matches!(why(error), WhySystemd::Deaf));
        assert_eq!(world.told().last().map(String::as_str), Some("stop UNIT"));
    }
}

#[test]
fn one_command_at_a_time_waits_and_an_instance_that_runs_is_found() {
    let world = world();
    let waits = world.runtime.try_wait_for_start(owner()).unwrap();
    let (error, told) = refused(&world);
    assert!(matches!(error, StartError::RunsHere { role: LocalRole::Starting, .. }), "{error:?}");
    drop(waits);
    let _instance = world.instance(LocalRole::Active, false);
    let (error, _) = refused(&world);
    assert!(matches!(error, StartError::RunsHere { role: LocalRole::Active, .. }), "{error:?}");
    assert_eq!((told, world.told()), (vec![], vec![]), "the unit is left alone");
}
