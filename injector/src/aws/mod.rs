//! Clients of the three services, calls through them, and what can go wrong.
//!
//! | module | holds |
//! |---|---|
//! | `clients`, `endpoint` | the SDK's clients, and where they connect to |
//! | [`http`] | the HTTP client below them |
//! | `call` | calls of the SDK to one region: sent, and their failures classified |
//! | [`retry`], `deadline` | the retry loop, and when it ends |
//! | `cause`, `failure` | why a call failed |
//! | `refusals` | the table of AWS's errors: what they mean, and what to do about them |
//! | `outside` | text from outside, fit for messages |

mod call;
mod cause;
mod clients;
mod deadline;
mod endpoint;
mod failure;
mod http;
pub(crate) mod outside;
pub(crate) mod refusals;
pub mod retry;

pub use call::{BACKOFF, Target};
pub use cause::Cause;
pub use clients::Clients;
pub use deadline::Deadline;
pub use failure::Failure;
pub(crate) use http::is_too_long;
pub use http::{CaError, HttpClient, HttpError};
pub(crate) use refusals::Meaning;
