//! From a pod's annotations to its patch. Pure: no I/O, no clock.
//!
//! | module | holds |
//! |---|---|
//! | [`annotations`] | what a pod requests |
//! | [`class`] | a class of a pod and its directory |
//! | `role` | the IAM role of a ServiceAccount |
//! | [`variables`] | environment variables with the contents of files |
//! | [`injection`] | what is added to a pod, as data |
//! | `patch` | from an injection to JSON patch operations |
//! | `identity` | the user and group of the injected containers, which own the files |
//! | `file_access` | which containers can read the files |
//! | `signal_check` | whether the sidecar can signal the app |
//! | `secrets` | the Kubernetes Secrets that the classes describe |
//! | `sub_paths` | mounts of single files |
//! | `bounds` | limits for one pod |
//! | `snapshot_size` | bytes of the classes in the injector's environment |
//! | `windows` | whether it is a Windows pod |
//! | `names` | names that are reserved for what is injected |
//! | `quantity` | Kubernetes' quantities, parsed and compared |

pub mod annotations;
pub mod class;
pub mod injection;
pub mod variables;

pub(crate) mod bounds;
pub(crate) mod file_access;
pub(crate) mod patch;
pub(crate) mod quantity;
pub(crate) mod role;
pub(crate) mod secrets;
pub(crate) mod signal_check;
pub(crate) mod snapshot_size;
pub(crate) mod sub_paths;
pub(crate) mod windows;

mod identity;
mod names;

pub use role::Role;
