//! The JSON Schema of the file, made of the tables of keys, for editors.

use serde_json::{Map, Value, json};

use super::keys::{FILE, Key, Shape};

/// The JSON Schema (draft 2020-12) of sites.yaml. It knows shapes and spellings; what only the whole file
/// tells (unknown names, equal networks, unlinked sites) is left to `narrows-topology check`.
pub fn schema() -> Value {
    let mut schema = mapping(FILE);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("The site map of Narrows");
    schema
}

fn mapping(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| {
            let mut value = shape(&key.shape);
            value["description"] = json!(key.about);
            (key.name.to_owned(), value)
        })
        .collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn shape(shape: &Shape) -> Value {
    const RATE: &str = r"^(unlimited|[0-9]{1,6}(\.[0-9]{1,6})? ?(|k|M|G)bit/s)$";
    const DAY: &str = "(mon|tue|wed|thu|fri|sat|sun)";
    const TIME: &str = "([01]?[0-9]|2[0-3]):[0-5][0-9]";
    match shape {
        Shape::Version => json!({"const": 1}),
        Shape::Timezone | Shape::SiteName => json!({"type": "string", "minLength": 1}),
        Shape::Rate { zero: false } => json!({"type": "string", "pattern": RATE}),
        Shape::Rate { zero: true } => json!({"anyOf": [{"type": "string", "pattern": RATE}, {"const": 0}]}),
        Shape::Count(most) => json!({"type": "integer", "minimum": 1, "maximum": most}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Dscp => json!({"anyOf": [
            {"type": "string", "pattern": "^(none|le|df|va|ef|cs[0-7]|af[1-4][1-3])$"},
            {"type": "integer", "minimum": 0, "maximum": 63},
        ]}),
        Shape::Between => {
            json!({"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2, "uniqueItems": true})
        }
        Shape::Networks => json!({
            "type": "array",
            "items": {"type": "string", "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$"},
            "uniqueItems": true,
        }),
        Shape::Days => {
            let days = json!({"type": "string", "pattern": format!("^{DAY}(-{DAY})?(, ?{DAY}(-{DAY})?)*$")});
            json!({"anyOf": [days, {"type": "array", "items": days, "minItems": 1}]})
        }
        Shape::Hours => json!({"type": "string", "pattern": format!("^{TIME}-({TIME}|24:00)$")}),
        Shape::Mapping(keys) => mapping(keys),
        Shape::ByName(keys) => {
            let mut site = mapping(keys);
            // `backbone:` with nothing after it is a transit site too
            site["type"] = json!(["object", "null"]);
            json!({"type": "object", "additionalProperties": site, "minProperties": 1})
        }
        Shape::ListOf(keys) => json!({"type": "array", "items": mapping(keys)}),
        Shape::DenyOr(keys) => json!({"anyOf": [{"const": "deny"}, mapping(keys)]}),
    }
}
