//! Ending what a service manager starts, where nothing runs at the moment.

use super::*;
use crate::systemd::tests::{DOWN, World, world};

const END: EndRequest = EndRequest {
    mode: WireMode::Immediate,
    switchover: false,
    reconnect: false,
    standby: false,
    wait: true,
    target_seconds: None,
    target_preemptive: false,
};

fn endmqm(world: &World) -> Result<Ended, EndError> {
    let mut accepted = || panic!("there is nobody to accept it");
    let patience = Duration::from_secs(5);
    end(&world.env, &world.qmgr, Some(&world.systemd), END, patience, &mut accepted)
}

#[test]
fn a_unit_between_two_starts_is_stopped_for_good() {
    for shown in [
        "ActiveState=activating\nSubState=auto-restart\nResult=signal\n",
        "ActiveState=activating\nSubState=start\nResult=success\n",
        "ActiveState=inactive\nJob=7\n",
        // It has crashed just now.
        "ActiveState=active\nSubState=running\nResult=success\n",
        "ActiveState=deactivating\nSubState=stop-post\nResult=signal\n",
    ] {
        let world = world();
        world.shows(&format!("LoadState=loaded\n{shown}"));
        let ended = endmqm(&world).unwrap();
        assert_eq!(ended, Ended::NotRestarted { unit: "mqm@Q.service".into() }, "{shown}");
        assert_eq!(world.told(), ["stop UNIT"]);
    }
}

#[test]
fn a_unit_that_is_down_is_left_alone() {
    for shown in [
        DOWN,
        "LoadState=loaded\nActiveState=failed\n",
        "LoadState=not-found\nActiveState=inactive\n",
    ] {
        let world = world();
        world.shows(shown);
        assert!(matches!(endmqm(&world), Err(EndError::NotRunning { .. })), "{shown}");
        assert_eq!(world.told(), [""; 0]);
    }
    let world = world();
    // The last moments of an end in order.
    world.shows("LoadState=loaded\nActiveState=deactivating\nResult=success\n");
    assert!(matches!(endmqm(&world), Err(EndError::NotRunning { .. })));
}

#[test]
fn a_unit_that_may_not_be_stopped_is_said_to_go_on() {
    let world = world();
    world.shows("LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n");
    world.script("stop", "echo 'Failed to stop mqm@Q.service: Access denied'; exit 4");
    let error = endmqm(&world).unwrap_err();
    assert!(matches!(
        error,
        EndError::Systemd(SystemdError { why: crate::systemd::WhySystemd::Denied(_), .. })
    ));
    // A caller who cannot ask does not claim to know that nothing will be started.
    world.script("show", "exit 1");
    assert!(matches!(endmqm(&world), Err(EndError::Systemd(_))));
}
