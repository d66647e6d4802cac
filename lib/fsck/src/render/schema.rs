//! The form of a report in JSON, as a schema and as a table for people.

use serde_json::Value;

/// The JSON Schema of a report.
pub const SCHEMA: &str = include_str!("report.schema.json");

/// The objects of a report, from the outermost on.
const OBJECTS: [&str; 8] =
    ["report", "host", "space", "nfs", "gluster", "finding", "evidence", "series"];

/// A field of a report in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it is a field of: "report", "host", "finding" and so on.
    pub of: String,
    /// Its name.
    pub name: String,
    /// Whether it is always there.
    pub always: bool,
    /// What it is, as a sentence.
    pub what: String,
}

/// Every field of a report, by what it belongs to and by its name; nothing if the schema were no JSON, which a
/// test excludes.
pub fn fields() -> Vec<Field> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap_or_default();
    let mut fields = Vec::new();
    for of in OBJECTS {
        let object = &schema["$defs"][of];
        let required = object["required"].as_array().map_or(&[][..], Vec::as_slice);
        let Some(properties) = object["properties"].as_object() else { continue };
        for (name, property) in properties {
            // A field that only refers to a definition is described there.
            let definition = property["$ref"].as_str().and_then(|path| path.rsplit('/').next());
            let described = definition.map_or(property, |name| &schema["$defs"][name]);
            let what = described["description"].as_str().unwrap_or_default();
            fields.push(Field {
                of: of.to_owned(),
                name: name.clone(),
                always: required.iter().any(|one| one == name.as_str()),
                what: what.to_owned(),
            });
        }
    }
    fields
}
