//! AMQ1400 to AMQ1499: instances, locks, fences, takeover.

macro_rules! instance {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1400 Info InstanceStarting { qmgr: QmgrName }
    "An instance of queue manager '{qmgr}' is starting."
    explain "The instance makes sure of its directory and then tries the locks."
    respond "No action is needed." ;

1401 Info InstanceActive { qmgr: QmgrName, epoch: Epoch }
    "This instance of queue manager '{qmgr}' is active, epoch {epoch}."
    explain "It holds every lock, has replayed the log, and serves. The epoch grows by one with every instance that becomes active."
    respond "No action is needed." ;

1402 Info StandbyStarted { qmgr: QmgrName, host: String }
    "This instance of queue manager '{qmgr}' is a standby; the active instance runs on host '{host}'."
    explain "It tries the locks of the active instance again and again, and takes over when it gets them."
    respond "No action is needed." ;

1403 Info InstanceEnded { qmgr: QmgrName, how: String }
    "This instance of queue manager '{qmgr}' ended {how}."
    explain "It was asked to end, by an operator or by the service manager, or by the end of the active instance that it stood by for."
    respond "No action is needed." ;

1404 Warning TakenOver { qmgr: QmgrName, host: String, cause: String }
    "This instance takes queue manager '{qmgr}' over from host '{host}': {cause}."
    explain "The locks of the former active instance are free, so this standby has taken them. It replays the log next."
    respond "If this was not planned, look in the logs of the other host for why its instance ended." ;

1410 Severe HoldLost { qmgr: QmgrName, why: String }
    "This instance ends at once, because it cannot be sure any more that it owns queue manager '{qmgr}': {why}."
    explain "An active instance must prove again and again that it still holds its locks, by writes to the shared storage. It cannot, so another instance may be active. Nothing is written or acknowledged from here on. Work that was acknowledged is safe in the log."
    respond "Look at the network and the storage of this host. Start the instance again with strmqm -x: it joins as a standby if another one is active." ;

1411 Warning LogHeldElsewhere { qmgr: QmgrName, why: String }
    "The lock files of queue manager '{qmgr}' are free, but its log is held by another instance: {why}."
    explain "An active instance is at work although the lock on its lock file could be taken. Somebody has removed or replaced a lock file while the queue manager was running. This instance waits; the active one notices and ends itself."
    respond "Never remove or replace files of a queue manager that runs. No action is needed now." ;

1412 Warning StandbyStorageTrouble { qmgr: QmgrName, why: String }
    "This standby instance of queue manager '{qmgr}' cannot reach the locks: {why}."
    explain "It opens the lock files anew and goes on trying. While it cannot reach them it could not take over."
    respond "Look at the network and the storage of this host." ;

1413 Info StorageAnswersAgain { qmgr: QmgrName }
    "This standby instance of queue manager '{qmgr}' reaches the locks again."
    explain "The trouble that was reported before is over."
    respond "No action is needed." ;

1414 Warning RuntimeFileFailed { why: String }
    "A runtime file of this host cannot be written: {why}."
    explain "The file tells other programs on this host what the instance does. The instance goes on without it; dspmq and whatever follows the role may show something old."
    respond "Make room in the runtime directory, or restore it." ;

1415 Error StartFailed { qmgr: QmgrName, why: String }
    "The instance of queue manager '{qmgr}' did not start: {why}."
    explain "What it found does not let it become active or a standby. Nothing was changed."
    respond "Mend what the message names and start the instance again." ;

1416 Info StandbyNotWanted { qmgr: QmgrName }
    "This standby instance of queue manager '{qmgr}' ends, because the active instance was ended without a switchover."
    explain "endmqm without -s ends the whole queue manager, its standby included."
    respond "To let a standby take over, end the active instance with endmqm -s." ;

1417 Error HoldNotProven { qmgr: QmgrName }
    "The instance of queue manager '{qmgr}' lost its hold while it ended."
    explain "The last records of an orderly end could not be written. The next start replays the log as after a crash."
    respond "Look at the network and the storage of this host." ;

1418 Error DirectoryMissing { qmgr: QmgrName, path: String }
    "The directory '{path}' of queue manager '{qmgr}' does not exist."
    explain "A directory that every queue manager has is gone."
    respond "Restore it; or let strmqm -f make it anew, empty." ;

1419 Warning StatusFileFailed { why: String }
    "The status file of the queue manager cannot be written: {why}."
    explain "The file is for people and their scripts. The instance goes on without it; commands do not read it."
    respond "Make room on the file system of the data directory." ;

1420 Error ActiveElsewhere { qmgr: QmgrName, host: String }
    "Queue manager '{qmgr}' is active on host '{host}', which permits a standby."
    explain "Without -x an instance can only be active, and there is an active instance already."
    respond "To start a standby here, use strmqm -x." ;

1421 Error ActiveRefusesStandby { qmgr: QmgrName, host: String }
    "Queue manager '{qmgr}' is active on host '{host}', which does not permit a standby."
    explain "The active instance was started without -x."
    respond "End it there and start it with strmqm -x; then start a standby here." ;

1422 Error StandbysFull { qmgr: QmgrName, most: u64 }
    "Queue manager '{qmgr}' has {most} standby already, which is as many as it may have."
    explain "The number of standby instances is limited to one, unless the settings of the queue manager say otherwise."
    respond "No action is needed; or raise MaxStandbys in the stanza TuningParameters of qm.ini." ;

1423 Error StandbyRunsHere { qmgr: QmgrName }
    "A standby instance of queue manager '{qmgr}' runs on this host."
    explain "A host runs one instance of a queue manager at a time."
    respond "No action is needed. To end the standby, use endmqm -x." ;

1424 Error QmgrStopping { qmgr: QmgrName }
    "Queue manager '{qmgr}' is ending on this host."
    explain "The instance was asked to end and is not gone yet."
    respond "Try again when it has ended; to hurry it, use endmqm -i or endmqm -p." ;

1425 Error BeingCreated { qmgr: QmgrName }
    "Queue manager '{qmgr}' is being created."
    explain "crtmqm is at work on it, on this host."
    respond "Try again when crtmqm has finished." ;

1426 Error RunsElsewhere { qmgr: QmgrName, host: String }
    "Queue manager '{qmgr}' does not run on this host; it is active on host '{host}'."
    explain "A queue manager can only be ended where its active instance runs."
    respond "Run the command on that host." ;

1427 Error NoDefaultQmgr
    "No queue manager was named, and this host has no default queue manager."
    explain "Some commands mean the default queue manager if they are given no name."
    respond "Give a name, or create the default queue manager with crtmqm -q." ;

1430 Error NoStandby { qmgr: QmgrName }
    "Queue manager '{qmgr}' cannot switch over, because no standby instance waits."
    explain "endmqm -s ends the active instance only if a standby is there to take over."
    respond "Start a standby with strmqm -x on another host, or end the queue manager without -s." ;

1431 Error SwitchoverNotPermitted { qmgr: QmgrName }
    "Queue manager '{qmgr}' cannot switch over, because it was started without -x."
    explain "Such an instance permits no standby."
    respond "End it without -s and start it with strmqm -x." ;

1432 Error InstanceBusy { qmgr: QmgrName }
    "The instance of queue manager '{qmgr}' is busy with other commands."
    explain "Too many commands talk to it at the same time."
    respond "Try again." ;

1433 Error VersionMismatch { qmgr: QmgrName }
    "The instance of queue manager '{qmgr}' does not understand this command."
    explain "The program of the instance and the command are of different versions."
    respond "Use the commands of the version that the instance runs with; after an upgrade, start the instance again." ;

1434 Error InstanceSilent { qmgr: QmgrName }
    "The instance of queue manager '{qmgr}' went away without saying that it had ended in order."
    explain "It was killed, or it gave itself up, or it does not answer in time."
    respond "Look in its log, and with 'dspmq -x' at what runs." ;

1440 Error InstanceDied { qmgr: QmgrName }
    "The instance of queue manager '{qmgr}' ended while it started, without a message."
    explain "Its process was killed, or could not even begin."
    respond "Look in the journal, or in the errors directory of this host." ;

1441 Error InstanceStuck { qmgr: QmgrName, what: String, seconds: u64 }
    "The instance of queue manager '{qmgr}' was given up, because the storage has not answered for {seconds} s: {what}."
    explain "A call on the storage does not come back. The process was told to end; it can only do so when the storage answers."
    respond "Look at the network and the storage. To wait longer, use --deadline." ;

1442 Severe ServerMissing { path: String }
    "The program '{path}' is not there."
    explain "strmqm starts it for each instance. The installation is not complete."
    respond "Install miqm again." ;

1450 Info Ending { qmgr: QmgrName }
    "Queue manager '{qmgr}' ending."
    explain "The instance has accepted the end."
    respond "No action is needed." ;

1451 Info WaitingForEnd { qmgr: QmgrName }
    "Waiting for queue manager '{qmgr}' to end."
    explain "The command returns when the instance is gone."
    respond "To hurry it, use endmqm -i or endmqm -p." ;

1452 Info EndedForSwitchover { qmgr: QmgrName }
    "Queue manager '{qmgr}' ended, permitting switchover to a standby instance."
    explain "The instance here is gone, and the standby takes over."
    respond "See with 'dspmq -x' when it has." ;

1453 Info StandbyEnding { qmgr: QmgrName }
    "Standby instance of queue manager '{qmgr}' ending."
    explain "The instance has accepted the end. The active instance is not affected."
    respond "No action is needed." ;

1454 Info StandbyEnded { qmgr: QmgrName }
    "Standby instance of queue manager '{qmgr}' ended."
    explain "The active instance is not affected, and has no standby now."
    respond "No action is needed." ;

1455 Error EndIncomplete { qmgr: QmgrName, why: String }
    "The end of queue manager '{qmgr}' could not be written: {why}."
    explain "It has ended as was asked. What was acknowledged is in its log, and the next start replays it."
    respond "Mend what the message names before the queue manager is started again." ;

1460 Info StartedWith { qmgr: QmgrName, version: String }
    "Queue manager '{qmgr}' started using V{version}."
    explain "The instance on this host is active and serves."
    respond "No action is needed." ;

1461 Info StartedAsStandby { qmgr: QmgrName, host: String }
    "Standby instance of queue manager '{qmgr}' started; the active instance is running elsewhere, on host '{host}'."
    explain "The instance on this host waits, and takes over when the active one goes."
    respond "No action is needed." ;

1462 Info Starting { qmgr: QmgrName }
    "Queue manager '{qmgr}' starting."
    explain "The instance has been started and has not got its role yet."
    respond "No action is needed." ;

1463 Info ReplayProgress { percent: u64 }
    "Replaying the log, {percent} percent of it read."
    explain "The log is read from the last checkpoint on. It takes the longer the more was done since."
    respond "No action is needed." ;

1464 Info WaitingForStorage { what: String, seconds: u64 }
    "Waiting for the storage for {seconds} s: {what}."
    explain "A call on the storage has not come back yet."
    respond "Look at the network and the storage." ;

1465 Info Redefining { qmgr: QmgrName }
    "Creating or replacing the default objects of queue manager '{qmgr}'."
    explain "Each default object is defined as a new queue manager has it."
    respond "No action is needed." ;

1466 Info Redefined { created: u64, replaced: u64, failed: u64 }
    "Default objects statistics: {created} created. {replaced} replaced. {failed} failed."
    explain "The counts are of the objects that were stored."
    respond "No action is needed." ;

1467 Info CommandLevelRaised { qmgr: QmgrName, level: u64 }
    "The command level of queue manager '{qmgr}' is {level} now."
    explain "Older versions cannot start it any more."
    respond "No action is needed." ;

    } };
}
