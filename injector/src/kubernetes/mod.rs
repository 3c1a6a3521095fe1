//! Kubernetes Secrets: applies those that the pod's classes describe, by the pod's own right and with nobody's help.
//!
//! What goes in: what the webhook asks for, and the files on disk. What comes out: Secrets in the pod's namespace that agree with
//! the files. Each is read, and written only if it is not as it should be: by server-side apply, under the name of this program,
//! with the version that was read, and never by force. What others manage stays as it is.
//!
//! | module | holds |
//! |---|---|
//! | `claims` | the rule for a Secret that several pods write |
//! | `object` | a Secret as JSON, with the contents of files |
//! | `server` | one request to the API server |
//! | `status` | why the API server refuses a request |

mod claims;
mod object;
mod server;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use provider_class::{
    API_CA_FILE, API_TOKEN_FILE, InvalidName, Namespace, Owner, SYNC_VARIABLE, SecretObject,
    SecretSync,
};
use serde_json::{Value, json};

use crate::aws::retry::{Attempt, Backoff, retry};
use crate::aws::{Cause, Deadline};
use crate::classes::ClassToFetch;
pub use claims::Refusal;
use claims::{Described, next};
use object::Object;
pub use object::ValueError;
use server::{ApiServer, Apply, Session};

/// The name under which the contents of Secrets are managed.
const MANAGER: &str = "aws-secrets-injector";
/// The name under which nothing is managed.
const READER: &str = "aws-secrets-injector-reader";
/// An API server that restarts is back within seconds.
const BACKOFF: Backoff = Backoff {
    attempts: 6,
    first_pause: Duration::from_millis(200),
};

/// Why Secrets cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The webhook did not write it.
    #[error("environment variable {SYNC_VARIABLE} does not say how Secrets are applied: {0}")]
    Json(serde_json::Error),
    /// The kubelet and the webhook set it.
    #[error("environment variable {0} is not set: it is needed to apply Kubernetes Secrets")]
    Variable(&'static str),
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
    /// Other pods need it as it is.
    #[error("Secret {secret:?}: {refusal}; its owners: {owners}")]
    Refused {
        /// The Secret.
        secret: String,
        /// Why.
        refusal: Refusal,
        /// In words.
        owners: String,
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
    /// The version of each class.
    versions: BTreeMap<String, u64>,
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
            versions: sync.versions,
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
                    applying.push(self.apply(wanted, secret, deadline));
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

    /// Applies one Secret. Whoever writes it in between makes this start again, with what is there then.
    async fn apply(
        &self,
        wanted: &ClassToFetch,
        secret: &SecretObject,
        deadline: Deadline,
    ) -> Result<(), ApplyError> {
        let name = secret.name.to_string();
        let fields = match object::fields(secret, &wanted.mount_path) {
            Ok(fields) => fields,
            Err(error) => {
                return Err(ApplyError::Value {
                    secret: name,
                    error,
                });
            }
        };
        let class = &wanted.class.name;
        let sources = object::sources(&wanted.class, secret, &fields);
        let described = Described {
            class,
            version: self.versions.get(class).copied().unwrap_or_default(),
            secret_type: &secret.secret_type,
            fields: &fields,
            sources: &sources,
            owner: reference(&self.owner),
        };
        let attempted = match self.server.session() {
            Ok(session) => {
                let attempt = async || write(&session, secret, &described).await;
                retry(format!("Secret {name:?}"), BACKOFF, deadline, attempt).await
            }
            Err(cause) => Err(cause),
        };
        attempted.unwrap_or_else(|cause| {
            Err(ApplyError::Api {
                secret: name,
                cause,
            })
        })
    }
}

/// Reads a Secret, and writes it if it is not as it should be.
async fn write(
    session: &Session<'_>,
    secret: &SecretObject,
    described: &Described<'_>,
) -> Result<Result<(), ApplyError>, Attempt> {
    let name = &secret.name;
    let send = async |body, manager, dry_run| {
        let apply = Apply {
            secret: name,
            body,
            manager,
            dry_run,
        };
        session.send(apply).await
    };
    // Without any field, it changes nothing: the answer is what exists. The permission to read would be one more.
    let read = send(object::name_only(name), READER, true).await?;
    let object = if read.is_new {
        None
    } else {
        Some(Object::read(&read.body)?)
    };
    if let Some(object) = &object
        && !object.is_managed_by(MANAGER)
    {
        return Ok(Err(ApplyError::Foreign {
            secret: name.to_string(),
            managers: object.managers(),
        }));
    }
    let existing = object.as_ref().map(Object::existing).unwrap_or_default();
    let next = match next(&existing, described) {
        Ok(next) => next,
        Err(refusal) => {
            return Ok(Err(ApplyError::Refused {
                secret: name.to_string(),
                refusal,
                owners: object.as_ref().map(Object::owners).unwrap_or_default(),
            }));
        }
    };
    if !next.newer.is_empty() {
        let newer = next.newer.join(", ");
        tracing::warn!(
            "Secret {name:?}: {newer} has the value of a newer version of the class, and stays so: restart this pod to use that version"
        );
    }
    if !next.is_change {
        return Ok(Ok(()));
    }
    send(object::with(secret, object.as_ref(), &next), MANAGER, false).await?;
    match &object {
        None => tracing::info!("Secret {name:?} did not exist: created"),
        Some(_) if next.missing.is_empty() => tracing::info!("Secret {name:?} updated"),
        Some(_) => {
            let missing = next.missing.join(", ");
            tracing::info!("Secret {name:?} had lost {missing}: restored");
        }
    }
    Ok(Ok(()))
}

/// Neither the controller, nor one that its owner waits for.
fn reference(owner: &Owner) -> Value {
    json!({"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid})
}
