//! AMQ1600 to AMQ1699: the control socket of an instance.

macro_rules! control {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1600 Error ControlFailed { qmgr: QmgrName, why: String }
    "The instance of queue manager '{qmgr}' cannot be asked: {why}."
    explain "Commands talk to an instance on the same host through a socket in its runtime directory."
    respond "Look with 'dspmq -x' whether the instance runs, and in its log." ;

    } };
}
