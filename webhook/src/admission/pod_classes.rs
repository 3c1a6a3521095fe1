//! The classes of a pod, as its injector gets them.

use std::sync::Arc;

use provider_class::{
    Class, ClassError, Namespace, ObjectName, SecretProviderClassSpec, USE_POD_IDENTITY,
};

use crate::admission::decision::Admission;
use crate::admission::refusal::Refusal;
use crate::admission::rules::Identity;
use crate::cluster::classes::{self, KnownClass, StoredClass, UnusableClass};
use crate::cluster::lookup::Deadline;
use crate::pod::annotations::{ClassMount, PodRequest, RequestedClass, SecretObjects};
use crate::pod::class::MountedClass;
use crate::pod::role::InvalidRole;
use crate::pod::snapshot_size;

impl Admission {
    /// The classes of a pod, if the injector can carry them all.
    pub(super) async fn classes(
        &self,
        request: &mut PodRequest,
        namespace: &Namespace,
        account: &ObjectName,
        deadline: Deadline,
    ) -> Result<Vec<MountedClass>, Refusal> {
        let uses_agent = self.uses_agent(namespace, account, deadline).await?;
        let mut classes = Vec::with_capacity(request.classes.len());
        let mut bytes = 0;
        let mut mounts = std::mem::take(&mut request.classes);
        for ClassMount {
            class,
            mount_path,
            volume,
        } in &mounts
        {
            let name = class.name();
            let of_volume = |refusal: Refusal| refusal.of_volume(volume.as_ref());
            let known = self.class(class, namespace, deadline).await;
            let overrides = volume.as_ref().map(|volume| &volume.parameters);
            let known = known.map_err(of_volume)?;
            match known.and_then(|class| class.with_parameters(name, overrides)) {
                Ok(stored) => {
                    let mut stored = if uses_agent {
                        with_agent(stored)
                    } else {
                        stored
                    };
                    if let RequestedClass::Shared { .. } = class {
                        stored.class = shared(&stored.class, name, request.secret_objects);
                    }
                    bytes += snapshot_size::bytes(name, mount_path, &stored.parameters);
                    if request.secret_objects == SecretObjects::Sync {
                        bytes += snapshot_size::of_secrets(&stored.class);
                    }
                    if bytes > snapshot_size::MOST {
                        return Err(Refusal::TooLarge { bytes });
                    }
                    classes.push(MountedClass {
                        mount_path: mount_path.clone(),
                        volume: volume.clone(),
                        class: stored.class,
                        parameters: stored.parameters,
                        version: stored.version,
                    });
                }
                // No other class makes it smaller, so none is read for this pod any more.
                Err(UnusableClass::TooLarge { bytes: own }) => {
                    return Err(Refusal::TooLarge { bytes: bytes + own });
                }
                Err(UnusableClass::Malformed(reason)) => {
                    return Err(of_volume(Refusal::Malformed {
                        class: name.to_owned(),
                        reason,
                    }));
                }
                // The driver serves it, whatever this pod requests besides.
                Err(UnusableClass::Invalid(error))
                    if volume.is_some() && matches!(*error, ClassError::OtherProvider { .. }) => {}
                Err(UnusableClass::Invalid(error)) => {
                    return Err(of_volume(ClassError::clone(&error).into()));
                }
            }
        }
        mounts.retain(|mount| {
            let mut classes = classes.iter();
            mount.volume.is_none() || classes.any(|class| class.volume == mount.volume)
        });
        request.classes = mounts;
        Ok(classes)
    }

    async fn class(
        &self,
        class: &RequestedClass,
        namespace: &Namespace,
        deadline: Deadline,
    ) -> Result<KnownClass, Refusal> {
        match class {
            RequestedClass::Named(name) => Ok(self.stores.class(namespace, name, deadline).await?),
            RequestedClass::Shared {
                namespace: owner,
                name,
                ..
            } => {
                // Whether it exists is nobody's business then.
                if owner != namespace && !self.rules.shared.contains(owner) {
                    return Err(Refusal::NotShared {
                        owner: owner.clone(),
                        namespace: namespace.clone(),
                    });
                }
                Ok(self.stores.class(owner, name, deadline).await?)
            }
            RequestedClass::Annotated(parameters) => {
                let spec = SecretProviderClassSpec::aws(parameters.clone());
                Ok(classes::parse(class.name(), spec))
            }
        }
    }

    /// Do the pod's classes use EKS Pod Identity that do not say it?
    async fn uses_agent(
        &self,
        namespace: &Namespace,
        account: &ObjectName,
        deadline: Deadline,
    ) -> Result<bool, Refusal> {
        Ok(match self.rules.identity {
            Identity::Irsa => false,
            Identity::PodIdentity => true,
            Identity::Auto => {
                let role = self.stores.role(namespace, account, deadline).await?;
                role == Err(InvalidRole::Missing)
            }
        })
    }
}

/// The class with EKS Pod Identity, unless it says what it uses.
fn with_agent(stored: StoredClass) -> StoredClass {
    let written = stored.parameters.get(USE_POD_IDENTITY);
    if written.is_some_and(|written| !written.is_empty()) {
        return stored;
    }
    let mut parameters = stored.parameters.as_ref().clone();
    parameters.insert(USE_POD_IDENTITY.to_owned(), "true".to_owned());
    StoredClass {
        class: Arc::new(stored.class.with_pod_identity()),
        parameters: Arc::new(parameters),
        version: stored.version,
    }
}

/// A class of another namespace, by its full name. Its Secrets are not written to this namespace.
fn shared(class: &Class, name: &str, secret_objects: SecretObjects) -> Arc<Class> {
    let mut class = class.clone();
    name.clone_into(&mut class.name);
    if secret_objects == SecretObjects::Sync {
        class.secret_objects.clear();
    }
    Arc::new(class)
}
