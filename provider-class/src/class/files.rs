//! Files of a class that would overwrite each other, or of which one would also have to be a directory.

use std::collections::{BTreeMap, BTreeSet};

use super::field_path::{Field, OBJECTS, Path};
use super::findings::Findings;
use super::object::Object;
use super::output::Output;
use super::template::Template;

/// Paths and their owners, as a tree of path components: a look-up costs no more than the length of the path.
#[derive(Debug)]
pub(crate) struct Paths<'a, T> {
    nodes: Vec<Node<'a, T>>,
}

#[derive(Debug)]
struct Node<'a, T> {
    /// The owner of the file here.
    owner: Option<T>,
    /// What is below, by name, as indexes into [`Paths::nodes`].
    children: BTreeMap<&'a str, usize>,
}

impl<T> Default for Node<'_, T> {
    fn default() -> Self {
        Self {
            owner: None,
            children: BTreeMap::new(),
        }
    }
}

impl<T> Default for Paths<'_, T> {
    fn default() -> Self {
        let nodes = vec![Node::default()];
        Self { nodes }
    }
}

impl<'a, T> Paths<'a, T> {
    /// Adds a path; returns the owner of the same path, of a directory of it, or of something below it.
    pub(crate) fn insert(&mut self, path: &'a str, owner: T) -> Option<&T> {
        if let Some(taken) = self.taken(path) {
            return self.nodes[taken].owner.as_ref();
        }
        let mut at = 0;
        for part in path.split('/') {
            let new = self.nodes.len();
            at = *self.nodes[at].children.entry(part).or_insert(new);
            if at == new {
                self.nodes.push(Node::default());
            }
        }
        self.nodes[at].owner = Some(owner);
        None
    }

    /// The file that a path collides with.
    fn taken(&self, path: &str) -> Option<usize> {
        let mut at = 0;
        for part in path.split('/') {
            if self.nodes[at].owner.is_some() {
                return Some(at);
            }
            at = *self.nodes[at].children.get(part)?;
        }
        // Here, or somewhere below: a directory exists only because of a file in it.
        while self.nodes[at].owner.is_none() {
            at = *self.nodes[at].children.values().next()?;
        }
        Some(at)
    }
}

/// A file of a class, for messages.
struct Named<'a> {
    field: Field,
    path: &'a str,
    /// The entry, if the file has its whole value.
    whole: Option<&'a Object>,
}

impl<'a> Named<'a> {
    fn of(template: &'a Template) -> Self {
        Self {
            field: template.field(),
            path: template.file.path.as_str(),
            whole: None,
        }
    }
}

/// The files of an entry whose names are known.
fn named(object: &Object) -> impl Iterator<Item = Named<'_>> {
    let whole = object.whole.as_ref().and_then(Output::file);
    let whole = whole.map(|file| Named {
        field: object.field(""),
        path: file.path.as_str(),
        whole: Some(object),
    });
    let parts = object.extracts.iter().filter_map(|extract| {
        Some(Named {
            field: Field {
                path: object.path().key("jmesPath").index(extract.index),
                ..object.field("")
            },
            path: extract.output.file()?.path.as_str(),
            whole: None,
        })
    });
    whole.into_iter().chain(parts)
}

/// Outputs of a class of which the file names are known only at fetch: names in templates, variables and Secrets are compared
/// with each of them.
const MOST_OPEN: usize = 256;

/// Finds every file of a class that collides with another one.
pub(crate) fn check(objects: &[Object], templates: &[Template], findings: &Findings<'_>) {
    let open = objects.iter().flat_map(Object::open_files).count();
    if open > MOST_OPEN {
        findings.problem(
            &Path::parameter(OBJECTS),
            format!(
                "{open} entries have jsonKeys or an objectPath, or are parts of such an entry, but at most {MOST_OPEN} can: split the class"
            ),
        );
        return;
    }
    let mut seen = Paths::default();
    let mut meeting = Vec::new();
    let of_objects = objects.iter().flat_map(named);
    for file in of_objects.chain(templates.iter().map(Named::of)) {
        let path = file.path;
        let named = (file.field.clone(), path, file.whole);
        if let Some((other, taken, whole)) = seen.insert(path, named) {
            meeting.push((file, other.clone(), *taken, *whole));
        }
    }
    let mut aliases = Aliases::default();
    for (file, other, taken, whole) in meeting {
        if findings.is_full() {
            return;
        }
        let (path, other) = (file.path, other.in_a_sentence());
        let unnamed = [file.whole, whole]
            .into_iter()
            .flatten()
            .find(|object| !object.has_alias);
        let message = match unnamed {
            _ if taken != path => format!(
                "writes the file {path:?}, and {other} writes {taken:?}: one cannot be a file and the other's directory; change an objectAlias"
            ),
            Some(object) => {
                let alias = aliases.of(object.index, path, &seen);
                format!(
                    "writes the file {path:?}, as {other} does: give {}, whose whole value goes to this file, an objectAlias of its own, such as {alias:?}",
                    object.field("").in_a_sentence()
                )
            }
            None => format!(
                "writes the file {path:?}, as {other} does: give one of them another objectAlias"
            ),
        };
        findings.problem(&file.field.path, message);
    }
}

/// Proposed names, by entry.
#[derive(Default)]
struct Aliases {
    by_entry: BTreeMap<usize, String>,
    taken: BTreeSet<String>,
}

impl Aliases {
    /// A name for an entry's file that is like its present one and that no other file has.
    fn of<T>(&mut self, entry: usize, path: &str, seen: &Paths<'_, T>) -> String {
        const TRIES: usize = 100;
        if let Some(alias) = self.by_entry.get(&entry) {
            return alias.clone();
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        // A name of 255 bytes has no room for more.
        let start: String = name.chars().take(50).collect();
        let mut alias = format!("{start}.json");
        for number in 2..TRIES {
            if seen.taken(&alias).is_none() && !self.taken.contains(&alias) {
                break;
            }
            alias = format!("{start}-{number}.json");
        }
        self.taken.insert(alias.clone());
        self.by_entry.insert(entry, alias.clone());
        alias
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken<'a>(paths: &[&'a str], path: &'a str) -> bool {
        let mut seen = Paths::default();
        for path in paths {
            assert!(seen.insert(path, ()).is_none(), "{path}");
        }
        seen.insert(path, ()).is_some()
    }

    #[test]
    fn a_path_meets_itself_its_directories_and_what_is_below_it() {
        assert!(taken(&["a"], "a"));
        assert!(taken(&["a"], "a/b/c"));
        assert!(taken(&["a/b/c"], "a"));
        assert!(
            taken(&["a-b", "a.b", "a/b"], "a"),
            "names that sort between a directory and its files"
        );
        assert!(!taken(&["a/b", "ab", "a-b"], "a/c"));
        assert!(!taken(&["a-b", "ab"], "a"));
    }
}
