//! The pages: templates with figures, and the machine on which these were measured.

use anyhow::{Context as _, ensure};
use e2e::{command, progress, project};

use crate::figures::Figures;

/// A page of the documentation.
pub(crate) struct Page {
    /// Its name in `docs/`.
    name: &'static str,
    /// Its text, with `{{NAME}}` for each figure.
    template: &'static str,
}

/// What `make bench` writes.
pub(crate) const PERFORMANCE: Page = Page {
    name: "performance.md",
    template: include_str!("performance.md"),
};

/// What `make soak` writes.
pub(crate) const SOAK: Page = Page {
    name: "soak.md",
    template: include_str!("soak.md"),
};

impl Page {
    /// Fills in the figures, and writes the page.
    pub(crate) fn write(&self, mut figures: Figures) -> anyhow::Result<()> {
        figures.add("machine", machine());
        let text = self.fill(&figures)?;
        std::fs::write(project::root().join("docs").join(self.name), text)?;
        progress::line(&format!("==> wrote docs/{}", self.name));
        Ok(())
    }

    /// Every figure has a place, and every place a figure.
    fn fill(&self, figures: &Figures) -> anyhow::Result<String> {
        let mut text = self.template.to_owned();
        for (name, figure) in &figures.0 {
            let place = format!("{{{{{name}}}}}");
            let is_there = text.contains(&place);
            ensure!(is_there, "{} has no place for {name:?}", self.name);
            text = text.replace(&place, figure);
        }
        let rest = text.split_once("{{").map(|(_, rest)| rest);
        let missing = rest.map(|rest| rest.split("}}").next().unwrap_or(rest));
        ensure!(missing.is_none(), "there is no figure {missing:?}");
        Ok(text)
    }
}

/// Processor, memory, kernel, compiler and version, as one line.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |path: &str, name: &str| {
        let text = read(path);
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
        value.unwrap_or_default().trim().to_owned()
    };
    let memory = field("/proc/meminfo", "MemTotal");
    let kibibytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    let version = command::run(std::process::Command::new("rustc").arg("--version"));
    format!(
        "{} CPUs ({}), {} GiB of memory, Linux {}, {}, version {}",
        std::thread::available_parallelism().map_or(0, usize::from),
        field("/proc/cpuinfo", "model name"),
        kibibytes >> 20,
        read("/proc/sys/kernel/osrelease").trim(),
        version.context("rustc").unwrap_or_default().trim(),
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn the_documentation_has_the_text_of_the_templates() {
        for page in [PERFORMANCE, SOAK] {
            let docs = project::root().join("docs").join(page.name);
            let text = std::fs::read_to_string(docs).unwrap();
            let mut rest = text.as_str();
            for part in page.template.split("{{") {
                let words = part.split_once("}}").map_or(part, |(_, words)| words);
                let Some((_, after)) = rest.split_once(words) else {
                    panic!("docs/{} lacks {words:?} before {rest:?}", page.name);
                };
                rest = after;
            }
            assert_eq!(rest, "", "docs/{} ends with more", page.name);
        }
    }
}
