//! Files that are made of other files, by templates in the language of minijinja.
//!
//! What goes in: a template and the files of its class, as `files["name"]`. What comes out: text, or where and why rendering
//! stopped, without a value. A template can do nothing else: functions that read files, the clock or the network do not exist, an
//! unknown name is an error, and steps and output have a bound.
//!
//! | module | holds |
//! |---|---|
//! | `code` | what a template mentions, and what is refused before it is parsed |
//! | `files` | the variable `files` |
//! | `filters` | the filters |
//! | `render` | renders with bounds |
//!
//! Source: <https://docs.rs/minijinja/latest/minijinja/syntax/index.html>.

mod code;
mod files;
mod filters;
mod render;

pub(crate) use files::Files;
pub(crate) use render::{Failure, check, render};

/// Steps of all templates of a class together.
const STEPS: u64 = 200_000;
/// Templates of a class.
pub(crate) const MOST: usize = 50;
/// All templates of a class together, in bytes. minijinja counts columns up to 65,535.
pub(crate) const LONGEST_TEMPLATES: usize = 64 * 1000;
/// Words and marks in a tag, and statements `elif`: minijinja recurses over them.
const LONGEST_TAG: usize = 200;
const MOST_ELIFS: usize = 100;
/// The longest output of a template, in bytes.
const LONGEST: usize = 1024 * 1024;
/// The only variable.
const FILES: &str = "files";
