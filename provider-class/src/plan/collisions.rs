//! Files of several classes of a pod that would overwrite each other.

use crate::Class;
use crate::class::files::Paths;

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
