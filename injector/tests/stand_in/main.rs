//! The real program as a process, against the AWS stand-in over HTTP.
//!
//! | module | tests |
//! |---|---|
//! | `values` | values of every kind become files |
//! | `optional`, `json_keys`, `paths` | optional objects, encodings, and files whose names are known only at fetch |
//! | `templates` | files that are made of others |
//! | `several_names` | calls for several parameters |
//! | `faults`, `failover` | failures of AWS, retries, and the second region |
//! | `network` | endpoints, proxies and CA bundles |
//! | `secrecy`, `bounds` | nothing secret in any output; bounded memory |
//! | `directories` | directories that other users cannot read |
//! | `refresh`, `refresh_faults`, `refresh_local` | the sidecar: what it asks and writes, its failures, and its neighbours in the pod |
//! | `restart` | the sidecar's end after a change |
//! | `variables` | environment variables of files: what `fetch` and `refresh` write for them |
//! | `secrets` | Kubernetes Secrets |
//! | `exec` | the program that `exec` becomes |
//! | `hidden` | what other processes of the same user can do with a program that they cannot read |
//! | `running` | signals to a running program |
//! | `check`, `check_input` | `check` |
//! | `support` | starts the program and the stand-in |

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::format_push_string, reason = "short texts of tests")]

mod bounds;
mod check;
mod check_input;
mod directories;
mod exec;
mod failover;
mod faults;
mod hidden;
mod json_keys;
mod network;
mod optional;
mod paths;
mod refresh;
mod refresh_faults;
mod refresh_local;
mod restart;
mod running;
mod secrecy;
mod secrets;
mod several_names;
mod support;
mod templates;
mod values;
mod variables;
