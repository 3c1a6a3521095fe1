//! From a pod's annotations to its patch. Pure: no I/O, no clock.
//!
//! What an earlier pass added is stripped from the pod, an injection is planned for the pod as its author wrote it, and the patch
//! follows from both. The modules stand in layers: each imports only those above it.
//!
//! | module | holds |
//! |---|---|
//! | `contract` | reserved names, paths, the prefix of annotations |
//! | `view` | the containers of a pod |
//! | `bounds` | limits for one pod |
//! | `conflict` | why an injection does not fit into a pod |
//! | `csi` | volumes of the Secrets Store CSI Driver, which can be replaced |
//! | [`strip`] | from any pod to the pod that its author wrote |
//! | `quantity` | Kubernetes' quantities, parsed and compared |
//! | `snapshot_size` | bytes of the classes in the injector's environment |
//! | [`annotations`] | what a pod requests |
//! | [`class`] | a class of a pod and its directory |
//! | `class_hash` | by which state of its classes a pod was injected |
//! | `role` | the IAM role of a ServiceAccount |
//! | `windows` | whether it is a Windows pod |
//! | `identity` | the user and group of the injected containers, which own the files |
//! | `file_access` | which containers can read the files |
//! | `signal_check` | whether the sidecar can signal the app |
//! | `secrets` | the Kubernetes Secrets that the classes describe |
//! | [`variables`] | environment variables with the contents of files |
//! | [`injection`] | what is added to a pod, as data |
//! | `sub_paths` | mounts of single files |
//! | `patch` | from both to JSON patch operations |

pub mod annotations;
pub mod class;
mod class_hash;
pub mod csi;
pub mod injection;
pub mod strip;
pub mod variables;

pub(crate) mod bounds;
pub(crate) mod conflict;
pub(crate) mod file_access;
pub(crate) mod identity;
pub(crate) mod patch;
pub(crate) mod quantity;
pub(crate) mod role;
pub(crate) mod secrets;
pub(crate) mod signal_check;
pub(crate) mod snapshot_size;
pub(crate) mod sub_paths;
pub(crate) mod windows;

mod contract;
mod view;

pub use role::Role;
