//! The user documentation, and how its code blocks are tested.
//!
//! An invisible comment before a block says what to do with it:
//!
//! | comment | the block |
//! |---|---|
//! | `<!-- run: STORY… -->` | is part of these stories, which run on the cluster |
//! | `<!-- not run: REASON -->` | cannot be run here |
//! | `<!-- values -->` | is a file of values for the chart |

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::project;

/// A page of the documentation.
#[derive(Debug)]
pub struct Page {
    /// Its path, from the project's root.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// A fenced block of code.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of its fence, from 1.
    pub line: usize,
    /// The language of the fence, such as `sh`.
    pub language: String,
    /// The comment before it.
    pub mark: Mark,
    /// Its content without the indentation of the fence.
    pub text: String,
}

/// How a block is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Depends on its language.
    None,
    /// It is part of these stories.
    Run(Vec<String>),
    /// It cannot be run here, for this reason.
    NotRun(String),
    /// It contains values for the chart.
    Values,
}

/// All pages: first the README, then those below `docs/` by name.
pub fn pages() -> anyhow::Result<Vec<Page>> {
    let root = project::root();
    let mut paths = Vec::new();
    collect(&root.join("docs"), &mut paths)?;
    paths.sort();
    paths.insert(0, root.join("README.md"));
    paths.into_iter().map(|path| page(&path)).collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|end| end == "md") {
            paths.push(path);
        }
    }
    Ok(())
}

fn page(path: &Path) -> anyhow::Result<Page> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let path = path.strip_prefix(project::root())?.display().to_string();
    Ok(Page { path, text })
}

/// The blocks of a story as one script, in the order of the pages.
pub fn story(pages: &[Page], name: &str) -> String {
    let mut script = String::new();
    for page in pages {
        for block in page.blocks() {
            if matches!(&block.mark, Mark::Run(stories) if stories.iter().any(|story| story == name))
            {
                // Writing to a String does not fail.
                let _ = write!(script, "# {}:{}\n{}", page.path, block.line, block.text);
            }
        }
    }
    script
}

impl Page {
    /// Its code blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut mark = Mark::None;
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let trimmed = line.trim_start();
            if let Some(language) = trimmed.strip_prefix("```") {
                let indentation = line.len() - trimmed.len();
                let inside = lines
                    .by_ref()
                    .take_while(|(_, line)| line.trim() != "```")
                    .map(|(_, line)| format!("{}\n", line.get(indentation..).unwrap_or_default()));
                let text = inside.collect();
                blocks.push(Block {
                    line: number + 1,
                    language: language.to_owned(),
                    mark: std::mem::replace(&mut mark, Mark::None),
                    text,
                });
            } else {
                mark = read_mark(trimmed);
            }
        }
        blocks
    }

    /// The anchors of its headings, as GitHub generates them.
    pub fn anchors(&self) -> Vec<String> {
        let code: Vec<_> = self.blocks();
        let is_code = |number: usize| {
            code.iter().any(|block| {
                let lines = block.text.lines().count();
                (block.line..=block.line + lines).contains(&number)
            })
        };
        let headings = self
            .text
            .lines()
            .enumerate()
            .filter(|(number, line)| line.starts_with('#') && !is_code(number + 1));
        headings.map(|(_, line)| anchor(line)).collect()
    }

    /// The targets of its links, except in code.
    pub fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        let mut is_code = false;
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            }
            if !is_code {
                let ends = line.split("](").skip(1);
                links.extend(ends.filter_map(|end| Some(end.split_once(')')?.0.to_owned())));
            }
        }
        links
    }
}

fn read_mark(line: &str) -> Mark {
    let Some(comment) = line
        .strip_prefix("<!--")
        .and_then(|rest| rest.strip_suffix("-->"))
    else {
        return Mark::None;
    };
    let comment = comment.trim();
    if comment == "values" {
        Mark::Values
    } else if let Some(stories) = comment.strip_prefix("run:") {
        Mark::Run(stories.split_whitespace().map(str::to_owned).collect())
    } else if let Some(reason) = comment.strip_prefix("not run:") {
        Mark::NotRun(reason.trim().to_owned())
    } else {
        Mark::None
    }
}

/// Lowercases letters, replaces spaces with hyphens, and removes other characters.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim();
    let kept = words.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_for_the_next_line_alone() {
        let page = Page {
            path: String::new(),
            text:
                "<!-- run: a b -->\n```sh\none\n```\n\n<!-- not run: far -->\n\n```sh\ntwo\n```\n"
                    .to_owned(),
        };
        let blocks = page.blocks();
        assert_eq!(
            blocks[0].mark,
            Mark::Run(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(blocks[1].mark, Mark::None);
        assert_eq!(story(&[page], "b"), "# :2\none\n");
    }

    #[test]
    fn anchors_are_those_of_github() {
        assert_eq!(
            anchor("## 3a. The pod's role: IRSA"),
            "3a-the-pods-role-irsa"
        );
        assert_eq!(anchor("## What happens when …"), "what-happens-when-");
    }
}
