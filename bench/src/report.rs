//! The page: sections with a table each, ratios first.

use std::fmt;

use crate::statistics::{Sample, ratio};

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// The ratio, or the figure itself where its target is one.
    pub(crate) result: String,
    /// What it should be, and whether it is.
    pub(crate) target: Option<(String, bool)>,
    /// The figures behind it.
    pub(crate) figures: String,
}

/// Figures that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// Its heading.
    pub(crate) title: &'static str,
    /// The name by which it is run alone.
    pub(crate) name: &'static str,
    /// What was done to get the figures.
    pub(crate) method: String,
    /// The figures.
    pub(crate) rows: Vec<Row>,
}

impl Row {
    /// A ratio that must not be larger than its target.
    pub(crate) fn ratio(what: String, ratio: f64, most: f64, figures: String) -> Self {
        Self {
            what,
            result: format!("{ratio:.2} ×"),
            target: Some((format!("≤ {most} ×"), ratio <= most)),
            figures,
        }
    }

    /// How the means of two samples compare.
    pub(crate) fn ratio_of(
        what: &str,
        measured: &Sample,
        baseline: &Sample,
        figures: String,
    ) -> Self {
        let ratio = ratio(measured.mean(), baseline.mean());
        Self::plain(what.to_owned(), format!("{ratio:.2} ×"), figures)
    }

    /// A figure without target.
    pub(crate) fn plain(what: String, result: String, figures: String) -> Self {
        Self {
            what,
            result,
            target: None,
            figures,
        }
    }

    /// A figure with a target of its own form.
    pub(crate) fn held(
        what: String,
        result: String,
        target: &str,
        met: bool,
        figures: String,
    ) -> Self {
        Self {
            what,
            result,
            target: Some((target.to_owned(), met)),
            figures,
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
            self.what, self.result, self.figures
        )
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "## {}\n\n`make bench ONLY={}`. {}\n",
            self.title, self.name, self.method
        )?;
        writeln!(
            f,
            "| what | result | target | met | figures |\n|---|---|---|---|---|"
        )?;
        self.rows.iter().try_for_each(|row| row.fmt(f))
    }
}
