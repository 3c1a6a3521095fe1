//! One entry of `objects`: a secret or a parameter, and its files.
//!
//! A new field of an entry is a field of [`Object`], a line where [`Context`] reads it and, if it concerns the value that AWS
//! returns, a rule in `plan/extract`.

use super::cursor::{Cursor, Fields};
use super::entry_request::{self, Context};
use super::field_path::{Field, OBJECTS, Path};
use super::findings::Findings;
use super::named::Named;
use super::output::{Each, File, OpenFiles, Output, Presence};
use super::path_entry;
use super::request::Request;
use crate::words::boolean::boolean;
use crate::words::name;
use crate::yaml::{Node, Value};
use crate::{Encoding, FileMode, FilePath, JmesPath, PathTranslation};

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

/// Fields that an entry and its parts have in common; `None` is a problem.
struct Common {
    mode: Option<FileMode>,
    encoding: Option<Encoding>,
    is_optional: Option<bool>,
}

impl Common {
    fn read(fields: &mut Fields<'_>, default_mode: Option<FileMode>) -> Self {
        let mode = fields.parsed("filePermission", str::parse);
        let encoding = fields.parsed("objectEncoding", str::parse);
        let is_optional = fields.parsed("optional", boolean);
        Self {
            mode: mode.and_then(|mode| mode.or(default_mode)),
            encoding: encoding.map(Option::unwrap_or_default),
            is_optional: is_optional.map(Option::unwrap_or_default),
        }
    }
}

/// Reads the list `objects`.
pub(super) fn read<'a>(
    node: &'a Node,
    context: Context<'_>,
    findings: &'a Findings<'a>,
) -> Vec<Object> {
    let list = Cursor::new(node, Path::parameter(OBJECTS), findings);
    let is_empty = match &node.value {
        Value::List(items) => items.is_empty(),
        other => matches!(other, Value::Null),
    };
    if is_empty {
        list.problem("has no entries: list at least one secret or parameter");
        return Vec::new();
    }
    let Some(entries) = list.items("must be a YAML list (lines that start with \"- \")") else {
        return Vec::new();
    };
    let mut objects: Vec<_> = entries
        .filter_map(|(index, entry)| context.object(index, entry))
        .collect();
    // Many classes are kept in memory.
    objects.shrink_to_fit();
    objects
}

