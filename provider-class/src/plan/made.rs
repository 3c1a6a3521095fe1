//! Files that a fetch made, against all other files: those with new names could not be checked at admission.

use crate::class::files::Paths;
use crate::{Class, Field, MadeFile, Object};

/// A file whose name is known only since the fetch meets another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{field}: writes the file {path:?}, but {other}: rename one of them, or set a prefix in jsonKeys or an objectAlias"
)]
pub struct MadeCollision {
    /// What the file was made of.
    pub field: Field,
    /// Its path.
    pub path: String,
    /// Who writes the other one.
    pub other: String,
}

impl Class {
    /// Checks the files of a fetch that have new names against all files of the class, and against each other. `kept` are
    /// the files of an earlier fetch that stay, each with its object.
    pub fn check_made(&self, kept: &[(&Object, &str)], made: &[MadeFile]) -> Vec<MadeCollision> {
        let mut collisions = Vec::new();
        if !made.iter().any(|file| file.is_new) {
            return collisions;
        }
        let mut seen = Paths::default();
        for object in &self.objects {
            for (file, _) in object.files() {
                let path = file.path.as_str();
                seen.insert(path, (object.field(""), path));
            }
        }
        for template in &self.templates {
            let path = template.file.path.as_str();
            seen.insert(path, (template.field(), path));
        }
        for (object, path) in kept {
            seen.insert(path, (object.field(""), *path));
        }
        for MadeFile {
            field, contents, ..
        } in made.iter().filter(|file| file.is_new)
        {
            let path = contents.file.path.as_str();
            if let Some((other, taken)) = seen.insert(path, (field.clone(), path)) {
                let other = other.in_a_sentence();
                collisions.push(MadeCollision {
                    field: field.clone(),
                    path: path.to_owned(),
                    other: if *taken == path {
                        format!("{other} writes it too")
                    } else {
                        format!(
                            "{other} writes {taken:?}, and one cannot be a file and the other's directory"
                        )
                    },
                });
            }
        }
        collisions
    }
}
