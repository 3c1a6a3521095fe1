//! Kubernetes Secrets: applies those that the pod's classes describe, by the pod's own right and with nobody's help.
//!
//! What goes in: what the webhook asks for, and the files on disk. What comes out: Secrets in the pod's namespace that agree with
//! the files. Each is applied on the server, under the name of this program, and never by force: what others manage stays as it
//! is.
//!
//! | module | holds |
//! |---|---|
//! | `object` | a Secret as JSON, with the contents of files |
//! | `server` | one request to the API server |
//! | `status` | what the API server says about an object, and why it refuses |

mod object;
mod server;
mod status;

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use provider_class::{
    API_CA_FILE, API_TOKEN_FILE, InvalidName, Namespace, Owner, SYNC_VARIABLE, SecretObject,
    SecretSync,
};

use crate::aws::{Cause, Deadline};
use crate::classes::ClassToFetch;
use object::Secret;
pub use object::ValueError;
use server::{ApiServer, Apply};

/// The name under which the contents of Secrets are managed.
const MANAGER: &str = "aws-secrets-injector";
/// The name under which nothing is managed.
const READER: &str = "aws-secrets-injector-reader";

/// Why Secrets cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The webhook did not write it.
    #[error("environment variable {SYNC_VARIABLE} does not say how Secrets are applied: {0}")]
    Json(serde_json::Error),
    /// The kubelet and the webhook set it.
    #[error("environment variable {0} is not set: it is needed to apply Kubernetes Secrets")]
    Variable(&'static str),
    /// No owner by which a field manager could be named.
    #[error("environment variable {SYNC_VARIABLE} has an owner whose uid is not a UID")]
    Uid,
    /// The kubelet sets it.
    #[error("environment variable POD_NAMESPACE: {0}")]
    Namespace(#[from] InvalidName),
}

/// Why a Secret was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A file cannot be a value of the Secret.
    #[error("Secret {secret:?}: {error}")]
    Value {
        /// The Secret.
        secret: String,
        /// Why.
        error: ValueError,
    },
    /// Somebody else created it.
    #[error(
        "Secret {secret:?} already exists and is managed by {managers}, so it is left as it is: delete it, or give it another secretName in the class"
    )]
    Foreign {
        /// The Secret.
        secret: String,
        /// Its field managers, in quotes.
        managers: String,
    },
    /// The API server refuses it, or does not answer.
    #[error("Secret {secret:?}: {cause}{}", hint(.cause))]
    Api {
        /// The Secret.
        secret: String,
        /// Why.
        cause: Cause,
    },
}

/// What to do about a refusal.
fn hint(cause: &Cause) -> &'static str {
    match cause {
        Cause::Refused { code, .. } if code == "Forbidden" => {
            "; aws-secrets-injector check --rbac prints the Role that the pod's ServiceAccount needs"
        }
        Cause::Refused { code, .. } if code == "Conflict" => {
            "; delete the Secret, or give it another secretName in the class"
        }
        _ => "",
    }
}

/// Applies the Secrets of the pod's classes.
#[derive(Debug)]
pub struct SecretApplier {
    server: ApiServer,
    owner: Owner,
    /// For the digests of what was applied.
    digests: RandomState,
    timeout: Duration,
}

impl SecretApplier {
    /// Reads what the webhook asks for; `get` reads an environment variable. All Secrets must be applied within `timeout`.
    pub fn from_json(
        json: &str,
        timeout: Duration,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SetupError> {
        let sync = SecretSync::from_json(json).map_err(SetupError::Json)?;
        let variable = |name: &'static str| {
            let value = get(name).filter(|value| !value.is_empty());
            value.ok_or(SetupError::Variable(name))
        };
        let owner = match sync.owner {
            Some(owner) => owner,
            None => Owner {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                name: variable("POD_NAME")?,
                uid: variable("POD_UID")?,
            },
        };
        if !is_uid(&owner.uid) {
            return Err(SetupError::Uid);
        }
        let directory = Path::new(&sync.directory);
        let server = ApiServer::new(
            &variable("KUBERNETES_SERVICE_HOST")?,
            &variable("KUBERNETES_SERVICE_PORT")?,
            &variable("POD_NAMESPACE")?.parse::<Namespace>()?,
            directory.join(API_TOKEN_FILE),
            directory.join(API_CA_FILE),
        );
        Ok(Self {
            server,
            owner,
            digests: RandomState::new(),
            timeout,
        })
    }

    /// Applies the Secrets of all classes. The errors name each Secret that was not applied.
    pub async fn apply_all(&self, classes: &[ClassToFetch]) -> Result<usize, Vec<ApplyError>> {
        let deadline = Deadline::after(self.timeout);
        let mut names = BTreeSet::new();
        let mut applying = Vec::new();
        for wanted in classes {
            for secret in &wanted.class.secret_objects {
                // One class may have several directories, with the same files.
                if names.insert(&secret.name) {
                    applying.push(self.apply(secret, &wanted.mount_path, deadline));
                }
            }
        }
        let count = applying.len();
        let results = join_all(applying).await;
        let errors: Vec<ApplyError> = results.into_iter().filter_map(Result::err).collect();
        if errors.is_empty() {
            Ok(count)
        } else {
            Err(errors)
        }
    }

    /// What the Secrets of a class would be, as a digest that differs between processes; `None` if a file is missing.
    pub fn digest(&self, wanted: &ClassToFetch) -> Option<u64> {
        let mut bodies = Vec::new();
        for secret in &wanted.class.secret_objects {
            let secret = Secret::read(secret, &wanted.mount_path).ok()?;
            bodies.push(secret.with_data(&self.owner));
        }
        let bytes = bodies.iter().map(|body| body.as_slice());
        Some(self.digests.hash_one(bytes.collect::<Vec<_>>()))
    }

    /// Applies one Secret: its contents under one name that all pods share, and its owner under a name of its own, so that no pod
    /// takes away the owner that another one has added.
    async fn apply(
        &self,
        secret: &SecretObject,
        directory: &Path,
        deadline: Deadline,
    ) -> Result<(), ApplyError> {
        let name = &secret.name;
        let secret = Secret::read(secret, directory).map_err(|error| ApplyError::Value {
            secret: name.to_string(),
            error,
        })?;
        let failed = |cause| ApplyError::Api {
            secret: name.to_string(),
            cause,
        };
        let session = self.server.session().map_err(failed)?;
        let send = async |body, manager: &str, dry_run| {
            let apply = Apply {
                secret: name,
                body,
                manager,
                dry_run,
            };
            session.send(apply, deadline).await.map_err(failed)
        };
        // Without any field, it changes nothing: the answer is what exists.
        let existing = send(secret.name_only(), READER, true).await?;
        if !existing.is_new && !existing.is_managed_by(MANAGER) {
            return Err(ApplyError::Foreign {
                secret: name.to_string(),
                managers: existing.managers(),
            });
        }
        let applied = send(secret.with_data(&self.owner), MANAGER, false).await?;
        let of_owner = format!("{MANAGER}-{}", self.owner.uid);
        if !applied.is_managed_by(&of_owner) {
            send(secret.with_owner(&self.owner), &of_owner, false).await?;
        }
        Ok(())
    }
}

/// Letters, digits and hyphens, as in every UID of Kubernetes.
fn is_uid(text: &str) -> bool {
    let is_of_uid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(is_of_uid)
}
