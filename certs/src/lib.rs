//! Automatic certificates for admission webhooks.
//!
//! A webhook needs a serving certificate, and the API server needs the CA that signed it (the `caBundle` of the webhook
//! configuration). This crate stores CAs in one Secret that all replicas share, writes the `caBundle`, and issues each replica's
//! serving certificate. Or it serves a certificate that cert-manager puts into a directory.
//!
//! | module | contents |
//! |---|---|
//! | [`keeper`] | the loop that maintains the certificates |
//! | [`status`] | the state, for readiness, metrics and the log |
//! | [`resolver`] | the certificate that the server serves, replaced without dropping connections |
//! | **rules, pure** | |
//! | [`certificate`], [`pair`] | a parsed certificate, and a certificate with its key |
//! | [`issue`] | issues certificates |
//! | [`authorities`] | the content of the Secret: the CAs |
//! | [`replica`] | what a replica reads, writes, publishes and serves next |
//! | **reads and writes** | |
//! | [`secret`] | the Secret: the first writer wins, and the others read what it wrote |
//! | [`ca_bundle`] | the `caBundle` of webhook configurations |
//! | [`directory`] | certificate and key from mounted files |
//! | [`api_error`] | readable errors of the API server |

pub mod api_error;
pub mod authorities;
pub mod ca_bundle;
pub mod certificate;
pub mod directory;
pub mod issue;
pub mod keeper;
pub mod pair;
pub mod replica;
pub mod resolver;
pub mod secret;
pub mod status;

mod shared;
mod shown;

#[cfg(test)]
mod model;

pub use api_error::describe;
pub use ca_bundle::Configuration;
pub use issue::{IssueError, Lifetimes};
pub use keeper::{Keeper, SecretSource, Source};
pub use pair::Unusable;
pub use replica::Settings;
pub use resolver::Resolver;
pub use status::{Problem, Status};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
