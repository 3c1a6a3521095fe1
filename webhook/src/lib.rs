//! The webhook. The API server asks it about every pod that is created with the project's annotation. The answer is a patch,
//! or the reason why the pod's secrets cannot be fetched.
//!
//! | room | holds | uses |
//! |---|---|---|
//! | [`server`] | TLS, the router, the AdmissionReview protocol, health, metrics | `admission`, `cluster` |
//! | [`admission`] | the decision about a pod or a class, and every reason to refuse one | `pod`, `cluster` |
//! | [`cluster`] | what is known about the cluster: classes, ServiceAccounts, the region, the version | `pod` |
//! | [`pod`] | from annotations to a patch; pure, without I/O | |
//!
//! | module | holds |
//! |---|---|
//! | [`args`] | the command line |
//! | `ca_bundle` | CA certificates for the injected containers |
//! | `webhook` | puts the rooms together, serves, and shuts down in order |
//! | `panics` | how far a panic reaches |
//! | `text`, `logging` | text from outside, made safe for a line of the log or an answer |

pub mod admission;
pub mod args;
pub mod cluster;
pub mod pod;
pub mod server;

mod ca_bundle;
mod logging;
mod panics;
mod text;
mod webhook;

pub use args::Args;
pub use webhook::Webhook;
