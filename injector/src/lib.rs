//! The injector: runs in the pod, as its init container, with the pod's own identity.
//!
//! What goes in: classes (from files, or the snapshot that the webhook put into the environment), the pod's token, and
//! the SDK's environment variables. What comes out: files in each class's directory, all or none.
//!
//! | module | holds |
//! |---|---|
//! | [`args`] | the command line |
//! | [`environment`] | the environment variables, read once |
//! | [`classes`] | which classes are fetched to where |
//! | [`check`](mod@check) | what a class would do, offline |
//! | [`credentials`] | from the pod's token to credentials of its role |
//! | [`aws`] | clients, calls and their failures |
//! | [`fetch`](mod@fetch) | from classes to file contents |
//! | [`versions`] | which versions the files hold |
//! | [`mount`] | from file contents to a directory, atomically |
//! | [`refresh`](mod@refresh) | keeps the files fresh, and tells the app |

pub mod args;
pub mod aws;
pub mod check;
pub mod classes;
pub mod commands;
pub mod credentials;
pub mod environment;
pub mod fetch;
pub mod mount;
pub mod refresh;
pub mod versions;

pub use args::Args;
pub use commands::run;
