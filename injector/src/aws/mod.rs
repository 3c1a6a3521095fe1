//! Clients of the three services, calls through them, and what can go wrong.
//!
//! | module | holds |
//! |---|---|
//! | `clients`, `endpoint` | the SDK's clients, and where they connect to |
//! | [`http`] | the HTTP client below them |
//! | `call` | one call of the SDK: sent, and its failure classified |
//! | [`retry`], `deadline` | the retry loop, and when it ends |
//! | `cause`, `failure` | why a call failed |
//! | `hint` | what to do about it |
//! | `outside` | text from outside, fit for messages |

mod call;
mod cause;
mod clients;
mod deadline;
mod endpoint;
mod failure;
mod hint;
mod http;
pub(crate) mod outside;
pub mod retry;

pub use call::{BACKOFF, send};
pub use cause::Cause;
pub use clients::Clients;
pub use deadline::Deadline;
pub use failure::Failure;
pub(crate) use hint::{NO_PARAMETERS, NO_REFERENCE, PAGE};
pub(crate) use http::is_too_long;
pub use http::{CaFileError, HttpClient, HttpError};
