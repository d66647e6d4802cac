//! Objects as they are stored, shown without being checked: also those of a newer version.

use miqm_format::object::ObjectImage;

use crate::attr;
use crate::kind::Kind;
use crate::object::title;

/// An object in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its type and name, as a command would give them.
    pub object: String,
    /// Its attributes, as MQSC would show them; one that is not known here by its number.
    pub attrs: Vec<String>,
}

/// Describes the image of an object, whatever is in it.
pub fn image(image: &ObjectImage) -> Described {
    let kind = Kind::from_number(image.kind);
    let object = match kind {
        Some(kind) => title(kind, &image.name),
        None => format!("OBJECT-{}('{}')", image.kind, image.name),
    };
    // In the order of the table, then what it does not have.
    let known: Vec<_> = kind.into_iter().flat_map(attr::of).collect();
    let known_attrs =
        known.iter().filter_map(|attr| image.attr(attr.id).map(|value| attr.show(value)));
    let others = image.attrs.iter().filter(|(id, _)| known.iter().all(|attr| attr.id != *id));
    let attrs = known_attrs
        .chain(others.map(|(id, value)| format!("ATTR-{id}({})", attr::show_plain(value))))
        .map(|text| printable(&text))
        .collect();
    Described { object: printable(&object), attrs }
}

/// Control characters as escapes: nothing has checked the text, and it may go to a terminal.
fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::Value;
    use crate::object::Object;

    #[test]
    fn what_is_not_known_is_shown_by_number() {
        let mut queue = Object::new(Kind::Qalias, "A").unwrap().to_image();
        queue.attrs.retain(|(id, _)| *id == 2002);
        queue.attrs.push((2690, Value::Texts(["x".into(), "\u{1b}[2J".into()].into())));
        let described = image(&queue);
        assert_eq!(described.object, "QALIAS('A')");
        assert_eq!(described.attrs, ["TARGET( )", "ATTR-2690(x,\\u{1b}[2J)"]);
        queue.kind = 77;
        assert_eq!(image(&queue).object, "OBJECT-77('A')");
    }
}
