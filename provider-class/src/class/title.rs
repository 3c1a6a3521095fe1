//! What messages call a class.

use std::fmt;

/// The name of the class that a pod's annotations describe. It has a space, so no SecretProviderClass can have it.
pub const IN_ANNOTATIONS: &str = "annotation objects";

/// A class's name as messages have it: `class "db"`, or `annotation objects`.
#[derive(Clone, Copy, Debug)]
pub struct Title<'a>(pub &'a str);

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IN_ANNOTATIONS => f.write_str(IN_ANNOTATIONS),
            name => write!(f, "class {name:?}"),
        }
    }
}
