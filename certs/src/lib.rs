//! Certificates of an admission webhook that nobody has to think about.
//!
//! A webhook needs a serving certificate, and the API server needs the certificate authority that signed it (the
//! `caBundle` of the webhook configuration). This crate makes both, keeps them in one Secret that all replicas share,
//! renews them, and writes the `caBundle`; or it shows what cert-manager puts into a directory.
//!
//! | module | holds |
//! |---|---|
//! | [`keeper`] | the loop that does it all |
//! | [`status`] | how it goes, for readiness, metrics and the log |
//! | [`resolver`] | the certificate that the running server shows, exchanged without dropping a connection |
//! | **rules, pure** | |
//! | [`certificate`], [`pair`] | a certificate that was read; with the key that belongs to it |
//! | [`issue`] | new certificates |
//! | [`state`] | what the Secret holds: serving certificate and authorities, verified |
//! | [`rotate`](mod@rotate) | what of it is due to be changed |
//! | [`step`] | in which order a replica reads, writes, publishes and shows |
//! | **reads and writes** | |
//! | [`secret`] | the Secret: the first writer wins, all others take what it wrote |
//! | [`ca_bundle`] | the `caBundle` of webhook configurations |
//! | [`directory`] | certificate and key as mounted files |
//! | [`api_error`] | what the API server says, for people |

pub mod api_error;
pub mod ca_bundle;
pub mod certificate;
pub mod directory;
pub mod issue;
pub mod keeper;
pub mod pair;
pub mod resolver;
pub mod rotate;
pub mod secret;
pub mod state;
pub mod status;
pub mod step;

mod shared;
mod shown;

#[cfg(test)]
mod model;

pub use api_error::ApiError;
pub use ca_bundle::Configuration;
pub use issue::{IssueError, Lifetimes};
pub use keeper::{Keeper, SecretSource, Source};
pub use pair::Unusable;
pub use resolver::Resolver;
pub use rotate::Settings;
pub use status::{Problem, Status};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
