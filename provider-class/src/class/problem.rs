//! What is wrong with a class, and where.

use std::fmt;

use super::field_path::Field;
use super::resource::PROVIDER;
use super::title::Title;
use crate::printable::printable;

/// One thing that is wrong (or, as a warning, doubtful) in a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field that it is about.
    pub field: Field,
    /// What is wrong and what to do, never a secret's value.
    pub message: String,
}

/// Longest message, in characters: a message may quote any text of the class.
const MAX_MESSAGE: usize = 1000;

impl Problem {
    pub(crate) fn new(field: impl Into<Field>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: printable(&message.into(), MAX_MESSAGE),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Why a class cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassError {
    /// It belongs to another provider.
    #[error(
        "{}: provider: is {provider}, but only provider \"{PROVIDER}\" is supported here", Title(.class)
    )]
    OtherProvider {
        /// The class's name.
        class: String,
        /// As written, in quotes.
        provider: String,
    },
    /// The provider is missing, or almost `aws`: no provider serves such a class.
    #[error("{}: {problem}", Title(.class))]
    NoProvider {
        /// The class's name.
        class: String,
        /// What to write.
        problem: Box<Problem>,
    },
    /// It has mistakes.
    #[error(transparent)]
    Invalid(#[from] InvalidClass),
}

/// Everything that is wrong with a class; never empty. Displayed as one line per problem, with the class's name.
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
        let mut lines = Vec::new();
        for problem in &self.problems {
            lines.push(format!("{}: {problem}", Title(&self.name)));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::field_path::Path;

    #[test]
    fn no_text_of_a_class_makes_a_second_line_or_a_long_one() {
        let long = "é".repeat(100_000);
        let problem = Problem::new(
            Path::parameter("objects")
                .index(0)
                .key(format!("a\nerror: forged{long}")),
            format!("\u{1b}[2J\u{202e}{long}"),
        );
        let shown = problem.to_string();
        assert_eq!(shown.lines().count(), 1);
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
        assert!(shown.chars().count() < 1300);
        assert!(shown.starts_with("objects[0].a\\nerror: forged"), "{shown}");
    }
}
