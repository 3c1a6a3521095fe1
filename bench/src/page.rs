//! docs/performance.md: the run's tables, with what was found and done about them.

use std::fmt::Write as _;

use e2e::project;

use crate::machine;
use crate::report::Section;

/// What no run can know: where the time went, what was changed, and which floors stop a target.
const FOUND: &str = include_str!("found.md");

/// Writes the page and its plot.
pub(crate) fn write(sections: &[Section], plot: &str) -> anyhow::Result<()> {
    let mut page = format!(
        "# Performance\n\n\
         The output of `make bench`, which measures each figure beside a baseline of the same run, and writes this page. A \
         figure tells of the machine below; a ratio tells of the program. `make bench ONLY=files,cost` measures some \
         sections, and prints them.\n\n{}\n\n",
        machine::facts()
    );
    for section in sections {
        let _ = writeln!(page, "{section}");
    }
    page.push_str(FOUND);
    let docs = project::root().join("docs");
    std::fs::write(docs.join("sidecars.svg"), plot)?;
    std::fs::write(docs.join("performance.md"), page)?;
    e2e::progress::line("==> wrote docs/performance.md and docs/sidecars.svg");
    Ok(())
}
