//! The files that a value becomes. Some names are known before the fetch ([`File`]), so that they are checked against each other
//! at admission; of others only a pattern is known ([`OpenFiles`]), which the keys of a JSON value or the names of parameters
//! complete. What a fetch makes of both are ordinary files: [`Class::check_made`](crate::Class::check_made) checks those with
//! new names against all others, and the injector remembers which ones it wrote.

use std::fmt;

use crate::words::file_path::InvalidFilePath;
use crate::{FileMode, FilePath, PathTranslation};

/// A file of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the mount.
    pub path: FilePath,
    /// Its permissions.
    pub mode: FileMode,
}

/// What a value, or a part of one, is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// One file.
    File(File),
    /// A file for each parameter below a path.
    Open(OpenFiles),
}

/// Whether a file that a class makes is there after each fetch. The surer one is the smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// It is, or the fetch fails.
    Required,
    /// It may be missing.
    Optional,
}

impl Presence {
    pub(crate) fn of(is_optional: bool) -> Self {
        if is_optional {
            Self::Optional
        } else {
            Self::Required
        }
    }
}

/// Files of which the names are known only at fetch. A name is `before`, a parameter's name below its path, `between`, and a
/// key; translated like any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    before: String,
    between: String,
    translation: PathTranslation,
    mode: FileMode,
    /// The translated name, with placeholders for what is not known.
    pattern: String,
}

/// What completes the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Each {
    /// The keys of a value.
    Key,
    /// The parameters below a path.
    Parameter,
    /// The keys of the values of these.
    KeyOfParameter,
}

/// Stands for a key in a pattern.
const EACH_KEY: &str = "<each key>";
/// Stands for a parameter's name below its path.
const EACH_PARAMETER: &str = "<each parameter>";

impl OpenFiles {
    /// Files with such names, or why none of them could be a file.
    pub(crate) fn new(
        each: Each,
        (before, between): (&str, &str),
        translation: PathTranslation,
        mode: FileMode,
    ) -> Result<Self, InvalidFilePath> {
        let mut open = Self {
            before: before.to_owned(),
            between: between.to_owned(),
            translation,
            mode,
            pattern: String::new(),
        };
        let (parameter, key) = match each {
            Each::Key => ("", EACH_KEY),
            Each::Parameter => (EACH_PARAMETER, ""),
            Each::KeyOfParameter => (EACH_PARAMETER, EACH_KEY),
        };
        open.pattern = open.file(parameter, key)?.path.to_string();
        Ok(open)
    }

    /// The file of a parameter and a key.
    pub(crate) fn file(&self, parameter: &str, key: &str) -> Result<File, InvalidFilePath> {
        let name = [&self.before, parameter, &self.between, key].concat();
        Ok(File {
            path: FilePath::translate(&name, self.translation)?,
            mode: self.mode,
        })
    }

    /// Their permissions.
    pub fn mode(&self) -> FileMode {
        self.mode
    }

    /// Could one of them have this path?
    pub fn may_be(&self, path: &str) -> bool {
        let parts = self.pattern.split(EACH_PARAMETER);
        let parts: Vec<&str> = parts.flat_map(|part| part.split(EACH_KEY)).collect();
        let [first, middle @ .., last] = parts.as_slice() else {
            return false;
        };
        let rest = path.strip_prefix(first);
        let Some(mut rest) = rest.and_then(|rest| rest.strip_suffix(last)) else {
            return false;
        };
        for part in middle {
            // What is not known has at least one character.
            let start = rest.chars().next().map_or(0, char::len_utf8);
            match rest[start..].split_once(part) {
                Some((_, after)) if start > 0 => rest = after,
                _ => return false,
            }
        }
        !rest.is_empty()
    }
}

/// For people: the name, with `<each key>` and the like for what is not known.
impl fmt::Display for OpenFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl Output {
    /// The file, if its name is known.
    pub fn file(&self) -> Option<&File> {
        match self {
            Self::File(file) => Some(file),
            Self::Open(_) => None,
        }
    }

    pub(crate) fn open(&self) -> Option<&OpenFiles> {
        match self {
            Self::File(_) => None,
            Self::Open(open) => Some(open),
        }
    }

    /// The file of a parameter.
    pub(crate) fn file_of(&self, parameter: &str) -> Result<File, InvalidFilePath> {
        match self {
            Self::File(file) => Ok(file.clone()),
            Self::Open(open) => open.file(parameter, ""),
        }
    }

    pub(crate) fn may_be(&self, path: &str) -> bool {
        match self {
            Self::File(file) => file.path.as_str() == path,
            Self::Open(open) => open.may_be(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(prefix: &str, translation: PathTranslation) -> Result<OpenFiles, InvalidFilePath> {
        OpenFiles::new(Each::Key, (prefix, ""), translation, FileMode::DEFAULT)
    }

    #[test]
    fn a_pattern_shows_the_translated_name() {
        for (prefix, translation, pattern) in [
            ("", PathTranslation::Off, "<each key>"),
            ("db/", PathTranslation::Off, "db/<each key>"),
            ("/db/", PathTranslation::Replace('_'), "_db_<each key>"),
        ] {
            assert_eq!(keys(prefix, translation).unwrap().to_string(), pattern);
        }
        keys("../", PathTranslation::Off).unwrap_err();
        keys("..", PathTranslation::Off).unwrap_err();
    }

    #[test]
    fn a_name_is_completed_by_a_parameter_and_its_key() {
        let open = |each, between, translation| {
            OpenFiles::new(each, ("app/", between), translation, FileMode::DEFAULT).unwrap()
        };
        let slash = PathTranslation::Replace('_');
        let user = open(Each::Parameter, "/user", slash);
        assert_eq!(user.to_string(), "app_<each parameter>_user");
        let path = user.file("x/db", "").unwrap().path;
        assert_eq!(path.as_str(), "app_x_db_user");
        for (path, may_be) in [
            ("app_x_db_user", true),
            ("app__user", false),
            ("app_user", false),
            ("x_user", false),
        ] {
            assert_eq!(user.may_be(path), may_be, "{path}");
        }
        let keys = open(Each::KeyOfParameter, "/", PathTranslation::Off);
        assert_eq!(keys.to_string(), "app/<each parameter>/<each key>");
        for (path, may_be) in [
            ("app/db/user", true),
            ("app/é/é", true),
            ("app/db/", false),
            ("app/db", false),
            ("app//user", false),
        ] {
            assert_eq!(keys.may_be(path), may_be, "{path}");
        }
    }

    #[test]
    fn a_name_is_completed_by_a_key_and_stays_below_the_mount() {
        let open = keys("db/", PathTranslation::Off).unwrap();
        let path = |key: &str| open.file("", key).map(|file| file.path.to_string());
        assert_eq!(path("user").unwrap(), "db/user");
        assert_eq!(path("a/b").unwrap(), "db/a/b");
        for key in ["../../x", "a/../b", "\0"] {
            path(key).unwrap_err();
        }
        assert!(open.may_be("db/user") && !open.may_be("db/") && !open.may_be("user"));
    }
}
