//! Certificates of an admission webhook that nobody has to think about.
//!
//! A webhook needs a serving certificate, and the API server needs the certificate authority that signed it (the
//! `caBundle` of the webhook configuration). This crate makes both, keeps them in one Secret that all replicas share,
//! renews them, and writes the `caBundle`.
//!
//! | module | holds |
//! |---|---|
//! | [`issue`] | new certificates (pure) |
//! | [`identity`] | authority and serving certificate as the Secret holds them, read and verified (pure) |
//! | [`decide`](mod@decide) | what has to be done about them now (pure) |
//! | [`secret`] | the Secret: the first writer wins, all others take what it wrote |
//! | [`ca_bundle`] | the `caBundle` of webhook configurations |
//! | [`resolver`] | the certificate that the running server shows, exchanged without dropping a connection |
//! | [`api_error`] | what the API server says, for people |
//! | [`keeper`] | the loop that does it all |

pub mod api_error;
pub mod ca_bundle;
pub mod decide;
pub mod identity;
pub mod issue;
pub mod keeper;
pub mod resolver;
pub mod secret;

pub use api_error::ApiError;
pub use ca_bundle::Configuration;
pub use decide::{Action, decide};
pub use identity::{Identity, Unusable};
pub use issue::{IssueError, Lifetimes, issue_all, issue_serving};
pub use keeper::{Keeper, KeeperError};
pub use resolver::Resolver;
