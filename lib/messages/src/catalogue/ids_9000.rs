//! AMQ9000 to AMQ9999: ids that the interface fixes.

macro_rules! ids_9000 {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

    } };
}
