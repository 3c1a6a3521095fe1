//! The values of single fields of a class.

pub(crate) mod arn;
pub(crate) mod boolean;
pub(crate) mod encoding;
pub(crate) mod file_mode;
pub(crate) mod file_path;
mod jmes_hint;
pub(crate) mod jmes_path;
pub(crate) mod kubernetes;
pub(crate) mod listed;
pub(crate) mod name;
pub(crate) mod nearest;
pub(crate) mod object_name;
pub(crate) mod region;
