//! The modules of a crate and what they use, as their files say it. No parser of Rust: it reads code that
//! rustfmt has laid out.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// A module's path from the crate's root, which is empty.
pub(crate) type Module = Vec<String>;

/// A module that uses another.
pub(crate) struct Use {
    pub(crate) from: Module,
    pub(crate) to: Module,
    /// Where it does so.
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
}

pub(crate) struct Crate {
    modules: BTreeMap<Module, File>,
}

struct File {
    path: PathBuf,
    named: Vec<Named>,
}

/// A path that a file names.
struct Named {
    line: usize,
    segments: Vec<String>,
    /// The name that it has here if it is passed on (`pub use`).
    passed_on: Option<String>,
}

impl Crate {
    pub(crate) fn read(src: &Path) -> io::Result<Self> {
        let mut modules = BTreeMap::new();
        read_folder(src, &Vec::new(), &mut modules)?;
        // as one writes it beside the crate's Cargo.toml
        for file in modules.values_mut() {
            if let Some(short) = src.parent().and_then(|crate_| file.path.strip_prefix(crate_).ok()) {
                file.path = short.to_owned();
            }
        }
        Ok(Self { modules })
    }

    /// The folders and files directly below `src`.
    pub(crate) fn wings(&self) -> BTreeSet<String> {
        self.modules.keys().filter_map(|module| module.first().cloned()).collect()
    }

    /// Every use of one module by another. A module that passes on what its own children have does not use
    /// them by that.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (from, file) in &self.modules {
            for named in &file.named {
                let Some(to) = self.resolve(from, &named.segments, 0) else {
                    continue;
                };
                let is_face = named.passed_on.is_some() && to.starts_with(from);
                if to != *from && !is_face {
                    uses.push(Use {
                        from: from.clone(),
                        to,
                        file: file.path.clone(),
                        line: named.line,
                    });
                }
            }
        }
        uses
    }

    /// The module that has what a path names; `None`: another crate does.
    fn resolve(&self, from: &Module, segments: &[String], depth: usize) -> Option<Module> {
        let mut rest = segments;
        let mut at = match rest.first()?.as_str() {
            "crate" => {
                rest = &rest[1..];
                Vec::new()
            }
            "self" | "super" => from.clone(),
            first => {
                let mut child = from.clone();
                child.push(first.to_owned());
                return self.modules.contains_key(&child).then(|| self.descend(child, &rest[1..], depth));
            }
        };
        while let Some(first) = rest.first().filter(|first| matches!(first.as_str(), "self" | "super")) {
            if first == "super" {
                at.pop();
            }
            rest = &rest[1..];
        }
        Some(self.descend(at, rest, depth))
    }

    fn descend(&self, mut at: Module, mut rest: &[String], depth: usize) -> Module {
        while let Some(first) = rest.first() {
            let mut child = at.clone();
            child.push(first.clone());
            if self.modules.contains_key(&child) {
                (at, rest) = (child, &rest[1..]);
                continue;
            }
            let passes_on = |named: &&Named| named.passed_on.as_ref() == Some(first);
            let passed_on = self
                .modules
                .get(&at)
                .and_then(|file| file.named.iter().find(passes_on))
                .filter(|_| depth < 8);
            let target = passed_on.and_then(|named| self.resolve(&at, &named.segments, depth + 1));
            return target.unwrap_or(at);
        }
        at
    }
}

fn read_folder(folder: &Path, module: &Module, modules: &mut BTreeMap<Module, File>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        let mut own = module.clone();
        if path.is_dir() {
            own.push(stem.to_owned());
            read_folder(&path, &own, modules)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            match stem {
                "main" | "tests" => continue,
                "lib" | "mod" => {}
                _ => own.push(stem.to_owned()),
            }
            let named = named(&std::fs::read_to_string(&path)?);
            modules.insert(own, File { path, named });
        }
    }
    Ok(())
}

/// The paths that a file names, without comments and unit tests.
fn named(text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    let mut statement: Option<(usize, String)> = None;
    let mut before = "";
    for (index, line) in text.lines().enumerate() {
        if matches!(line, "mod tests {" | "mod tests;") && is_for_tests(before) {
            break;
        }
        before = line;
        let line = line.split("//").next().unwrap_or_default().trim();
        if let Some((_, text)) = &mut statement {
            text.push_str(line);
        } else if is_use(line) {
            statement = Some((index + 1, line.to_owned()));
        } else {
            found.extend(in_code(line).map(|segments| Named {
                line: index + 1,
                segments,
                passed_on: None,
            }));
        }
        if let Some((at, text)) = statement.take_if(|(_, text)| text.ends_with(';')) {
            let passes_on = text.starts_with("pub");
            let (_, tree) = text.split_once("use ").unwrap_or_default();
            for (segments, name) in leaves(tree.trim_end_matches(';')) {
                found.push(Named {
                    line: at,
                    segments,
                    passed_on: passes_on.then_some(name),
                });
            }
        }
    }
    found
}

/// Whether a line is `#[cfg(test)]`, or asks for more than that, as `#[cfg(all(test, unix))]` does.
fn is_for_tests(line: &str) -> bool {
    let condition = line.strip_prefix("#[cfg(").unwrap_or_default();
    condition
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|word| word == "test")
}

fn is_use(line: &str) -> bool {
    let rest = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')').map_or("", |(_, rest)| rest),
        Some(rest) => rest,
        None => line,
    };
    rest.trim_start().starts_with("use ")
}

/// The paths of a `use` tree, each with the name that it has here.
fn leaves(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    let Some((head, inner)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut segments: Vec<String> = path.split("::").map(|segment| segment.trim().to_owned()).collect();
        if segments.last().is_some_and(|last| last == "self" && path != "self") {
            segments.pop();
        }
        let name = match alias {
            "" => segments.last().cloned().unwrap_or_default(),
            alias => alias.trim().to_owned(),
        };
        return vec![(segments, name)];
    };
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[begin..]);
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| leaves(&format!("{head}{}", part.trim()))).collect()
}

/// The paths of a line of code that lead from the crate's root or from this module.
fn in_code(line: &str) -> impl Iterator<Item = Vec<String>> {
    let begins = ["crate::", "super::", "self::"].into_iter().flat_map(|begin| line.match_indices(begin));
    begins.filter_map(|(at, _)| {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$' | ':' | '"')) {
            return None;
        }
        let path = line[at..].split(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | ':'));
        let path = path.into_iter().next()?.trim_end_matches(':');
        Some(path.split("::").map(str::to_owned).collect())
    })
}
