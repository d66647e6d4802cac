//! For tests: compares the table in a module's documentation with the struct it speaks of.

/// The size of a field, in bytes.
pub(crate) fn size<T, F>(_: impl Fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Panics unless the first table in `source` that starts with `offset  bytes  field` has exactly
/// these rows (offset, size, name) in this order, without a gap, up to `total_bytes`.
pub(crate) fn check(source: &str, fields: &[(usize, usize, &str)], total_bytes: usize) {
    let table = source.split("offset  bytes  field").nth(1).expect("a table");
    let rows: Vec<(usize, usize, &str)> = table
        .lines()
        .skip(1)
        .take_while(|line| !line.contains("```"))
        .filter_map(|line| {
            let mut words = line.trim_start_matches("//!").split_whitespace();
            // Lines without two numbers go on with the meaning of the line above.
            let numbers = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some((numbers.0, numbers.1, words.next()?))
        })
        .collect();
    assert_eq!(rows, fields, "the table and the struct differ");
    let end = rows.iter().fold(0, |at, (offset, size, name)| {
        assert_eq!(at, *offset, "a gap before {name}");
        offset + size
    });
    assert_eq!(end, total_bytes, "the table ends elsewhere");
}
