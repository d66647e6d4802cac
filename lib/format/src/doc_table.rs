//! Ties the table in a module's documentation to the structure it describes. For tests.

/// Offset, length in bytes and name of each field.
pub(crate) type Field = (usize, usize, String);

/// The rows of the first table of the module text: lines of `//!  offset  bytes  name  meaning`.
pub(crate) fn parse(source: &str) -> Vec<Field> {
    parse_nth(source, 0)
}

/// The rows of the table number `n` of the module text, from 0.
pub(crate) fn parse_nth(source: &str, n: usize) -> Vec<Field> {
    let mut tables = Vec::new();
    for line in source.lines().filter_map(|line| line.strip_prefix("//!")) {
        let mut words = line.split_whitespace();
        let first = words.next();
        if first == Some("offset") {
            tables.push(Vec::new());
        } else if let (Some(table), Some(Ok(offset)), Some(Ok(bytes)), Some(name)) =
            (tables.last_mut(), first.map(str::parse), words.next().map(str::parse), words.next())
        {
            table.push((offset, bytes, name.to_owned()));
        }
    }
    tables.into_iter().nth(n).expect("the module has a table")
}

/// Offset, length and name of each field of a structure, in the order given.
macro_rules! fields {
    ($type:ident { $($field:ident),* $(,)? }) => {{
        fn size<T, F>(_: impl FnOnce(&T) -> &F) -> usize {
            size_of::<F>()
        }
        vec![$((
            std::mem::offset_of!($type, $field),
            size(|of: &$type| &of.$field),
            stringify!($field).to_owned(),
        ),)*]
    }};
}
pub(crate) use fields;

/// Bytes as hexadecimal digits, for golden tests.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}
