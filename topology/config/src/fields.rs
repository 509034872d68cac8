//! The keys of one mapping, checked against their table.

use std::collections::HashMap;

use crate::{Node, Place, Report, Value, nearest};

/// A key of a mapping. `Shape` is what else the owner of the file wants to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Key<Shape: 'static = ()> {
    /// As it is written.
    pub name: &'static str,
    /// Whether a mapping without it is a mistake.
    pub required: bool,
    /// What it says: the help where it is missing, and for the reader of a schema in an editor.
    pub about: &'static str,
    /// What stands at it.
    pub shape: Shape,
}

impl<Shape> Key<Shape> {
    /// A key that must be there.
    pub const fn required(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self {
            name,
            required: true,
            about,
            shape,
        }
    }

    /// A key that may be left out.
    pub const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self {
            name,
            required: false,
            about,
            shape,
        }
    }
}

/// The values of a mapping by key; keys unknown, repeated or missing have been reported.
pub struct Fields<'n, Shape: 'static = ()> {
    values: HashMap<&'static str, &'n Node>,
    keys: &'static [Key<Shape>],
}

impl<'n, Shape> Fields<'n, Shape> {
    /// `what` names the mapping in messages, as in `a link`.
    pub fn of(
        node: &'n Node,
        keys: &'static [Key<Shape>],
        what: &str,
        report: &mut Report<'_>,
    ) -> Option<Fields<'n, Shape>> {
        let Value::Mapping(pairs) = &*node.value else {
            report.add(
                node.at,
                format!("{what} cannot be {}", node.kind()),
                format!("write `key: value` with these keys: {}", names(keys)),
            );
            return None;
        };
        let mut values: HashMap<&'static str, &'n Node> = HashMap::new();
        let mut places: HashMap<&'static str, Place> = HashMap::new();
        let mut meant: Vec<&str> = Vec::new();
        for (key, value) in pairs {
            let written = key.text().unwrap_or_default();
            let Some(known) = keys.iter().find(|known| known.name == written) else {
                let shown = if key.text().is_some() {
                    format!("`{written}`")
                } else {
                    format!("({})", key.kind())
                };
                let near = nearest(written, keys.iter().map(|known| known.name));
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if written == "<<" => "write the keys out: mappings are not merged here".to_owned(),
                    None => format!("known here: {}", names(keys)),
                };
                meant.extend(near);
                report.add(key.at, format!("{what} has no key {shown}"), help);
                continue;
            };
            if let Some(first) = places.get(known.name) {
                report.add(
                    key.at,
                    format!("`{written}` is here twice"),
                    format!("keep one; the first is in line {}", first.line),
                );
                continue;
            }
            places.insert(known.name, key.at);
            values.insert(known.name, value);
        }
        for key in keys
            .iter()
            // a key that is misspelt is one mistake, not two
            .filter(|key| key.required && !values.contains_key(key.name) && !meant.contains(&key.name))
        {
            report.add(node.at, format!("{what} needs `{}`", key.name), key.about);
        }
        Some(Fields { values, keys })
    }

    /// The value of a key, which must be in the mapping's table.
    pub fn take(&self, name: &str) -> Option<&'n Node> {
        debug_assert!(self.key(name).is_some(), "{name} is missing in the table of keys");
        self.values.get(name).copied()
    }

    /// The value of a key, if it says anything: `key:` alone is as if it were left out.
    pub fn given(&self, name: &str) -> Option<&'n Node> {
        self.take(name).filter(|node| !matches!(*node.value, Value::Null))
    }

    /// The table's entry of a key.
    pub fn key(&self, name: &str) -> Option<&'static Key<Shape>> {
        self.keys.iter().find(|key| key.name == name)
    }
}

fn names<Shape>(keys: &[Key<Shape>]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    names.join(", ")
}
