//! The end-to-end tests' tools: a real cluster, images built from the Dockerfiles, the installation as a user does it.
//!
//! | module | holds |
//! |---|---|
//! | [`project`] | folders of the project |
//! | [`progress`] | lines that say what is going on |
//! | [`command`] | running programs |
//! | [`packages`] | programs that have to be there |
//! | [`images`] | our binaries and images |
//! | [`cluster`] | the cluster: given, kind, or local |
//! | [`kubectl`] | what a user does to it |
//! | [`admissions`] | pods in a steady stream, and what became of them |
//! | [`helm`] | the chart, and what is made of it |
//! | [`cert_manager`] | cert-manager's controllers |
//! | [`crds`] | CRDs of others |
//! | [`install`] | the installation, and the seed's example |
//! | [`stand_in`] | AWS |
//! | [`demo`] | `make demo` |
//! | [`documents`] | the documents for users, and their blocks of code |
//! | [`messages`] | the messages in the programs' sources |

pub mod admissions;
pub mod cert_manager;
pub mod cluster;
pub mod command;
pub mod crds;
pub mod demo;
pub mod documents;
mod go;
pub mod helm;
pub mod images;
pub mod install;
pub mod kubectl;
pub mod messages;
pub mod packages;
pub mod progress;
pub mod project;
pub mod stand_in;

pub use cluster::Cluster;
pub use kubectl::Kubectl;
