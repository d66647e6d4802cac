//! AMQ1100 to AMQ1199: ini files and the registry of queue managers.

macro_rules! registry {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

    } };
}
