//! The AWS stand-in for tests and the demo: moto, which implements Secrets Manager, Parameter Store and STS, behind a proxy.
//! The proxy records calls and injects faults. It never records a secret's value.
//!
//! | module | contents |
//! |---|---|
//! | [`moto`] | runs moto |
//! | [`call`] | what is recorded of a call |
//! | [`fault`] | injected faults: for which calls, what happens (such as any HTTP status), and how many times |
//! | [`front`] | TLS with a network delay |
//! | [`proxy`] | the proxy: records each call and applies the faults |
//! | `state` | what its connections share |
//! | `control` | the HTTP interface for recorded calls and faults |
//! | `agent` | the EKS Pod Identity agent |
//! | `answers` | answers that moto cannot give |
//! | [`seed`] | creates secrets and parameters |
//! | [`command_line`] | the AWS CLI for the stand-in |
//! | `python`, `process` | programs from PyPI, and child processes |

mod agent;
mod answers;
pub mod call;
pub mod command_line;
mod control;
pub mod fault;
pub mod front;
mod http;
pub mod moto;
mod process;
pub mod proxy;
mod python;
pub mod seed;
mod state;

pub use call::{Call, Caller};
pub use command_line::CommandLine;
pub use fault::{Fault, Kind, When};
pub use front::{Distance, Front};
pub use moto::Moto;
pub use process::ends_with_this;
pub use proxy::StandIn;
pub use seed::Seed;
