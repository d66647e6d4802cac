//! AMQ1200 to AMQ1299: creation, deletion, layout of directories.

macro_rules! create {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

    } };
}
