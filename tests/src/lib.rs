//! Tools for the end-to-end tests: images built from the Dockerfiles, and the installation as a user does it, on a real cluster
//! (`cluster`, a crate of its own).
//!
//! | module | contents |
//! |---|---|
//! | [`images`] | binaries and images |
//! | [`admissions`] | a steady stream of pods and its results |
//! | [`helm`] | the chart and the manifests rendered from it |
//! | [`chart_readme`] | the chart's README |
//! | [`registry`] | a local container registry |
//! | [`cert_manager`] | cert-manager's controllers |
//! | [`crds`] | CRDs of other projects |
//! | [`install`] | the installation and the AWS example |
//! | [`stand_in`] | the AWS stand-in |
//! | [`demo`] | `make demo` |
//! | [`upgrade`] | `make upgrade` |
//! | [`documents`] | the user documentation and its code blocks |
//! | [`messages`] | the texts in the programs' sources |

pub mod admissions;
pub mod cert_manager;
pub mod chart_readme;
pub mod crds;
pub mod demo;
pub mod documents;
pub mod helm;
pub mod images;
pub mod install;
pub mod messages;
pub mod registry;
pub mod stand_in;
pub mod upgrade;

pub use ::cluster::{
    self, Cluster, Kubectl, command, go, interrupt, kubectl, node_settings, packages, progress,
    project,
};
