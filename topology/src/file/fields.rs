//! The keys of one mapping, checked against their table.

use std::collections::HashMap;

use super::keys::{Key, Shape};
use super::report::{Place, Report, did_you_mean};
use super::tree::{Node, Value};
use super::values;

/// The values of a mapping by key; keys unknown, repeated or missing have been reported.
pub(super) struct Fields<'n> {
    values: HashMap<&'static str, &'n Node>,
    keys: &'static [Key],
}

impl<'n> Fields<'n> {
    /// `what` names the mapping in messages, as in `a link`.
    pub(super) fn of(
        node: &'n Node,
        keys: &'static [Key],
        what: &str,
        report: &mut Report<'_>,
    ) -> Option<Fields<'n>> {
        let Value::Mapping(pairs) = &*node.value else {
            let names = keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
            report.add(
                node.at,
                format!("{what} cannot be {}", node.kind()),
                format!("write `key: value` with these keys: {names}"),
            );
            return None;
        };
        let mut values: HashMap<&'static str, &'n Node> = HashMap::new();
        let mut places: HashMap<&'static str, Place> = HashMap::new();
        for (key, value) in pairs {
            let written = key.text().unwrap_or_default();
            let Some(known) = keys.iter().find(|known| known.name == written) else {
                let shown = if key.text().is_some() {
                    format!("`{written}`")
                } else {
                    format!("({})", key.kind())
                };
                let help = match did_you_mean(written, keys.iter().map(|known| known.name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "known here: {}",
                        keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
                    ),
                };
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
            .filter(|key| key.required && !values.contains_key(key.name))
        {
            report.add(node.at, format!("{what} needs `{}`", key.name), key.about);
        }
        Some(Fields { values, keys })
    }

    /// The value of a key, which must be in the mapping's table.
    pub(super) fn take(&self, name: &str) -> Option<&'n Node> {
        debug_assert!(
            self.keys.iter().any(|key| key.name == name),
            "{name} is missing in the table of keys"
        );
        self.values.get(name).copied()
    }

    /// A count, between 1 and what the table says.
    pub(super) fn count(&self, name: &str, report: &mut Report<'_>) -> Option<u64> {
        let node = self.take(name)?;
        let most = self.keys.iter().find_map(|key| match key.shape {
            Shape::Count(most) if key.name == name => Some(most),
            _ => None,
        });
        values::count(node, name, most?, report)
    }

    /// A count that is small enough, as the tables of keys have it.
    pub(super) fn small_count(&self, name: &str, report: &mut Report<'_>) -> Option<u32> {
        self.count(name, report)
            .and_then(|count| u32::try_from(count).ok())
    }
}
