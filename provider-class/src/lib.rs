//! The `SecretProviderClass` of AWS's provider for the Secrets Store CSI Driver, as rules without I/O.
//!
//! What goes in: a class as the API server holds it ([`SecretProviderClassSpec`]), and the values that AWS
//! returns. What comes out: a valid [`Class`], the [`Plan`] of requests that fetch it, and the files to write.
//!
//! ```
//! use provider_class::{Class, Region, SecretProviderClassSpec};
//!
//! let objects = "- objectName: app/db\n  objectType: secretsmanager";
//! let spec = SecretProviderClassSpec::aws([("objects", objects)]);
//! let class = Class::parse("db", &spec)?;
//! assert_eq!(class.files().next().map(|file| file.path.to_string()), Some("app_db".into()));
//! let region: Region = "us-east-2".parse()?;
//! assert_eq!(class.resolve(Some(&region))?.requests.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | folder | holds | uses |
//! |---|---|---|
//! | `words` | the values of single fields: ARN, region, file mode and path, names, JMESPath | [`printable`](mod@printable) |
//! | [`yaml`] | YAML read as AWS's provider reads it, as a tree that knows its places | |
//! | `class` | the [`Class`], valid by construction: its parameters and objects, what is wrong with it and where | `words`, [`yaml`], `templates` |
//! | [`document`] | files with such resources | `class`, [`yaml`] |
//! | `templates` | the contents of templates: text with placeholders, and formats | `words` |
//! | `plan` | what becomes of a class: its requests in a region, the contents of its files, its [IAM policy](policy) | `class`, `templates` |
//! | `protocol` | what the webhook hands to the injector: the classes ([`Snapshot`]), the environment variables of files ([`variables`]), how Kubernetes Secrets are applied ([`SecretSync`]) and the settings of the sidecar ([`refresh`], [`on_refresh`]) | `class` |
//! | [`network`] | the variables that say where the injector connects to | [`printable`](mod@printable) |
//! | [`listen`] | the addresses on which both programs listen | |
//! | [`printable`](mod@printable) | text from outside, fit for a log | |

mod class;
pub mod document;
pub mod listen;
pub mod network;
mod plan;
pub mod printable;
mod protocol;
mod templates;
mod words;
pub mod yaml;

pub use class::Class;
pub use class::annotated;
pub use class::field_path::{Field, Path};
pub use class::object::{Extract, Object};
pub use class::output::{File, OpenFiles, Output, Presence};
pub use class::parameters::{
    AddressPreference, AssumeRole, Credentials, SessionTag, USE_POD_IDENTITY,
};
pub use class::problem::{ClassError, InvalidClass, Problem};
pub use class::request;
pub use class::request::{
    ParameterRequest, PathRequest, Request, RequestKey, SecretRequest, Selector,
};
pub use class::resource::{
    GROUP, KIND, Metadata, PLURAL, PROVIDER, SecretProviderClass, SecretProviderClassSpec, VERSIONS,
};
pub use class::secret_objects::{SecretKey, SecretObject, TlsError};
pub use class::template::Template;
pub use class::title::{IN_ANNOTATIONS, Title};
pub use document::{Contents, Document};
pub use network::InvalidUrl;
pub use plan::policy;
pub use plan::{
    Collision, ExtractError, FileContents, Made, MadeCollision, MadeFile, NoRegion, PathCall, Plan,
    PlannedRequest, ResolveError, TemplateError, collision_of, collisions, parameter_calls,
    path_calls,
};
pub use protocol::on_refresh;
pub use protocol::on_refresh::{Notification, OnRefresh, RESTART_EXIT_STATUS};
pub use protocol::refresh;
pub use protocol::refresh::RefreshInterval;
pub use protocol::secret_sync::{API_CA_FILE, API_TOKEN_FILE, Owner, SYNC_VARIABLE, SecretSync};
pub use protocol::snapshot::{SNAPSHOT_VARIABLE, Snapshot, SnapshotClass};
pub use protocol::variables;
pub use protocol::variables::{
    ENV_FILE, ENVIRON_FILE, EnvMethod, PROGRAM_FILE, UnwritableValue, VARIABLES_VARIABLE, Variable,
    VariableName, Variables,
};
pub use words::arn::{Arn, ObjectType, RoleArn};
pub use words::encoding::Encoding;
pub use words::file_mode::FileMode;
pub use words::file_path::{FilePath, PathTranslation};
pub use words::jmes_path::JmesPath;
pub use words::listed::listed;
pub use words::object_name::{InvalidName, Namespace, ObjectName};
pub use words::region::Region;
