//! What is wrong with a class, and where.

use std::fmt;

/// One thing that is wrong (or, as a warning, doubtful) in a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, such as `objects[2].jmesPath[0].objectAlias` or `region`.
    pub field: String,
    /// Line within the `objects` string, from 1, where one is known.
    pub line: Option<usize>,
    /// What is wrong and what to do, never a secret's value.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            line: None,
            message: message.into(),
        }
    }

    pub(crate) fn at_line(mut self, line: Option<usize>) -> Self {
        self.line = line;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(
                f,
                "{} (line {line} of objects): {}",
                self.field, self.message
            ),
            None => write!(f, "{}: {}", self.field, self.message),
        }
    }
}

/// All that is wrong with a class; never empty. Displayed as a line for each problem, with the class's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct InvalidClass {
    /// The class's name.
    pub name: String,
    /// In the order of the document.
    pub problems: Vec<Problem>,
}

impl InvalidClass {
    fn lines(&self) -> String {
        let line = |problem: &Problem| format!("class {:?}: {problem}", self.name);
        self.problems
            .iter()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    }
}
