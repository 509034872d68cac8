//! YAML with places: a tree whose every node knows where it stands, so that each mistake can be shown in its line.

use std::fmt;

use narrows_topology::{Mistake, Mistakes};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned};

/// A value and its place.
pub(crate) type Node = Spanned<Value>;

/// What stands at a place. Scalars stay text: the reader of a key knows what it should be.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}

/// Collects the mistakes of one file.
pub(crate) struct Report<'t> {
    file: String,
    lines: Vec<&'t str>,
    list: Vec<Mistake>,
}

impl<'t> Report<'t> {
    pub(crate) fn new(file: String, text: &'t str) -> Self {
        Self {
            file,
            lines: text.lines().collect(),
            list: Vec::new(),
        }
    }

    /// Notes that a value is wrong; the caret underlines all of it.
    pub(crate) fn wrong(&mut self, node: &Node, problem: impl Into<String>, help: impl Into<String>) {
        self.mistake(node.referenced, problem, help);
        if let (Some(mistake), Value::Scalar(text)) = (self.list.last_mut(), &node.value) {
            let rest: String = mistake.source.chars().skip(mistake.column - 1).collect();
            let quotes = if rest.starts_with(['"', '\'']) { 2 } else { 0 };
            // a text over several lines, or with escapes, does not stand in its line as it is
            if rest.contains(text.as_str()) {
                mistake.width = (text.chars().count() + quotes).max(1);
            }
        }
    }

    /// Notes a mistake; `help` says what to do.
    pub(crate) fn mistake(&mut self, at: Location, problem: impl Into<String>, help: impl Into<String>) {
        let line = usize::try_from(at.line()).unwrap_or(1).max(1);
        let source = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = usize::try_from(at.column())
            .unwrap_or(1)
            .clamp(1, source.chars().count() + 1);
        let width = source
            .chars()
            .skip(column - 1)
            .take_while(|c| !c.is_whitespace() && *c != ':')
            .count();
        let help = help.into();
        self.list.push(Mistake {
            line,
            column,
            width: width.max(1),
            problem: problem.into(),
            help: (!help.is_empty()).then_some(help),
            source: source.to_owned(),
        });
    }

    /// The root of the document, or `None` after noting why it is no YAML.
    pub(crate) fn parse(&mut self, text: &'t str) -> Option<Node> {
        match serde_yaml::from_str::<Node>(text) {
            Ok(node) => Some(node),
            Err(error) => {
                let at = error.location().unwrap_or(Location::UNKNOWN);
                self.mistake(
                    at,
                    format!("this is not YAML: {}", first_line(&error.to_string())),
                    "",
                );
                None
            }
        }
    }

    /// The value, if nothing was wrong.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Mistakes> {
        self.list.sort_by_key(|mistake| (mistake.line, mistake.column));
        match value {
            Some(value) if self.list.is_empty() => Ok(value),
            _ => Err(Mistakes {
                file: self.file,
                list: self.list,
            }),
        }
    }
}

/// The entry most like what was written, if any is close.
pub(crate) fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|key| (strsim::damerau_levenshtein(written, key), *key))
        .filter(|(distance, key)| *distance <= key.len().max(3) / 3)
        .min()
        .map(|(_, key)| key)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
