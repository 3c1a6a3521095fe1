//! The parts of the page: the table of highlights, and sections with a table each.

use std::fmt;

use crate::statistics::{Sample, ratio};

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// A ratio to a baseline, or an absolute figure.
    pub(crate) result: String,
    /// The target, and whether the result meets it.
    pub(crate) target: Option<(String, bool)>,
    /// The figures behind the result.
    pub(crate) details: String,
}

/// A row of the table at the top of the page: an absolute figure that a reader understands without the method.
#[derive(Clone, Debug)]
pub(crate) struct Highlight {
    /// What was measured.
    pub(crate) what: String,
    /// The figure.
    pub(crate) result: String,
    /// What it means, in one line.
    pub(crate) meaning: String,
}

/// Measurements with the same method.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// The heading.
    pub(crate) title: &'static str,
    /// The name for `make bench ONLY=`.
    pub(crate) name: &'static str,
    /// How the results were measured.
    pub(crate) method: String,
    /// Its rows in the table at the top of the page.
    pub(crate) highlights: Vec<Highlight>,
    /// All results.
    pub(crate) rows: Vec<Row>,
}

impl Highlight {
    /// A highlight with its explanation.
    pub(crate) fn new(
        what: impl Into<String>,
        result: impl Into<String>,
        meaning: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            result: result.into(),
            meaning: meaning.into(),
        }
    }
}

/// The table at the top of the page: the highlights of all sections.
pub(crate) fn highlights(sections: &[Section]) -> String {
    let mut table = String::from("| what | result | what it means |\n|---|---|---|\n");
    for highlight in sections.iter().flat_map(|section| &section.highlights) {
        table.push_str(&highlight.to_string());
    }
    table
}

impl Row {
    /// A ratio with an upper limit as its target.
    pub(crate) fn ratio(what: String, ratio: f64, most: f64, details: String) -> Self {
        Self {
            what,
            result: format!("{ratio:.2} ×"),
            target: Some((format!("≤ {most} ×"), ratio <= most)),
            details,
        }
    }

    /// The ratio of the means of two samples.
    pub(crate) fn ratio_of(
        what: &str,
        measured: &Sample,
        baseline: &Sample,
        details: String,
    ) -> Self {
        let ratio = ratio(measured.mean(), baseline.mean());
        Self::plain(what.to_owned(), format!("{ratio:.2} ×"), details)
    }

    /// A result without a target.
    pub(crate) fn plain(what: String, result: String, details: String) -> Self {
        Self {
            what,
            result,
            target: None,
            details,
        }
    }

    /// A result with any other target.
    pub(crate) fn with_target(
        what: String,
        result: String,
        target: &str,
        met: bool,
        details: String,
    ) -> Self {
        Self {
            what,
            result,
            target: Some((target.to_owned(), met)),
            details,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, met) = match &self.target {
            Some((target, true)) => (target.as_str(), "yes"),
            Some((target, false)) => (target.as_str(), "**no**"),
            None => ("", ""),
        };
        writeln!(
            f,
            "| {} | {} | {target} | {met} | {} |",
            self.what, self.result, self.details
        )
    }
}

impl fmt::Display for Highlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} | {} | {} |", self.what, self.result, self.meaning)
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "## {}\n\n`make bench ONLY={}`\n\n{}\n",
            self.title, self.name, self.method
        )?;
        writeln!(
            f,
            "| measurement | result | target | met | details |\n|---|---|---|---|---|"
        )?;
        self.rows.iter().try_for_each(|row| row.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_table_has_the_highlights_of_all_sections() {
        let section = Section {
            title: "Calls to AWS",
            name: "calls",
            method: "Counted.".to_owned(),
            highlights: vec![Highlight::new("calls", "24", "few")],
            rows: vec![Row::plain(
                "other".to_owned(),
                "1".to_owned(),
                String::new(),
            )],
        };
        assert_eq!(
            highlights(&[section.clone(), section]),
            "| what | result | what it means |\n|---|---|---|\n| calls | 24 | few |\n| calls | 24 | few |\n"
        );
    }
}
