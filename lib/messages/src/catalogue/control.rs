//! AMQ1600 to AMQ1699: the control socket of an instance.

macro_rules! control {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

    } };
}
