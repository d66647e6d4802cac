//! AMQ8000 to AMQ8999: ids that the interface fixes.

macro_rules! ids_8000 {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

8001 Info QmgrCreated { qmgr: QmgrName }
    "Queue manager '{qmgr}' was created."
    explain "Its directories, its log and its default objects are complete. It is not running."
    respond "Start it with strmqm." ;

8002 Info QmgrDeleted { qmgr: QmgrName }
    "Queue manager '{qmgr}' was deleted."
    explain "Its directories and its log are gone, and this host does not know its name any more."
    respond "On other hosts that know it, run rmvmqinf." ;

8003 Info QmgrStarted { qmgr: QmgrName }
    "Queue manager '{qmgr}' was started."
    explain "The instance on this host is active and serves."
    respond "No action is needed." ;

8004 Info QmgrEnded { qmgr: QmgrName }
    "Queue manager '{qmgr}' ended."
    explain "The instance on this host ended in good order."
    respond "No action is needed." ;

8110 Error QmgrExists { qmgr: QmgrName }
    "Queue manager '{qmgr}' exists already."
    explain "The name of a queue manager is unique on a host."
    respond "Choose another name, or delete the existing queue manager first." ;

8118 Error NoSuchQmgr { qmgr: QmgrName }
    "Queue manager '{qmgr}' does not exist."
    explain "This host does not know a queue manager of that name. Names are case sensitive."
    respond "List the known names with dspmq. If another host created it on shared storage, run there 'dspmqinf -o command' and here what it prints." ;

8146 Error QmgrNotAvailable { qmgr: QmgrName }
    "Queue manager '{qmgr}' is not available."
    explain "No instance of the queue manager runs on this host that could do what was asked for."
    respond "Look with 'dspmq -x' where it runs, or start it with strmqm." ;

8367 Error ActiveNotEnded { qmgr: QmgrName }
    "The active instance of queue manager '{qmgr}' was not ended, because it does not run on this host."
    explain "The instance on this host is a standby. The queue manager can only be ended where it is active."
    respond "Run endmqm on the host of the active instance, or use -x to end this standby." ;

8368 Error StandbyNotEnded { qmgr: QmgrName }
    "The standby instance of queue manager '{qmgr}' was not ended, because the instance on this host is active."
    explain "The option -x ends a standby only."
    respond "To end the active instance, leave -x out." ;

    } };
}
