//! The contents of a template's file: text with placeholders, or all files in a format. Both are parsed at admission, in linear
//! time, and never computed there: the injector fills them in.
//!
//! ```text
//! postgres://{{ files["user"] | urlencode }}:{{ files["password"] | urlencode }}@{{ files["host"] | default("db") }}/shop
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `placeholders` | text with placeholders, parsed |
//! | `hints` | what to write instead of other template languages |
//! | `filters` | what a placeholder does with a value |
//! | `formats` | documents of names and values: dotenv, properties, JSON, YAML, shell |

mod filters;
mod formats;
mod hints;
mod placeholders;

pub(crate) use formats::Document;
pub(crate) use placeholders::{Part, Placeholder, parse};

/// Templates per class.
pub(crate) const MAX_TEMPLATES: usize = 50;
/// All templates of a class together, in bytes.
pub(crate) const MAX_TEMPLATES_BYTES: usize = 64 * 1000;
/// The longest output of a template, and the longest value between two filters, in bytes.
pub(crate) const MAX_OUTPUT: usize = 1024 * 1024;
/// The outputs of all templates of a class together, in bytes: the injector has them in memory.
pub(crate) const MAX_OUTPUTS: usize = 4 * MAX_OUTPUT;
/// Filters of a placeholder: each goes through the value once.
const MAX_FILTERS: usize = 8;

/// Fails if a value or an output is too long.
pub(crate) fn check_length(bytes: usize) -> Result<(), String> {
    if bytes > MAX_OUTPUT {
        return Err(format!(
            "makes more than {MAX_OUTPUT} bytes: make it shorter"
        ));
    }
    Ok(())
}
