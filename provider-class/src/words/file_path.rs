//! The path of a file below the mount: path translation, and the rules that keep the path inside.
//!
//! Stricter than AWS's provider, which only checks for `../`: a path is split into components, and only plain
//! components are allowed.

use std::fmt;

use crate::printable::steers;

/// How `/` in a name becomes a file name (`pathTranslation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathTranslation {
    /// `/` becomes this character.
    Replace(char),
    /// `/` separates directories.
    Off,
}

/// A relative path of plain components: never empty, never leaving the mount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

/// Why a name cannot be a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilePath {
    /// It has a `..`.
    #[error("{0:?} leads out of the directory: a name must not have \"..\" as a part")]
    Escapes(String),
    /// Nothing is left of it.
    #[error("{0:?} is not a file name")]
    Empty(String),
    /// NUL ends a path for the kernel.
    #[error("{0:?} has a NUL character, which no file name can have")]
    Nul(String),
    /// Whoever lists the files would see other names, or more of them.
    #[error(
        "{start:?} has the character U+{code:04X}, which ends a line, steers a terminal or changes the direction of writing"
    )]
    Steers {
        /// Its first characters.
        start: String,
        /// The character.
        code: u32,
    },
    /// Longer than `NAME_MAX`.
    #[error(
        "the name that starts with {start:?} is {bytes} bytes long, more than the {MAX_COMPONENT} that a file name can have"
    )]
    TooLong {
        /// Its first characters.
        start: String,
        /// Its length.
        bytes: usize,
    },
    /// Longer than `PATH_MAX`, with some room for the path of the mount.
    #[error(
        "the path that starts with {start:?} is {bytes} bytes long, more than the {MAX_PATH} that are allowed"
    )]
    LongPath {
        /// Its first characters.
        start: String,
        /// Its length.
        bytes: usize,
    },
    /// The injector's own names start like this.
    #[error("{0:?} starts with \"..\", which is reserved for the directory's own links")]
    Reserved(String),
}

impl InvalidFilePath {
    /// The error of a name for which an `objectAlias` can stand: what is wrong, and what to do.
    pub(crate) fn of_object(&self) -> String {
        match self {
            Self::Escapes(_) | Self::Nul(_) => self.to_string(),
            Self::Empty(_) => format!("{self}: give it an objectAlias"),
            Self::TooLong { .. } | Self::LongPath { .. } => {
                format!("{self}: give it a shorter objectAlias")
            }
            Self::Reserved(_) | Self::Steers { .. } => {
                format!("{self}: choose another objectAlias")
            }
        }
    }
}

/// Longest component of a path on Linux, in bytes (`NAME_MAX`).
const MAX_COMPONENT: usize = 255;
/// Longest path below the mount, in bytes. Linux allows 4,096 for a whole path (`PATH_MAX`).
const MAX_PATH: usize = 2048;

impl FilePath {
    /// Translates the name of an object, or its alias, into a path.
    pub fn translate(name: &str, translation: PathTranslation) -> Result<Self, InvalidFilePath> {
        if name.split('/').any(|part| part == "..") {
            return Err(InvalidFilePath::Escapes(name.to_owned()));
        }
        let too_long = name.len() > MAX_PATH && matches!(translation, PathTranslation::Off);
        if too_long {
            return Err(InvalidFilePath::LongPath {
                start: name.chars().take(40).collect(),
                bytes: name.len(),
            });
        }
        let translated = match translation {
            PathTranslation::Replace(character) => {
                name.replace('/', character.encode_utf8(&mut [0; 4]))
            }
            PathTranslation::Off => name.to_owned(),
        };
        if translated.contains('\0') {
            return Err(InvalidFilePath::Nul(name.to_owned()));
        }
        if let Some(character) = translated.chars().find(|character| steers(*character)) {
            return Err(InvalidFilePath::Steers {
                start: name.chars().take(40).collect(),
                code: character.into(),
            });
        }
        let components: Vec<&str> = translated
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        let Some(first) = components.first() else {
            return Err(InvalidFilePath::Empty(name.to_owned()));
        };
        if first.starts_with("..") {
            return Err(InvalidFilePath::Reserved(name.to_owned()));
        }
        if let Some(long) = components.iter().find(|part| part.len() > MAX_COMPONENT) {
            let start = long.chars().take(40).collect();
            return Err(InvalidFilePath::TooLong {
                start,
                bytes: long.len(),
            });
        }
        Ok(Self(components.join("/")))
    }

