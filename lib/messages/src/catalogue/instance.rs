//! AMQ1400 to AMQ1499: instances, locks, fences, takeover.

macro_rules! instance {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

    } };
}
