//! AMQ1910 to AMQ1929: commands and the service manager.

macro_rules! supervision {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1910 Info WaitingForSystemd { unit: String, seconds: u64 }
    "Waiting for systemd for {seconds} s: it has not begun to start '{unit}'."
    explain "The start is queued behind what the unit needs or comes after, a mount for example."
    respond "See with 'systemctl list-jobs' what is waited for." ;

1911 Error SystemdSilent { unit: String, why: String }
    "The state of '{unit}' cannot be had from systemd: {why}."
    explain "The unit of the queue manager starts and ends its instance on this host. Nothing was started without it."
    respond "See what 'systemctl status' says about this host. Only if systemd is not to supervise the instance, use strmqm --no-systemd." ;

1912 Error SystemdDenied { unit: String, user: String, why: String }
    "User '{user}' may not start or stop '{unit}', says systemd: {why}."
    explain "Members of the group mqm may, by the polkit rule 50-miqm.rules; so polkit is not there, or the rule is not, or another rule counts more. Nothing was started or stopped."
    respond "Install polkit and look for the rule, or let root run the command. Only if systemd is not to supervise the instance, use strmqm --no-systemd." ;

1913 Error UnitUnusable { unit: String, state: String }
    "The unit '{unit}' cannot be started: it is {state}."
    explain "Somebody has masked the unit, or its file or a drop-in has an error. Nothing was started."
    respond "See 'systemctl status' for the unit; undo a mask with 'systemctl unmask'. Only if systemd is not to supervise the instance, use strmqm --no-systemd." ;

1914 Error SystemdRefused { unit: String, why: String }
    "What was asked of '{unit}' was not done by systemd: {why}."
    explain "The unit did not get as far as an instance of the queue manager; what it needs or comes after may have failed."
    respond "See 'systemctl status' and 'journalctl -x' for the unit." ;

1915 Error UnitEnded { unit: String, how: String }
    "The instance that '{unit}' has started is gone: {how}."
    explain "The instance itself could not tell this command more."
    respond "See its messages with 'journalctl -x' for the unit." ;

1916 Error UnitDeaf { unit: String }
    "The instance that '{unit}' starts does not take the options of this command."
    explain "A drop-in runs the instance with options of its own. It was ended again, because it would not be what was asked for."
    respond "Add --on-request to the ExecStart of the drop-in; or give the command the options that the drop-in has." ;

1917 Warning OptionsUnusable { path: String, why: String }
    "The options of a start by strmqm, in '{path}', cannot be kept or used: {why}."
    explain "They are for the next start if the instance is not ended in order. Without them it is started again with the options of its unit."
    respond "End the queue manager and start it with strmqm if it is to have other options." ;

1918 Info OptionsKept { qmgr: QmgrName }
    "Queue manager '{qmgr}' is started again with the options that strmqm was given."
    explain "The last instance was not ended in order, so what the operator asked for holds on."
    respond "No action is needed. End the queue manager and start its unit to have the options of the unit." ;

1919 Warning UnitStillEnabled { qmgr: QmgrName, unit: String }
    "Queue manager '{qmgr}' is gone, but '{unit}' is still started at boot."
    explain "The unit is enabled. It fails at each boot, because the queue manager does not exist here."
    respond "Use 'systemctl disable' for the unit." ;

1920 Info RestartCancelled { unit: String }
    "The unit '{unit}' is not started again."
    explain "There was no instance at the moment, and systemd was about to start one."
    respond "No action is needed." ;

1921 Warning NotStopped { unit: String, why: String }
    "The unit '{unit}' may be started again: {why}."
    explain "The instance has not ended in order, and systemd could not be told to let it be."
    respond "Use 'systemctl stop' for the unit." ;

    } };
}
