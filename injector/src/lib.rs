//! The injector. It runs in the pod as an init container or sidecar, with the pod's own identity.
//!
//! What goes in: classes (from files, or the snapshot that the webhook put into the environment), the pod's token, and
//! the SDK's environment variables. What comes out: files in each class's directory, all or none, and a file with the
//! environment variables that hold their contents.
//!
//! | module | holds |
//! |---|---|
//! | [`args`] | the command line, and the variables of its options, such as `LOG_LEVEL` and `REFRESH_INTERVAL` |
//! | [`environment`] | the variables of AWS and of proxies, read once |
//! | `settings` | what both of them ask for |
//! | [`classes`] | which classes are fetched, and to which directories |
//! | [`input`] | files with classes |
//! | [`check`](mod@check) | checks classes offline |
//! | [`credentials`] | from the pod's token to credentials of its role |
//! | [`service`] | the services that are called |
//! | [`aws`] | clients, calls and their failures |
//! | [`command_line`] | how both programs start |
//! | [`fetch`](mod@fetch) | from classes to file contents |
//! | [`versions`] | which versions the files hold |
//! | [`summary`] | the same as text |
//! | [`mount`] | from file contents to a directory, atomically |
//! | [`variables`] | the file of all environment variables |
//! | [`exec`](mod@exec) | `aws-secrets-exec`: sets them, and becomes the container's program |
//! | [`kubernetes`] | applies Kubernetes Secrets with the contents of files |
//! | [`refresh`](mod@refresh) | keeps the files up to date, and notifies the app |

pub mod args;
pub mod aws;
pub mod check;
pub mod classes;
pub mod command_line;
pub mod commands;
pub mod credentials;
pub mod environment;
pub mod exec;
pub mod fetch;
pub mod input;
pub mod kubernetes;
pub mod mount;
pub mod refresh;
pub mod service;
mod settings;
pub mod summary;
pub mod variables;
pub mod versions;

pub use args::Args;
pub use commands::run;
