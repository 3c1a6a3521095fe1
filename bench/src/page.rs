//! docs/performance.md: the highlights, the tables of all sections, and what was learned from them.

use std::fmt::Write as _;

use e2e::project;

use crate::machine;
use crate::report::{Section, highlights};

/// What a run cannot measure: where the time was spent, what was changed, and why some targets are not met.
const FOUND: &str = include_str!("found.md");

/// Writes the page and its plots, each with the name of its file.
pub(crate) fn write(sections: &[Section], plots: &[(&str, String)]) -> anyhow::Result<()> {
    let mut page = format!(
        "# Performance\n\n\
         `make bench` measures these figures and writes this page. The most important results:\n\n\
         {}\n\
         Measured on {}\n\n\
         The sections below list all results. Each result is compared with a baseline measured in the same run, because \
         ratios depend less on the machine than absolute figures. To measure and print only some sections, run e.g. \
         `make bench ONLY=files,cost`.\n\n",
        highlights(sections),
        machine::facts()
    );
    for section in sections {
        let _ = writeln!(page, "{section}");
    }
    page.push_str(FOUND);
    let docs = project::root().join("docs");
    for (name, plot) in plots {
        std::fs::write(docs.join(name), plot)?;
    }
    std::fs::write(docs.join("performance.md"), page)?;
    e2e::progress::line("==> wrote docs/performance.md and its plots");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn the_page_opens_with_ten_results_and_ends_with_the_findings() {
        let page = std::fs::read_to_string(project::root().join("docs/performance.md")).unwrap();
        let table = page
            .lines()
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'));
        // A header and a line below it come first.
        assert_eq!(table.count(), 12);
        assert!(page.ends_with(FOUND), "found.md is not in the page");
    }
}
