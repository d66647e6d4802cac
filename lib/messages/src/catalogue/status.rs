//! AMQ1700 to AMQ1799: what display commands have to say.

macro_rules! status {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

    } };
}
