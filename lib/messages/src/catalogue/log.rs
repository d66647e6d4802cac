//! AMQ1300 to AMQ1399: the recovery log and its display.

macro_rules! log {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

    } };
}
