//! Files of several classes of a pod that would overwrite each other.

use crate::class::files::Paths;
use crate::{Class, IN_ANNOTATIONS, Title};

/// Two classes of one mount path write the same file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} and {} both write the file {path:?}: give one of them an objectAlias, or mount one class elsewhere (annotation value \"{}=/other/path\")",
    Title(.first),
    Title(.second),
    self.movable()
)]
pub struct Collision {
    /// The class that comes first.
    pub first: String,
    /// The other one.
    pub second: String,
    /// The path of the second.
    pub path: String,
}

impl Collision {
    /// The class that the annotation `secret-provider-class` can mount elsewhere.
    fn movable(&self) -> &str {
        match self.second.as_str() {
            IN_ANNOTATIONS => &self.first,
            second => second,
        }
    }
}

/// Do classes that share a mount path keep out of each other's way? Names that are known only at fetch are not checked.
pub fn collisions(classes: &[&Class]) -> Result<(), Collision> {
    let classes = classes.iter();
    collision_of(classes.flat_map(|class| {
        let files = class.files();
        files.map(|file| (class.name.as_str(), file.path.as_str()))
    }))
}

/// Do files of one directory, each with the name of its class, keep out of each other's way? Those of one class do.
pub fn collision_of<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), Collision> {
    let mut seen = Paths::default();
    for (class, path) in files {
        if let Some(first) = seen.insert(path, class)
            && *first != class
        {
            return Err(Collision {
                first: (*first).to_owned(),
                second: class.to_owned(),
                path: path.to_owned(),
            });
        }
    }
    Ok(())
}
