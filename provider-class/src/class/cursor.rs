//! The reader of a class's values: each knows its path, so that what is wrong with it is reported with its place.

use super::field_path::Path;
use super::findings::Findings;
use crate::words::name::{self, shown};
use crate::words::nearest::nearest;
use crate::yaml::{Node, Value};

/// A value, and the path to it.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) node: &'a Node,
    pub(super) path: Path,
    pub(super) findings: &'a Findings<'a>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(node: &'a Node, path: Path, findings: &'a Findings<'a>) -> Self {
        Self {
            node,
            path,
            findings,
        }
    }

    pub(super) fn problem(&self, message: impl Into<String>) {
        self.findings.problem(&self.path, message);
    }

    pub(super) fn warning(&self, message: impl Into<String>) {
        self.findings.warning(&self.path, message);
    }

    /// Keeps the value of a result, and its error as a problem.
    pub(super) fn keep<T, E: ToString>(&self, result: Result<T, E>) -> Option<T> {
        self.findings.keep(&self.path, result)
    }

    fn is_not(&self, expected: &str) {
        self.problem(format!("{expected}, not {}", self.node.kind()));
    }

    /// A string, or the text of a number or boolean.
    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.node.text();
        if text.is_none() {
            self.is_not("must be a string");
        } else if self.node.differs_in_go() && !self.path.ends_with("filePermission") {
            self.warning("is a number or boolean for AWS's provider, which reads another text: put it in quotes");
        }
        text
    }

    /// The items of a list, as long as something is looked for.
    pub(super) fn items(&self, expected: &str) -> Option<impl Iterator<Item = (usize, Self)>> {
        let Value::List(items) = &self.node.value else {
            self.is_not(expected);
            return None;
        };
        let at = self.clone();
        let items = items.iter().enumerate();
        let items = items.take_while({
            let findings = self.findings;
            move |_| !findings.is_full()
        });
        Some(items.map(move |(index, node)| {
            let path = at.path.index(index);
            (
                index,
                Self {
                    node,
                    path,
                    ..at.clone()
                },
            )
        }))
    }

    /// The fields of a mapping.
    pub(super) fn fields(self, expected: &str) -> Option<Fields<'a>> {
        match &self.node.value {
            Value::Map(_) => Some(Fields::new(self)),
            Value::Null => {
                self.problem("is empty: remove the dash, or write fields after it");
                None
            }
            _ => {
                self.is_not(expected);
                None
            }
        }
    }
}

/// The fields of one mapping, taken out one by one; what is left is warned about.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// The mapping.
    pub(super) at: Cursor<'a>,
    left: Vec<&'a (String, Node)>,
    /// Names of the fields that were looked for.
    known: Vec<&'static str>,
    /// Are they the parameters of the class?
    are_parameters: bool,
    /// Do the names of fields match only in their own letter case, as in Kubernetes?
    is_exact: bool,
}

impl<'a> Fields<'a> {
    /// The fields of a mapping; none of anything else.
    pub(super) fn new(at: Cursor<'a>) -> Self {
        Self {
            left: at.node.fields().iter().collect(),
            known: Vec::new(),
            are_parameters: false,
            is_exact: false,
            at,
        }
    }

    /// The same with names that match only in their own letter case.
    pub(super) fn exact(self) -> Self {
        Self {
            is_exact: true,
            ..self
        }
    }

    /// The same for parameters.
    pub(super) fn of_parameters(self) -> Self {
        Self {
            are_parameters: true,
            ..self.exact()
        }
    }

