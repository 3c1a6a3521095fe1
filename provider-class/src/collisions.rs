//! Files that would overwrite each other, or of which one would have to be a directory too.

use std::collections::BTreeMap;

use crate::raw::Findings;
use crate::{Class, Object};

/// Two classes of one mount path write the same file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "classes {first:?} and {second:?} both write the file {path:?}: give one of them an objectAlias, or mount one class elsewhere (annotation value \"{second}=/other/path\")"
)]
pub struct Collision {
    /// The class that comes first.
    pub first: String,
    /// The other one.
    pub second: String,
    /// The path of the second.
    pub path: String,
}

/// Do classes that share a mount path keep out of each other's way?
pub fn collisions(classes: &[&Class]) -> Result<(), Collision> {
    let mut seen = Paths::default();
    for class in classes {
        for file in class.files() {
            if let Some(first) = seen.insert(file.path.as_str(), class.name.as_str())
                && *first != class.name
            {
                return Err(Collision {
                    first: (*first).to_owned(),
                    second: class.name.clone(),
                    path: file.path.to_string(),
                });
            }
        }
    }
    Ok(())
}

/// Paths that are taken, with who took them.
#[derive(Debug)]
struct Paths<'a, T>(BTreeMap<&'a str, T>);

impl<T> Default for Paths<'_, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'a, T> Paths<'a, T> {
    /// Takes a path; gives back who has it, or a directory of it, or something below it.
    fn insert(&mut self, path: &'a str, owner: T) -> Option<&T> {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        let taken = above.chain([path]).find(|path| self.0.contains_key(path));
        let below = || {
            let (next, _) = self
                .0
                .range::<str, _>((std::ops::Bound::Excluded(path), std::ops::Bound::Unbounded))
                .find(|(other, _)| {
                    // Between "a" and "a/b" other names may sort, such as "a-b".
                    other
                        .strip_prefix(path)
                        .is_none_or(|rest| rest.starts_with('/'))
                })?;
            next.starts_with(path).then_some(*next)
        };
        if let Some(taken) = taken.or_else(below) {
            return self.0.get(taken);
        }
        self.0.insert(path, owner);
        None
    }
}

/// Names every file of a class that meets another one.
pub(crate) fn within(objects: &[Object], findings: &mut Findings) {
    let mut seen = Paths::default();
    for object in objects {
        let whole = (format!("objects[{}]", object.index), &object.file);
        let parts = object.extracts.iter().map(|extract| {
            (
                format!("objects[{}].jmesPath[{}]", object.index, extract.index),
                &extract.file,
            )
        });
        for (field, file) in std::iter::once(whole).chain(parts) {
            let path = file.path.as_str();
            if let Some((other, taken)) = seen.insert(path, (field.clone(), path)) {
                let message = if *taken == path {
                    format!(
                        "writes the file {path:?}, as {other} does: give one of them another objectAlias"
                    )
                } else {
                    format!(
                        "writes the file {path:?}, and {other} writes {taken:?}: one cannot be a file and the other's directory; change an objectAlias"
                    )
                };
                findings.problem(field, message);
            }
        }
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