    /// The path, with `/` between components.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, at least one.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<std::path::Path> for FilePath {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNDERSCORE: PathTranslation = PathTranslation::Replace('_');

    #[test]
    fn slashes_become_the_character() {
        let path =
            |name: &str, translation| FilePath::translate(name, translation).unwrap().to_string();
        assert_eq!(path("/app/db", UNDERSCORE), "_app_db");
        assert_eq!(
            path("My/Path/Secret", PathTranslation::Replace('-')),
            "My-Path-Secret"
        );
        assert_eq!(path("a/b", PathTranslation::Replace('é')), "aéb");
        assert_eq!(
            path("arn:aws:ssm:us-east-2:111122223333:parameter/a", UNDERSCORE),
            "arn:aws:ssm:us-east-2:111122223333:parameter_a"
        );
    }

    #[test]
    fn without_translation_it_is_a_path_below_the_mount() {
        let path = |name: &str| {
            FilePath::translate(name, PathTranslation::Off)
                .unwrap()
                .to_string()
        };
        assert_eq!(path("//app/db"), "app/db");
        assert_eq!(path("a/./b//c/"), "a/b/c");
        assert_eq!(path("a/..b"), "a/..b");
    }

    #[test]
    fn no_name_leaves_the_mount() {
        for name in ["..", "../a", "a/../b", "a/..", "/..", "/../etc/passwd"] {
            for translation in [PathTranslation::Off, UNDERSCORE] {
                let error = FilePath::translate(name, translation).unwrap_err();
                assert_eq!(error, InvalidFilePath::Escapes(name.to_owned()));
            }
        }
        assert!(
            FilePath::translate("/.", PathTranslation::Replace('.')).is_err(),
            "translated to .."
        );
        for name in ["/", "", ".", "./"] {
            assert!(
                matches!(
                    FilePath::translate(name, PathTranslation::Off),
                    Err(InvalidFilePath::Empty(_))
                ),
                "{name}"
            );
        }
        assert!(matches!(
            FilePath::translate("a\0b", UNDERSCORE),
            Err(InvalidFilePath::Nul(_))
        ));
        assert!(matches!(
            FilePath::translate("..data", UNDERSCORE),
            Err(InvalidFilePath::Reserved(_))
        ));
    }

    #[test]
    fn no_name_ends_a_line_steers_a_terminal_or_turns_the_writing_around() {
        for character in [
            '\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{9b}', '\u{2028}', '\u{202e}', '\u{2066}',
            '\u{200f}',
        ] {
            let name = format!("a{character}b");
            for translation in [PathTranslation::Off, UNDERSCORE] {
                let error = FilePath::translate(&name, translation).unwrap_err();
                let code = u32::from(character);
                let start = name.clone();
                assert_eq!(error, InvalidFilePath::Steers { start, code });
            }
            FilePath::translate("a/b", PathTranslation::Replace(character)).unwrap_err();
        }
        for name in ["a b", "größe", "हिन्दी", "名前", "می‌خواهم", "👩‍🔧", "e\u{301}"]
        {
            FilePath::translate(name, PathTranslation::Off).unwrap();
        }
    }

    #[test]
    fn a_path_has_at_most_2048_bytes() {
        let path = |levels: usize| FilePath::translate(&"a/".repeat(levels), PathTranslation::Off);
        assert!(path(1024).is_ok());
        assert!(matches!(
            path(1025),
            Err(InvalidFilePath::LongPath { bytes: 2050, .. })
        ));
    }

    #[test]
    fn a_component_has_at_most_255_bytes() {
        assert!(FilePath::translate(&"a".repeat(255), UNDERSCORE).is_ok());
        assert!(matches!(
            FilePath::translate(&"a".repeat(256), UNDERSCORE),
            Err(InvalidFilePath::TooLong { bytes: 256, .. })
        ));
        assert!(
            FilePath::translate(&"é".repeat(128), UNDERSCORE).is_err(),
            "bytes, not characters"
        );
        let long = format!("{}/{}", "a".repeat(255), "b".repeat(255));
        assert!(
            FilePath::translate(&long, PathTranslation::Off).is_ok(),
            "each component counts for itself"
        );
        assert!(FilePath::translate(&long, UNDERSCORE).is_err());
    }
}