    /// Takes a field out. Of several spellings the exact one counts, or else the last one.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Cursor<'a>> {
        self.known.push(name);
        let is_exact = self.is_exact;
        let is_mine = |key: &str| key == name || !is_exact && key.eq_ignore_ascii_case(name);
        let mut mine: Option<&(String, Node)> = None;
        let mut count = 0;
        self.left.retain(|field| {
            if !is_mine(&field.0) {
                return true;
            }
            count += 1;
            if field.0 == name || mine.is_none_or(|(key, _)| key != name) {
                mine = Some(field);
            }
            false
        });
        if count > 1 {
            self.warning(
                name,
                "is given more than once: only one of them counts; remove the others",
            );
        }
        let (_, node) = mine.filter(|(_, node)| !matches!(node.value, Value::Null))?;
        Some(Cursor::new(node, self.path(name), self.at.findings))
    }

    /// The text of a field; an empty one is not set, as charts write it.
    pub(super) fn text(&mut self, name: &'static str) -> Option<&'a str> {
        let text = self.take(name)?.text()?;
        (!text.is_empty()).then_some(text)
    }

    /// The value of a field: `Some(None)` if it is not set, `None` if it is wrong, which is a problem.
    #[allow(clippy::option_option, reason = "not set and wrong are two things")]
    pub(super) fn parsed<T, E: ToString>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.text(name) {
            Some(text) => self.keep(name, parse(text)).map(Some),
            None => Some(None),
        }
    }

    /// The text of a field that must be there. The message says what it is.
    pub(super) fn required(&mut self, name: &'static str, message: &str) -> Option<&'a str> {
        let field = self.take(name);
        let text = match &field {
            Some(field) => field.text()?,
            None => "",
        };
        if text.is_empty() {
            self.missing(name, message);
            return None;
        }
        Some(text)
    }

    /// A field that must be there and is not, with the unknown one that probably is meant.
    pub(super) fn missing(&self, name: &'static str, message: &str) {
        let mut unknown = self.left.iter().map(|(key, _)| key);
        match unknown.find(|key| nearest(key, &[name]).is_some()) {
            Some(key) => self.problem(
                name,
                format!(
                    "{message}; {} is not a known field: did you mean {name}?",
                    shown(key)
                ),
            ),
            None => self.problem(name, message),
        }
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &'static str) -> Path {
        self.at.path.key(name)
    }

    pub(super) fn problem(&self, name: &'static str, message: impl Into<String>) {
        self.at.findings.problem(&self.path(name), message);
    }

    pub(super) fn warning(&self, name: &'static str, message: impl Into<String>) {
        self.at.findings.warning(&self.path(name), message);
    }

    /// Keeps the value of a result, and its error as a problem of a field.
    pub(super) fn keep<T, E: ToString>(
        &self,
        name: &'static str,
        result: Result<T, E>,
    ) -> Option<T> {
        self.at.findings.keep(&self.path(name), result)
    }

    /// Warns of the fields that nobody has taken.
    pub(super) fn finish(&self) {
        if self.are_parameters {
            self.at.findings.set_parameters(&self.known);
        }
        for (key, _) in &self.left {
            let path = self.at.path.key(key.clone());
            let blank = key.chars().find_map(name::blank);
            if let Some(blank) = blank.filter(|_| !self.are_parameters) {
                let message =
                    format!("has {blank} in its name, so the field is not recognized: remove it");
                self.at.findings.problem(&path, message);
                continue;
            }
            if !self.at.findings.has_room_for_warnings() {
                continue;
            }
            let unknown = if self.are_parameters {
                "is not a known parameter and is ignored"
            } else {
                "is not a known field and is ignored"
            };
            let message = format!("{unknown}: {}", self.hint(key));
            self.at.findings.warning(&path, message);
        }
    }

    fn hint(&self, key: &str) -> String {
        if self.are_parameters {
            if key.eq_ignore_ascii_case("secretObjects") {
                return "secretObjects belongs under spec, beside parameters".to_owned();
            }
        } else if let Some(parameter) = self.at.findings.parameter(key) {
            return format!("{parameter} belongs under parameters, beside objects");
        }
        match nearest(key, &self.known) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "remove it, or correct its name".to_owned(),
        }
    }
}
