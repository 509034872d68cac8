//! Symbolic links in a content (BEP 47 `l`): each leads to a file, a folder or another link of the same
//! content, so that it means the same wherever the content lies, and never leads out of it. Pure.
//!
//! BEP 47 says where a link leads as a path below the content's name. libtorrent writes the link's own text
//! instead, which may begin with `..` and counts from the link's folder; it reads either, and so do we.

use std::collections::HashMap;

use super::names;

/// Links that lead to links; Linux follows no more.
const MAX_HOPS: usize = 40;

/// A link that cannot be used, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the symbolic link {path:?} {why}")]
pub struct LinkError {
    /// Its path in the content, the content's name first, joined with `/`.
    pub path: String,
    /// Continues the sentence "the symbolic link X".
    pub why: LinkFault,
}

/// What is wrong with a link. `Display` continues the sentence "the symbolic link X".
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkFault {
    /// It begins at the root of the file system.
    #[error("is absolute, so that it leads out of the content")]
    Absolute,
    /// More `..` than folders.
    #[error("leads out of the content")]
    Outside,
    /// `..` after a name, which may be a link itself.
    #[error("leads down and up again with `..` in its middle")]
    Back,
    /// The content's own folder, for which BEP 47 has no words.
    #[error("leads to the content's own folder, which a torrent cannot say")]
    Root,
    /// Nothing of the content is there. Empty folders are in no torrent.
    #[error("leads to nothing in the content, where empty folders count as nothing")]
    Dangling,
    /// To itself, or over more than 40 links.
    #[error("leads to itself, or over too many links")]
    Loop,
    /// Not text.
    #[error("leads to a name that is not valid UTF-8")]
    NotUtf8,
}

/// Where a link in `folder` leads whose text this is: a path below the content's name. Both are components.
///
/// # Errors
/// If that is not inside of the content for certain, whatever else is a link.
pub fn target_of(folder: &[String], text: &str) -> Result<Vec<String>, LinkFault> {
    if text.starts_with(['/', '\\']) {
        return Err(LinkFault::Absolute);
    }
    let (mut path, mut down) = (folder.to_vec(), false);
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if down => return Err(LinkFault::Back),
            ".." => drop(path.pop().ok_or(LinkFault::Outside)?),
            name => {
                path.push(name.to_owned());
                down = true;
            }
        }
    }
    match path.is_empty() {
        true => Err(LinkFault::Root),
        false => Ok(path),
    }
}

/// The text of a link in `folder` that leads to `target`: relative, as short as can be. Both are components
/// below the content's name.
#[must_use]
pub fn text_of(folder: &[String], target: &[String]) -> String {
    let common = folder.iter().zip(target).take_while(|(a, b)| a == b).count();
    let up = folder.iter().skip(common).map(|_| "..");
    let text: Vec<&str> = up.chain(target.iter().skip(common).map(String::as_str)).collect();
    match text.is_empty() {
        true => ".".to_owned(),
        false => text.join("/"),
    }
}

/// Finds out where each link leads. `entries`: the paths of all files and links below the content's name,
/// whose names have been checked, with what a link says. Answers the targets of the links, by the index of
/// their entries.
///
/// # Errors
/// The first link that cannot be used.
pub fn resolve(
    name: &str,
    entries: &[(&[String], Option<&[String]>)],
) -> Result<HashMap<usize, Vec<String>>, LinkError> {
    let mut tree = Tree::new(entries);
    let mut targets = HashMap::new();
    let links = entries.iter().enumerate();
    for (index, (path, _)) in links.filter(|(_, (_, link))| link.is_some()) {
        let error = |why| LinkError {
            path: names::joined(name, path),
            why,
        };
        tree.follow(index, 0).map_err(error)?;
        if let Some(Some((target, _))) = tree.found.get(&index) {
            targets.insert(index, target.clone());
        }
    }
    Ok(targets)
}

/// What stands at a place of the tree.
#[derive(Clone, Copy)]
enum Node {
    /// By its number; the content's own is 0.
    Folder(usize),
    File,
    /// By its entry.
    Link(usize),
}

/// All entries, by the number of their folder and their name: linear in the length of all paths.
struct Tree<'a> {
    entries: &'a [(&'a [String], Option<&'a [String]>)],
    nodes: HashMap<(usize, &'a str), Node>,
    /// Where a link leads, and what is there in the end; `None` while that is looked for.
    found: HashMap<usize, Option<(Vec<String>, Node)>>,
}

impl<'a> Tree<'a> {
    fn new(entries: &'a [(&'a [String], Option<&'a [String]>)]) -> Self {
        let mut nodes = HashMap::new();
        let mut folders = 0;
        for (index, (path, link)) in entries.iter().enumerate() {
            let mut folder = 0;
            for (depth, part) in path.iter().enumerate() {
                let node = nodes.entry((folder, part.as_str())).or_insert_with(|| {
                    match (depth + 1 < path.len(), link) {
                        (true, _) => {
                            folders += 1;
                            Node::Folder(folders)
                        }
                        (false, Some(_)) => Node::Link(index),
                        (false, None) => Node::File,
                    }
                });
                if let Node::Folder(number) = node {
                    folder = *number;
                }
            }
        }
        Self {
            entries,
            nodes,
            found: HashMap::new(),
        }
    }

    /// What a link is in the end: a file or a folder.
    fn follow(&mut self, link: usize, hops: usize) -> Result<Node, LinkFault> {
        match self.found.get(&link) {
            Some(Some((_, node))) => return Ok(*node),
            Some(None) => return Err(LinkFault::Loop),
            None if hops >= MAX_HOPS => return Err(LinkFault::Loop),
            None => {}
        }
        self.found.insert(link, None);
        let Some((path, Some(said))) = self.entries.get(link).copied() else {
            return Err(LinkFault::Dangling);
        };
        let folder = path.split_last().map_or(&[][..], |(_, folder)| folder);
        let is_plain = |part: &String| !matches!(part.as_str(), "" | "." | "..");
        let mut fault = LinkFault::Dangling;
        let is_path = !said.is_empty() && said.iter().all(is_plain);
        let below_the_name = is_path.then(|| Ok(said.to_vec()));
        let from_its_folder = target_of(folder, &said.join("/"));
        for target in below_the_name.into_iter().chain([from_its_folder]) {
            match target {
                Ok(target) => {
                    if let Some(node) = self.at(&target, hops)? {
                        self.found.insert(link, Some((target, node)));
                        return Ok(node);
                    }
                }
                Err(why) => fault = why,
            }
        }
        Err(fault)
    }

    /// What stands at this path, links followed; `None` if nothing does.
    fn at(&mut self, path: &[String], hops: usize) -> Result<Option<Node>, LinkFault> {
        let mut here = Node::Folder(0);
        for part in path {
            let Node::Folder(folder) = here else {
                return Ok(None);
            };
            here = match self.nodes.get(&(folder, part.as_str())).copied() {
                None => return Ok(None),
                Some(Node::Link(link)) => self.follow(link, hops + 1)?,
                Some(node) => node,
            };
        }
        Ok(Some(here))
    }
}
