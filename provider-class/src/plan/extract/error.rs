//! Why a value cannot become files. No message quotes the value.

use crate::Field;
use crate::words::file_path::InvalidFilePath;

/// Why a value cannot become the files of its object. It never quotes the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// The value is encoded otherwise.
    #[error("{field}: the value is not {encoding}: {reason}; correct objectEncoding, or the value")]
    Encoding {
        /// The `objectEncoding`.
        field: Field,
        /// The encoding.
        encoding: &'static str,
        /// A position, no content.
        reason: String,
    },
    /// `jmesPath` and `jsonKeys` need JSON.
    #[error(
        "{field}: the value is not JSON: {reason}; store JSON, or remove jmesPath and jsonKeys"
    )]
    NotJson {
        /// The object's `jmesPath` or `jsonKeys`.
        field: Field,
        /// What the JSON parser says: a position, no content.
        reason: String,
    },
    /// `jsonKeys` needs an object.
    #[error(
        "{field}: the value is JSON, but not an object with keys: store an object, or remove jsonKeys"
    )]
    NoKeys {
        /// The object's `jsonKeys`.
        field: Field,
    },
    /// More files than anybody needs.
    #[error(
        "{field}: the value has {count} keys, but at most {MAX_KEYS} become files: take out those that you need with jmesPath"
    )]
    TooManyKeys {
        /// The object's `jsonKeys`.
        field: Field,
        /// Their number.
        count: usize,
    },
    /// A key, or the name of a parameter, is not a file name.
    #[error("{field}: cannot be a file: {reason}; {remedy}")]
    Name {
        /// The field, with the key.
        field: Field,
        /// Why not.
        reason: InvalidFilePath,
        /// What to do.
        remedy: &'static str,
    },
    /// One of the paths.
    #[error("{field}: path {path:?} for the file {alias:?} {reason}")]
    Path {
        /// The item of `jmesPath`.
        field: Field,
        /// The expression.
        path: String,
        /// The file.
        alias: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// Keys of a value that become files.
pub(super) const MAX_KEYS: usize = 1000;
