//! What the webhook knows about the cluster.
//!
//! | module | holds |
//! |---|---|
//! | `stores` | classes and ServiceAccounts, kept in memory by watches |
//! | `classes` | classes, parsed when they arrive |
//! | `objects` | what is read of an object |
//! | `memory` | objects in memory, with a limit |
//! | `answers` | the bound of the API server's answers |
//! | `lookup` | how long a review waits for the API server, and why an object could not be read |
//! | `region` | the default region of classes |
//! | `kubernetes_version` | the API server's version |
//! | `nodes` | the oldest kubelet |
//! | `features` | whether the API server and all kubelets have a feature |
//! | `remembered` | an answer of the API server that is kept for a while |
//! | `access` | what a ServiceAccount may do |
//! | `api_servers` | the addresses of the API servers |
//! | `api_error` | a failed request to the API server, and what to do |

pub(crate) mod access;
pub(crate) mod api_servers;
pub(crate) mod classes;
pub(crate) mod features;
pub(crate) mod kubernetes_version;
pub(crate) mod lookup;
pub(crate) mod region;
pub(crate) mod stores;

pub(crate) mod answers;
pub(crate) mod objects;

mod api_error;
mod memory;
mod nodes;
mod remembered;

pub use api_error::ApiError;
pub use api_servers::ApiServers;
pub use lookup::LookupError;
pub use stores::StoreState;
