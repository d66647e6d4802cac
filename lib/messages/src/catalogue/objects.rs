//! AMQ1500 to AMQ1599: objects and the engine that keeps them.

macro_rules! objects {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

    } };
}
