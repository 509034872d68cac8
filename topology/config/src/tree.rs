//! YAML as a tree in which everything knows its place.
//!
//! serde would stop at the first error; this tree is checked by hand, so that all are found.

use std::collections::HashMap;
use std::rc::Rc;

use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle, options};

use crate::{Place, Report};

/// How many nodes a file may have when its aliases are written out; 2,000 sites take about 30,000.
const MAX_NODES: usize = 1_000_000;

/// How deep lists and mappings may be nested; the deepest of our files needs five.
const MAX_DEPTH: usize = 32;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins, and how much of that line it takes.
    pub at: Place,
    /// What it is.
    pub value: Rc<Value>,
    /// How many nodes this is, aliases written out.
    weight: usize,
}

/// What a node is.
#[derive(Debug)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A text, and whether it is written without quotes.
    Scalar(String, bool),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in the order of the file; keys may repeat.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// What a file is that says nothing.
    pub(crate) fn nothing() -> Node {
        Node {
            at: Place::START,
            value: Rc::new(Value::Null),
            weight: 1,
        }
    }

    /// The same where lines have been moved to the right, by number: each node where it was before.
    pub(crate) fn moved_back(&self, moved: &HashMap<usize, isize>) -> Node {
        let value = match &*self.value {
            Value::Null => Value::Null,
            Value::Scalar(text, plain) => Value::Scalar(text.clone(), *plain),
            Value::List(list) => Value::List(list.iter().map(|node| node.moved_back(moved)).collect()),
            Value::Mapping(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| (key.moved_back(moved), value.moved_back(moved)));
                Value::Mapping(pairs.collect())
            }
        };
        Node {
            at: self.at.moved_back(moved),
            value: Rc::new(value),
            weight: self.weight,
        }
    }

    /// For messages: `a list`.
    pub fn kind(&self) -> &'static str {
        match &*self.value {
            Value::Null => "nothing",
            Value::Scalar(..) => "a text",
            Value::List(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &*self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }
}

/// A list or mapping that is still open.
struct Open {
    at: Place,
    /// Whether it is written in brackets.
    flow: bool,
    mapping: bool,
    anchor: usize,
    children: Vec<Node>,
}

/// How our files are parsed.
pub(crate) fn options() -> Options {
    options! { emit_comments: false, flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH }
}

/// Why a text is not YAML.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct NotYaml {
    pub(crate) at: Place,
    pub(crate) problem: String,
    pub(crate) help: &'static str,
}

/// Reads the one document of a file. `None` after a mistake was reported, or of an empty file.
pub(crate) fn read(text: &str, report: &mut Report<'_>) -> Result<Option<Node>, NotYaml> {
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut root: Option<Node> = None;
    let mut documents = 0;
    for event in Parser::new_from_str_with_options(text, options()) {
        let (event, span) = match event {
            Ok(next) => next,
            Err(error) => {
                let mark = error.marker();
                let at = Place {
                    line: mark.line(),
                    column: mark.col() + 1,
                    width: 1,
                };
                return Err(NotYaml {
                    at,
                    problem: format!("this is not YAML: {}", error.info()),
                    help: "look at the quotes, brackets, colons and the indentation here and in the line before",
                });
            }
        };
        let at = place(&span);
        if event.tag().is_some() {
            report.add(at, "tags (`!…`) have no meaning here", "leave the tag out");
        }
        let (node, anchor) = match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    report.add(
                        at,
                        "a second document begins here",
                        "keep the whole file in one document",
                    );
                    return Ok(None);
                }
                continue;
            }
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let value = match &*text {
                    "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
                    _ => Value::Scalar(text.into_owned(), plain),
                };
                (
                    Node {
                        at,
                        value: Rc::new(value),
                        weight: 1,
                    },
                    anchor,
                )
            }
            Event::Alias(id) => match anchors.get(&id) {
                Some(node) => (node.clone(), 0),
                None => {
                    report.add(
                        at,
                        "this alias stands inside the value that it names",
                        "write the value out",
                    );
                    return Ok(None);
                }
            },
            Event::SequenceStart(style, anchor, ..) => {
                open.push(Open {
                    at,
                    flow: style == StructureStyle::Flow,
                    mapping: false,
                    anchor,
                    children: Vec::new(),
                });
                continue;
            }
            Event::MappingStart(style, anchor, ..) => {
                open.push(Open {
                    at,
                    flow: style == StructureStyle::Flow,
                    mapping: true,
                    anchor,
                    children: Vec::new(),
                });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(mut open) => {
                    // all of `[hq, munich]` is the value; of a block its beginning
                    if open.flow && span.end.line() == open.at.line {
                        open.at.width = (span.end.col() + 1).saturating_sub(open.at.column).max(1);
                    }
                    let anchor = open.anchor;
                    (open.close(), anchor)
                }
                None => continue,
            },
            _ => continue,
        };
        if node.weight > MAX_NODES {
            report.add(
                node.at,
                "aliases make this far too large",
                "write out what is meant",
            );
            return Ok(None);
        }
        if anchor > 0 {
            anchors.insert(anchor, node.clone());
        }
        match open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => root = Some(node),
        }
    }
    Ok(root)
}

impl Open {
    fn close(self) -> Node {
        let children = self.children;
        let weight = children.iter().fold(1usize, |sum, child| sum.saturating_add(child.weight));
        let value = if self.mapping {
            let mut pairs = Vec::with_capacity(children.len() / 2);
            let mut children = children.into_iter();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                pairs.push((key, value));
            }
            Value::Mapping(pairs)
        } else {
            Value::List(children)
        };
        Node {
            at: self.at,
            value: Rc::new(value),
            weight,
        }
    }
}

fn place(span: &Span) -> Place {
    let (start, end) = (span.start, span.end);
    let width = if start.line() == end.line() {
        end.col().saturating_sub(start.col())
    } else {
        usize::MAX
    };
    Place {
        line: start.line(),
        column: start.col() + 1,
        width: width.max(1),
    }
}
