//! AWS for tests and the demo: moto, a server that answers Secrets Manager, Parameter Store and STS, behind a proxy of our
//! own. The proxy records who called what, and fails on purpose where a test says so. It never records a secret's value.
//!
//! | module | holds |
//! |---|---|
//! | [`moto`] | runs moto |
//! | [`call`] | what is recorded of a call |
//! | [`fault`] | failures on purpose |
//! | [`front`] | TLS before it all, as far away as AWS is |
//! | [`proxy`] | the server between |
//! | [`seed`] | puts secrets and parameters into moto |
//! | [`command_line`] | AWS's own command line, on the stand-in |
//! | `python`, `process` | programs of PyPI, and those that end with this one |

pub mod call;
pub mod command_line;
pub mod fault;
pub mod front;
mod http;
pub mod moto;
mod process;
pub mod proxy;
mod python;
pub mod seed;

pub use call::{Call, Caller};
pub use command_line::CommandLine;
pub use fault::{Fault, Kind, When};
pub use front::{Distance, Front};
pub use moto::Moto;
pub use process::ends_with_this;
pub use proxy::StandIn;
pub use seed::Seed;
