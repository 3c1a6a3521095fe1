//! Finds and reads the class files that the command line names.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file, in bytes: a hundred times the size of a cluster's classes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The most files below one directory, and the most levels of directories.
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 32;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The operating system reports an error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// UTF-16, which PowerShell writes.
    #[error("is UTF-16 text, not UTF-8: save it as UTF-8 (in PowerShell: Out-File -Encoding utf8)")]
    Utf16,
    /// Another encoding, or not text at all.
    #[error("is not UTF-8 text, from line {line} on: save it as UTF-8")]
    NotUtf8 {
        /// The first line that is not UTF-8, counted from 1.
        line: usize,
    },
    /// A file over the limit.
    #[error("is larger than {} MiB: split it, and check the parts", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// A directory over the limits.
    #[error(
        "contains more than {MAX_FILES} YAML files, or more than {MAX_DEPTH} levels of directories: name the files or directories that contain classes"
    )]
    TooMany,
}

/// A file that the command line names.
#[derive(Debug)]
pub struct Input {
    /// Its path, `-` for standard input.
    pub path: PathBuf,
    /// Was it found in a directory rather than named?
    pub is_found: bool,
}

/// The files that a path stands for. A directory stands for all YAML and JSON files below it.
pub fn files(path: &Path) -> Result<Vec<Input>, InputError> {
    if path.as_os_str() == "-" || !path.is_dir() {
        let path = path.to_owned();
        return Ok(vec![Input {
            path,
            is_found: false,
        }]);
    }
    let mut found = Vec::new();
    let mut directories = vec![(path.to_owned(), 0)];
    while let Some((directory, depth)) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            // Links to directories could form a cycle.
            if entry.file_type()?.is_dir() {
                if depth == MAX_DEPTH {
                    return Err(InputError::TooMany);
                }
                directories.push((entry.path(), depth + 1));
            } else if is_yaml(&entry.path()) && entry.path().is_file() {
                found.push(entry.path());
            }
            if found.len() > MAX_FILES || directories.len() > MAX_FILES {
                return Err(InputError::TooMany);
            }
        }
    }
    found.sort();
    let inputs = found.into_iter().map(|path| Input {
        path,
        is_found: true,
    });
    Ok(inputs.collect())
}

fn is_yaml(path: &Path) -> bool {
    let end = path.extension().and_then(|end| end.to_str());
    matches!(end, Some("yaml" | "yml" | "json"))
}

/// The text of a file, or of standard input for `-`.
pub fn read(path: &Path) -> Result<String, InputError> {
    if path.as_os_str() == "-" {
        text(io::stdin().lock())
    } else {
        text(File::open(path)?)
    }
}

fn text(source: impl Read) -> Result<String, InputError> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(InputError::TooLarge);
    }
    // With a byte order mark, or with every other byte zero, as in ASCII letters.
    let is_utf16 = matches!(bytes.as_slice(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
        || matches!(bytes.as_slice(), [0, second, ..] if *second != 0)
        || matches!(bytes.as_slice(), [first, 0, third, 0, ..] if *first != 0 && *third != 0);
    if is_utf16 {
        return Err(InputError::Utf16);
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.split(|byte| *byte == b'\n').skip(1).count();
        InputError::NotUtf8 { line }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        text(bytes).unwrap_err().to_string()
    }

    #[test]
    fn other_encodings_are_named() {
        let utf16 = |bytes: fn(u16) -> [u8; 2], mark: &str| {
            let units = format!("{mark}kind: Pod\n");
            units.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()
        };
        for bytes in [
            utf16(u16::to_le_bytes, "\u{feff}"),
            utf16(u16::to_be_bytes, "\u{feff}"),
            utf16(u16::to_le_bytes, ""),
            utf16(u16::to_be_bytes, ""),
        ] {
            assert!(error(&bytes).starts_with("is UTF-16 text"), "{bytes:?}");
        }
        assert!(error(b"a\nb\xe9\n").contains("from line 2 on"));
        assert_eq!(text(&b"\xef\xbb\xbfa"[..]).unwrap(), "\u{feff}a");
        assert_eq!(text(&b""[..]).unwrap(), "");
    }
}
