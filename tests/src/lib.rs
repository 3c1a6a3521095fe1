//! Tools for the end-to-end tests: a real cluster, images built from the Dockerfiles, and the installation as a user does it.
//!
//! | module | contents |
//! |---|---|
//! | [`project`] | folders of the project |
//! | [`progress`] | progress lines |
//! | [`interrupt`] | Ctrl-C |
//! | [`command`] | running programs |
//! | [`go`] | programs built from Go modules |
//! | [`node_settings`] | kernel settings of nodes |
//! | [`packages`] | required programs |
//! | [`images`] | binaries and images |
//! | [`cluster`] | the cluster: an existing one, or one created with kind |
//! | [`kubectl`] | access to the cluster |
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
//! | [`messages`] | the messages in the programs' sources |

pub mod admissions;
pub mod cert_manager;
pub mod chart_readme;
pub mod cluster;
pub mod command;
pub mod crds;
pub mod demo;
pub mod documents;
pub mod go;
pub mod helm;
pub mod images;
pub mod install;
pub mod interrupt;
pub mod kubectl;
pub mod messages;
pub mod node_settings;
pub mod packages;
mod process;
pub mod progress;
pub mod project;
pub mod registry;
pub mod stand_in;
pub mod upgrade;

pub use cluster::Cluster;
pub use kubectl::Kubectl;
