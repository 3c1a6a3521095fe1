//! A field of a class, as messages name it.

use std::borrow::Cow;
use std::fmt;

use crate::printable::printable;
use crate::yaml::{Place, Step};

/// The parameters that are lists.
pub(crate) const OBJECTS: &str = "objects";
pub(crate) const TEMPLATES: &str = "templates";
/// The list of Kubernetes Secrets.
pub(crate) const SECRET_OBJECTS: &str = "secretObjects";

/// Longest path in a message, in characters: a path may have an invented name in it.
const MAX_PATH: usize = 200;

/// Where the steps of a path begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Root {
    /// At the resource.
    Resource,
    /// At its `spec`.
    Spec,
    /// At its parameters, of which the lists are texts.
    #[default]
    Parameters,
}

/// The way to a field, displayed as `objects[2].jmesPath[0].path`, or as `region`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    root: Root,
    steps: Vec<Step>,
}

impl Path {
    /// The beginning itself.
    pub(crate) fn of(root: Root) -> Self {
        let steps = Vec::new();
        Self { root, steps }
    }

    pub(crate) fn new(root: Root, name: impl Into<Cow<'static, str>>) -> Self {
        Self::of(root).key(name)
    }

    /// A parameter.
    pub(crate) fn parameter(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Root::Parameters, name)
    }

    pub(crate) fn key(&self, name: impl Into<Cow<'static, str>>) -> Self {
        self.with(Step::Key(name.into()))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.steps.len() + 1);
        steps.extend_from_slice(&self.steps);
        steps.push(step);
        let root = self.root;
        Self { root, steps }
    }

    /// The steps from the resource.
    pub(crate) fn in_resource(&self) -> Vec<Step> {
        let above: &[&str] = match self.root {
            Root::Resource => &[],
            Root::Spec => &["spec"],
            Root::Parameters => &["spec", "parameters"],
        };
        let above = above.iter().map(|key| Step::Key((*key).into()));
        above.chain(self.steps.iter().cloned()).collect()
    }

    /// The list that it leads into, and the steps below that.
    pub(crate) fn in_list(&self) -> Option<(&'static str, &[Step])> {
        let (Step::Key(first), below) = self.steps.split_first()? else {
            return None;
        };
        let known = [OBJECTS, TEMPLATES, SECRET_OBJECTS];
        let list = known.into_iter().find(|list| list == first)?;
        (!below.is_empty()).then_some((list, below))
    }

    /// Is it a field of this name?
    pub(crate) fn ends_with(&self, name: &str) -> bool {
        matches!(self.steps.last(), Some(Step::Key(last)) if last == name)
    }

    /// Is it a list, and not a part of one?
    pub(crate) fn is_list(&self) -> bool {
        matches!(&self.steps[..], [Step::Key(name)] if [OBJECTS, TEMPLATES].contains(&&**name))
    }

    /// Names that would be cut in a message are cut: a problem may be kept.
    fn shortened(mut self) -> Self {
        for step in &mut self.steps {
            if let Step::Key(name) = step
                && name.len() > MAX_PATH
            {
                *name = printable(name, MAX_PATH).into();
            }
        }
        self
    }
}

/// Steps as text.
fn joined(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Index(index) => text = format!("{text}[{index}]"),
            Step::Key(name) if text.is_empty() => text += name,
            Step::Key(name) => text = format!("{text}.{name}"),
        }
    }
    printable(&text, MAX_PATH)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&joined(&self.steps))
    }
}

/// Which field of a class a message is about: its path, the object that its entry names, and its line.
///
/// Displayed as `objects[2] "app/db": jmesPath[0].path (line 7 of objects)`, or as `region`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Its path, such as `objects[2].jmesPath[0].path` or `region`.
    pub path: Path,
    /// The `objectName` or `secretName` of its entry, cut to what a line of a message can hold.
    pub object: Option<String>,
    /// Its place in the text of its list, `objects` or `templates`.
    pub place: Option<Place>,
}

impl From<Path> for Field {
    fn from(path: Path) -> Self {
        Self {
            path: path.shortened(),
            ..Self::default()
        }
    }
}

impl Field {
    /// The index of its entry in `objects`.
    pub fn entry(&self) -> Option<usize> {
        match self.path.in_list()? {
            (OBJECTS, [Step::Index(entry), ..]) => Some(*entry),
            _ => None,
        }
    }

    /// The list whose text has the field.
    pub fn list(&self) -> &'static str {
        match self.path.steps.first() {
            Some(Step::Key(name)) if name == TEMPLATES => TEMPLATES,
            _ => OBJECTS,
        }
    }

    /// How another field's message mentions this one.
    pub(crate) fn in_a_sentence(&self) -> String {
        match (self.path.in_list(), &self.object) {
            (Some((list, [Step::Index(entry), rest @ ..])), Some(object)) => {
                let entry = format!("{list}[{entry}] {object:?}");
                match rest {
                    [] => entry,
                    rest => format!("{} of {entry}", joined(rest)),
                }
            }
            _ => self.path.to_string(),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.in_list(), &self.object) {
            (Some((list, [Step::Index(entry), rest @ ..])), Some(object)) => {
                write!(f, "{list}[{entry}] {object:?}")?;
                if !rest.is_empty() {
                    write!(f, ": {}", joined(rest))?;
                }
            }
            _ => write!(f, "{}", self.path)?,
        }
        match self.place {
            Some(Place { line, .. }) => write!(f, " (line {line} of {})", self.list()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entrys_field_names_the_object() {
        let entry = Path::parameter(OBJECTS).index(2);
        let item = entry.key("jmesPath").index(0).key("path");
        let data = Path::new(Root::Spec, SECRET_OBJECTS).index(0).key("data");
        let place = Some(Place { line: 7, column: 3 });
        for (path, object, place, text) in [
            (Path::parameter("region"), None, None, "region"),
            (
                entry.key("objectAlias"),
                None,
                None,
                "objects[2].objectAlias",
            ),
            (entry.clone(), Some("a\"b"), None, "objects[2] \"a\\\"b\""),
            (
                item,
                Some("app/db"),
                place,
                "objects[2] \"app/db\": jmesPath[0].path (line 7 of objects)",
            ),
            (
                data.index(1).key("key"),
                Some("db"),
                None,
                "secretObjects[0] \"db\": data[1].key",
            ),
        ] {
            let object = object.map(str::to_owned);
            let field = Field {
                path,
                object,
                place,
            };
            assert_eq!(field.to_string(), text);
        }
    }
}
