//! The webhook: the API server asks it about every pod that is created with our annotation, and it answers with a patch,
//! or with the reason why the pod cannot have its secrets.
//!
//! | module | holds |
//! |---|---|
//! | [`args`] | the command line |
//! | [`annotations`] | what a pod asks for (pure) |
//! | [`service_account`] | the IAM role of a ServiceAccount (pure) |
//! | [`injection`] | what is added to a pod, as data (pure) |
//! | `readability` | who will be able to read the files (pure) |
//! | [`refreshing`] | can the app be told of changes (pure) |
//! | [`sidecars`] | has the cluster what refreshing needs |
//! | [`patch`] | from that to JSON patch operations (pure) |
//! | [`refusal`] | every reason for which a pod is refused |
//! | [`stores`] | classes and ServiceAccounts, kept in memory |
//! | [`parsed`] | classes that were parsed before |
//! | [`region`] | the region of classes that name none |
//! | [`admission`] | from a pod to its patch |
//! | [`review`] | the AdmissionReview protocol |
//! | `pods`, `classes` | the reviews of each |
//! | [`router`] | the paths, and bounds for every request |
//! | [`server`] | TLS, graceful end |
//! | `listen` | addresses to listen on |
//! | `panics` | what a bug may cost |
//! | [`readiness`], [`metrics`], [`health`] | how it is doing, and who is told |

pub mod admission;
pub mod annotations;
pub mod args;
pub mod health;
pub mod injection;
pub mod metrics;
pub mod parsed;
pub mod patch;
pub mod readiness;
pub mod refreshing;
pub mod refusal;
pub mod region;
pub mod review;
pub mod router;
pub mod server;
pub mod service_account;
pub mod sidecars;
pub mod stores;

mod classes;
mod listen;
mod panics;
mod pods;
mod readability;
mod start;

pub use args::Args;
pub use start::run;
