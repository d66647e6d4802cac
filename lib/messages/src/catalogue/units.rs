//! AMQ1900 to AMQ1909: what the service manager is told of queue managers.

macro_rules! units {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1900 Warning BootNoteFailed { why: String }
    "Where data and log are cannot be noted for the next boot: {why}."
    explain "Before its storage is there, a host knows from a note in the directory boot of the prefix which mounts a queue manager needs. The instance goes on without it; after the next boot it may be started before its log is mounted."
    respond "Make room in the prefix, or restore its owner and modes." ;

1901 Warning MountsUnknown { why: String }
    "The mounts of a queue manager cannot all be made known to systemd: {why}."
    explain "Its unit does not require what was left out, and may be started before that is mounted. Other queue managers are not affected."
    respond "Correct what the message names, then let systemd read its units again: systemctl daemon-reload." ;

1902 Error UnitsNotGenerated { why: String }
    "No mounts are made known to systemd for the queue managers of this host: {why}."
    explain "The registry could not be read. The units of queue managers are as they are without it; the boot goes on."
    respond "Correct the cause, then let systemd read its units again: systemctl daemon-reload." ;

    } };
}
