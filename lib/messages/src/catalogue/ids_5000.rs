//! AMQ5000 to AMQ6999: ids that the interface fixes.

macro_rules! ids_5000 {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

5653 Error UserMissing { user: String }
    "The user '{user}' is not defined on this host."
    explain "Queue managers below the machine-wide directory belong to this user, so nothing can be created there before it exists."
    respond "Create the user and its group of the same name, with the same numeric ids on every host that shares storage." ;

    } };
}
