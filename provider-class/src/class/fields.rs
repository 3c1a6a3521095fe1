//! The fields of a mapping in YAML: known ones are taken out one by one, and what is left is warned about.

use super::findings::Findings;
use crate::words::name;
use crate::words::nearest::nearest;
use crate::yaml::{Node, Value};

/// The fields of one mapping, removed one by one.
pub(super) struct Fields<'a, 'f> {
    path: String,
    left: Vec<(&'a str, &'a Node)>,
    /// Names of the fields that were looked for.
    known: Vec<&'static str>,
    findings: &'f mut Findings,
}

impl<'a, 'f> Fields<'a, 'f> {
    pub(super) fn of(node: &'a Node, path: String, findings: &'f mut Findings) -> Option<Self> {
        match &node.value {
            Value::Map(fields) => {
                let left = fields
                    .iter()
                    .map(|(key, value)| (key.as_str(), value))
                    .collect();
                Some(Self {
                    path,
                    left,
                    known: Vec::new(),
                    findings,
                })
            }
            Value::Null => {
                findings.problem(
                    path,
                    "is empty: remove the dash, or write an objectName after it",
                );
                None
            }
            _ => {
                findings.problem(
                    path,
                    format!(
                        "must be a mapping of fields (\"objectName: …\"), not {}",
                        node.kind()
                    ),
                );
                None
            }
        }
    }

    /// Removes a field and returns its value. Of several spellings the exact one counts, or else the last one.
    pub(super) fn node(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        let (mine, left): (Vec<_>, Vec<_>) = self
            .left
            .drain(..)
            .partition(|(key, _)| key.eq_ignore_ascii_case(name));
        self.left = left;
        if mine.len() > 1 {
            self.findings.warning(
                format!("{}.{name}", self.path),
                "is given more than once: only one of them counts; remove the others",
            );
        }
        let exact = mine.iter().rev().find(|(key, _)| *key == name);
        exact
            .or(mine.last())
            .map(|(_, node)| *node)
            .filter(|node| !matches!(node.value, Value::Null))
    }

    pub(super) fn string(&mut self, name: &'static str) -> Option<String> {
        let node = self.node(name)?;
        match node.text() {
            Some(text) => Some(text.to_owned()).filter(|text| !text.is_empty()),
            None => {
                self.findings.problem(
                    format!("{}.{name}", self.path),
                    format!("must be a string, not {}", node.kind()),
                );
                None
            }
        }
    }

    pub(super) fn warn_of_the_rest(self) {
        for (key, _) in self.left {
            let field = format!("{}.{key}", self.path);
            if let Some(blank) = key.chars().find_map(name::blank) {
                let message =
                    format!("has {blank} in its name, so the field is not recognized: remove it");
                self.findings.problem(field, message);
                continue;
            }
            if !self.findings.has_room_for_warnings() {
                continue;
            }
            let hint = match nearest(key, &self.known) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "remove it, or correct its name".to_owned(),
            };
            let message = format!("is not a known field and is ignored: {hint}");
            self.findings.warning(field, message);
        }
    }
}