impl Context<'_> {
    /// Reads an entry; `None` if a problem makes it unusable.
    fn object(self, index: usize, entry: Cursor<'_>) -> Option<Object> {
        let mut fields = entry.fields("must be a mapping of fields (\"objectName: …\")")?;
        let named = Named::read(&mut fields);
        let alias = fields.text("objectAlias");
        let common = Common::read(&mut fields, Some(FileMode::DEFAULT));
        let whole_file = fields.parsed("wholeFile", boolean);
        let has_whole = whole_file.flatten().unwrap_or(true);
        let before = named.path.map(|_| path_entry::before(alias));
        let before = before.as_deref();
        let extracts = match fields.take("jmesPath") {
            Some(list) => self.extracts(&list, before, common.mode),
            None => Some(Vec::new()),
        };
        let keys = match fields.take("jsonKeys") {
            Some(keys) => self.keys(keys, before, common.mode),
            None => Some(None),
        };
        let (request, failover) =
            entry_request::requests(self, &mut fields, &named, alias.is_none() && has_whole);
        fields.finish();
        let has_parts = extracts.as_ref().is_none_or(|list| !list.is_empty()) || keys != Some(None);
        let title = named.title()?;
        let whole = if has_whole {
            if named.path.is_some() && has_parts && self.translation == PathTranslation::Off {
                fields.problem("wholeFile", "must be false, because pathTranslation is \"False\": the parts of a parameter are files in a directory of its name");
            }
            let field = match (alias, named.path) {
                (Some(_), _) => "objectAlias",
                (None, Some(_)) => "objectPath",
                (None, None) => "objectName",
            };
            let written = (field, alias.unwrap_or(title), "");
            self.output(&fields, written, before, common.mode).map(Some)
        } else {
            check_without_whole(&fields, has_parts, alias.is_some() && named.path.is_none());
            Some(None)
        };
        Some(Object {
            index,
            name: name::cut(title),
            request: request?,
            failover,
            is_optional: common.is_optional?,
            encoding: common.encoding?,
            whole: whole_file.and(whole)?,
            has_alias: alias.is_some(),
            extracts: extracts?,
            keys: keys?,
        })
    }

    fn extracts(
        self,
        list: &Cursor<'_>,
        before: Option<&str>,
        mode: Option<FileMode>,
    ) -> Option<Vec<Extract>> {
        let items = list.items("must be a list of path and objectAlias")?;
        // All of them are read, for their problems.
        let items: Vec<_> = items
            .map(|(index, item)| self.extract(index, item, before, mode))
            .collect();
        items.into_iter().collect()
    }

    fn extract(
        self,
        index: usize,
        item: Cursor<'_>,
        before: Option<&str>,
        parent: Option<FileMode>,
    ) -> Option<Extract> {
        let mut fields = item.fields("must be a mapping of fields (\"path: …\")")?;
        let common = Common::read(&mut fields, parent);
        let path = "is required: a JMESPath expression, such as the key to take out";
        let path = fields.required("path", path);
        let path = path.and_then(|text| fields.keep("path", text.parse::<JmesPath>()));
        let alias = fields.required(
            "objectAlias",
            "is required: the name of the file for this part",
        );
        fields.finish();
        let alias = alias?;
        let names = ("objectAlias", alias, &*format!("/{alias}"));
        let output = self.output(&fields, names, before, common.mode);
        Some(Extract {
            index,
            path: path?,
            output: output?,
            is_optional: common.is_optional?,
            encoding: common.encoding?,
        })
    }

    /// The files of `jsonKeys`, unless it is false.
    #[allow(clippy::option_option, reason = "false and wrong are two things")]
    fn keys(
        self,
        keys: Cursor<'_>,
        before: Option<&str>,
        parent: Option<FileMode>,
    ) -> Option<Option<OpenFiles>> {
        let path = keys.path.key("prefix");
        let findings = keys.findings;
        let (prefix, mode) = match keys.node.text() {
            Some(text) if !keys.keep(boolean(text))? => return Some(None),
            Some(_) => ("", None),
            None => {
                let mut fields =
                    keys.fields("must be true, or a mapping of prefix and filePermission")?;
                let prefix = fields.text("prefix").unwrap_or_default();
                let mode = fields.parsed("filePermission", str::parse);
                fields.finish();
                (prefix, mode?)
            }
        };
        let mode = mode.or(parent)?;
        let below = format!("/{prefix}");
        let (each, names) = match before {
            None => (Each::Key, (prefix, "")),
            Some(before) => (Each::KeyOfParameter, (before, below.as_str())),
        };
        let open = OpenFiles::new(each, names, self.translation, mode);
        findings.keep(&path, open).map(Some)
    }

    /// The file of a name; or the files of parameters, whose names are between `before` and the rest.
    fn output(
        self,
        fields: &Fields<'_>,
        (field, name, rest): (&'static str, &str, &str),
        before: Option<&str>,
        mode: Option<FileMode>,
    ) -> Option<Output> {
        // The name is checked even if the permission is wrong.
        let checked = mode.unwrap_or(FileMode::DEFAULT);
        let output = match before {
            None => FilePath::translate(name, self.translation).map(|path| {
                Output::File(File {
                    path,
                    mode: checked,
                })
            }),
            Some(before) => {
                OpenFiles::new(Each::Parameter, (before, rest), self.translation, checked)
                    .map(Output::Open)
            }
        };
        let output = fields.keep(field, output.map_err(|error| error.of_object()));
        mode.and(output)
    }
}

/// Without the file with the whole value there must be others.
fn check_without_whole(fields: &Fields<'_>, has_parts: bool, has_alias: bool) {
    if !has_parts {
        fields.problem(
            "wholeFile",
            "is false, so the entry writes no file: add jmesPath or jsonKeys, or remove wholeFile",
        );
    }
    if has_alias {
        fields.warning(
            "objectAlias",
            "has no effect, because wholeFile is false: remove one of them",
        );
    }
}

impl Object {
    pub(crate) fn path(&self) -> Path {
        Path::parameter(OBJECTS).index(self.index)
    }

    /// A field of this entry, for messages; an empty name is the entry itself.
    pub(crate) fn field(&self, name: &str) -> Field {
        let path = self.path();
        Field {
            path: if name.is_empty() {
                path
            } else {
                path.key(name.to_owned())
            },
            object: Some(self.name.clone()),
            place: None,
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

    /// What a file of this entry is made of, if it makes it.
    pub(crate) fn source(&self, path: &str) -> Option<String> {
        let may_be = |output: &Output| output.may_be(path);
        let is_whole = self.whole.as_ref().is_some_and(may_be);
        let parts = self.extracts.iter().filter(|part| may_be(&part.output));
        let parts: Vec<_> = parts.map(|part| (&part.path, part.encoding)).collect();
        let keys = self.keys.as_ref().filter(|keys| keys.may_be(path));
        let is_source = is_whole || !parts.is_empty() || keys.is_some();
        let asked = (&self.request, &self.failover, self.encoding);
        is_source.then(|| format!("{asked:?} {is_whole} {parts:?} {keys:?}"))
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
