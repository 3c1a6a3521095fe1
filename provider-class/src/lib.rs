//! The `SecretProviderClass` of AWS's provider for the Secrets Store CSI Driver, as rules without I/O.
//!
//! What goes in: a class as the API server holds it ([`SecretProviderClassSpec`]), and the values that AWS
//! returns. What comes out: a valid [`Class`], the [`Plan`] of requests that fetch it, and the files to write.
//!
//! ```
//! use provider_class::{Class, Region, SecretProviderClassSpec};
//!
//! let spec = SecretProviderClassSpec {
//!     provider: Some("aws".into()),
//!     parameters: [("objects".into(), "- objectName: app/db\n  objectType: secretsmanager".into())].into(),
//!     secret_objects: vec![],
//! };
//! let region: Region = "us-east-2".parse()?;
//! let parsed = Class::parse("db", &spec, Some(&region))?;
//! assert_eq!(parsed.class.files().next().map(|file| file.path.to_string()), Some("app_db".into()));
//! assert_eq!(parsed.class.plan()?.requests.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`resource`] | the resource as Kubernetes stores it |
//! | [`document`] | YAML files with such resources |
//! | [`snapshot`] | what the webhook hands to the injector |
//! | [`yaml`], `raw` | the `objects` string, read as AWS's provider reads it |
//! | [`class`], [`parameters`], [`object`] | the valid class |
//! | [`arn`], [`region`], [`file_mode`], [`file_path`] | its words |
//! | [`collisions`](mod@collisions) | files that would overwrite each other |
//! | [`plan`] | the requests that fetch a class |
//! | [`policy`] | the least IAM policy that a class needs |
//! | [`refresh`] | the settings of a refreshing sidecar |
//! | [`extract`] | from a fetched value to file contents |

pub mod arn;
pub mod class;
pub mod collisions;
pub mod document;
pub mod extract;
pub mod file_mode;
pub mod file_path;
mod jmes_path;
mod number;
pub mod object;
pub mod parameters;
pub mod plan;
pub mod policy;
pub mod problem;
mod raw;
pub mod refresh;
pub mod region;
pub mod resource;
pub mod snapshot;
pub mod yaml;

pub use arn::{Arn, RoleArn};
pub use class::{Class, Parsed};
pub use collisions::{Collision, collisions};
pub use document::Document;
pub use extract::{ExtractError, FileContents};
pub use file_mode::FileMode;
pub use file_path::FilePath;
pub use jmes_path::JmesPath;
pub use object::{Extract, File, Object};
pub use parameters::{AddressPreference, AssumeRole, Credentials, PathTranslation};
pub use plan::{NoRegion, Plan, PlannedRequest, Request, Selector};
pub use problem::{InvalidClass, Problem};
pub use refresh::{OnRefresh, RefreshInterval};
pub use region::Region;
pub use resource::{
    GROUP, KIND, Metadata, PLURAL, PROVIDER, SecretProviderClass, SecretProviderClassSpec, VERSIONS,
};
pub use snapshot::{SNAPSHOT_VARIABLE, Snapshot, SnapshotClass};
