//! AMQ1700 to AMQ1799: what display commands have to say.

macro_rules! status {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1700 Error StatusUnknown { qmgr: QmgrName, why: String }
    "The status of queue manager '{qmgr}' is not available: {why}."
    explain "What the status is derived from could not be read. Other queue managers are not affected."
    respond "Correct the cause; if storage does not answer, see to the mount and the network." ;

1701 Warning InstancesUnknown { qmgr: QmgrName, why: String }
    "The instances of queue manager '{qmgr}' are not all known: {why}."
    explain "The status is right, but not all that was asked for about instances could be read. An instance that holds its lock and whose record cannot be read is shown with the host name 'unknown'."
    respond "Repeat the command. If the message comes again, look at the lock files in the data directory." ;

    } };
}
