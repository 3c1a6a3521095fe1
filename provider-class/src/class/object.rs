//! One entry of `objects`: a secret or a parameter, and its files.

use super::field_path::Field;
use super::output::{File, OpenFiles, Output, Presence};
use super::request::Request;
use crate::{Encoding, JmesPath};

/// An entry of `objects`, valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Its `objectName`, cut to what a line of a message can hold.
    pub name: String,
    /// What is asked of AWS.
    pub request: Request,
    /// What is asked in the failover region if the first region fails.
    pub failover: Option<Request>,
    /// Is it no error if AWS does not have it?
    pub is_optional: bool,
    /// The encoding that the value is decoded from, before anything is taken out of it.
    pub encoding: Encoding,
    /// The file with the whole value, unless `wholeFile` is false.
    pub whole: Option<Output>,
    /// Is that file named by an `objectAlias` rather than the `objectName`?
    pub has_alias: bool,
    /// Files with parts of the value (`jmesPath`).
    pub extracts: Vec<Extract>,
    /// Files with the values of all keys (`jsonKeys`).
    pub keys: Option<OpenFiles>,
}

/// An item of `jmesPath`, valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Extract {
    /// Its place in the object's list, from 0.
    pub index: usize,
    /// The part of the JSON.
    pub path: JmesPath,
    /// The file it goes to.
    pub output: Output,
    /// Is it no error if the path finds nothing?
    pub is_optional: bool,
    /// The encoding that the part is decoded from.
    pub encoding: Encoding,
}

impl Object {
    /// A field of this entry, for messages; an empty path is the entry itself.
    pub(crate) fn field(&self, path: &str) -> Field {
        let dot = if path.is_empty() { "" } else { "." };
        Field {
            object: Some(self.name.clone()),
            ..Field::new(format!("objects[{}]{dot}{path}", self.index))
        }
    }

    /// Every file of this entry whose name is known before the fetch.
    pub fn files(&self) -> impl Iterator<Item = (&File, Presence)> {
        self.outputs()
            .filter_map(|(output, presence)| Some((output.file()?, presence)))
    }

    /// The same, without the file that has the name of the object.
    pub(crate) fn aliased_files(&self) -> impl Iterator<Item = (&File, Presence)> {
        let unnamed = usize::from(self.whole.is_some() && !self.has_alias);
        self.outputs()
            .skip(unnamed)
            .filter_map(|(output, presence)| Some((output.file()?, presence)))
    }

    /// Files of this entry of which the names are known only at fetch.
    pub fn open_files(&self) -> impl Iterator<Item = &OpenFiles> {
        let open = self.outputs().filter_map(|(output, _)| output.open());
        open.chain(&self.keys)
    }

    /// Does it make this file? `None` if it never does.
    pub(crate) fn presence(&self, path: &str) -> Option<Presence> {
        let outputs = self.outputs();
        let of_outputs = outputs.filter(|(output, _)| output.may_be(path));
        let of_outputs = of_outputs.map(|(_, presence)| presence);
        let of_keys = self.keys.iter().filter(|keys| keys.may_be(path));
        let of_keys = of_keys.map(|_| Presence::of(self.is_optional));
        of_outputs.chain(of_keys).min()
    }

    /// What it becomes, except for keys.
    fn outputs(&self) -> impl Iterator<Item = (&Output, Presence)> {
        let whole = self.whole.iter();
        let whole = whole.map(|whole| (whole, Presence::of(self.is_optional)));
        whole.chain(self.extracts.iter().map(|extract| {
            let is_optional = self.is_optional || extract.is_optional;
            (&extract.output, Presence::of(is_optional))
        }))
    }
}
