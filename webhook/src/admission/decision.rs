//! From a pod to its patch.

use std::collections::BTreeMap;

use json_patch::Patch;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use provider_class::{
    Class, ClassError, Credentials, EnvMethod, Namespace, ObjectName, OnRefresh,
    SecretProviderClassSpec, Title,
};

use crate::admission::refusal::Refusal;
use crate::cluster::access::Access;
use crate::cluster::classes::{self, KnownClass, StoredClass, UnusableClass};
use crate::cluster::features::{ENV_FILES, Feature, Features, RESTART_ALL_CONTAINERS};
use crate::cluster::lookup::Deadline;
use crate::cluster::region::DefaultRegion;
use crate::cluster::stores::Stores;
use crate::pod::annotations::{
    ClassMount, ENV, ENV_METHOD, InvalidAnnotation, PREFIX, PodRequest, RequestedClass,
    RequestedVariables, SecretObjects, without_effect,
};
use crate::pod::bounds;
use crate::pod::class::MountedClass;
use crate::pod::csi::{self, CsiVolumes};
use crate::pod::file_access;
use crate::pod::identity;
use crate::pod::injection::{Injection, InjectorSettings, Inputs, secret_sync};
use crate::pod::patch;
use crate::pod::role::Role;
use crate::pod::secrets::{self, PodSecrets};
use crate::pod::signal_check;
use crate::pod::snapshot_size;
use crate::pod::strip::Stripped;
use crate::pod::sub_paths;
use crate::pod::variables::{self, PlannedVariables};
use crate::pod::windows::is_windows;

/// What decides about pods.
#[derive(Clone)]
pub(crate) struct Admission {
    /// Classes and ServiceAccounts.
    pub stores: Stores,
    /// For classes without region.
    pub region: DefaultRegion,
    /// What becomes of volumes of the Secrets Store CSI Driver, unless the pod says it.
    pub csi_volumes: CsiVolumes,
    /// For pods that apply Kubernetes Secrets; nothing if no pod may.
    pub access: Option<Access>,
    /// For pods that need a new feature of Kubernetes.
    pub features: Features,
    /// The platform's wishes.
    pub settings: InjectorSettings,
}

/// An admitted pod's patch, and what its author should know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admitted {
    /// Empty where nothing is to be added.
    pub patch: Patch,
    /// A line each.
    pub warnings: Vec<String>,
    /// Names of the injected classes, for the log.
    pub classes: Vec<String>,
}

impl Admission {
    /// Decides about a pod of this ServiceAccount; `namespace` is the request's, as the pod itself may not say it yet.
    pub(crate) async fn admit(
        &self,
        pod: &Pod,
        namespace: &Namespace,
        account: &ObjectName,
    ) -> Result<Admitted, Refusal> {
        let replaces = csi::are_requested(pod, self.csi_volumes);
        if !replaces && !PodRequest::is_in(pod.annotations()) {
            return Ok(Admitted::default());
        }
        let pod = Stripped::new(pod)?;
        let Some(mut request) = request(&pod, self.csi_volumes)? else {
            return Ok(Admitted::default());
        };
        if is_windows(&pod.own) {
            return Err(Refusal::Windows);
        }
        let deadline = Deadline::start();
        for feature in needed_features(&request) {
            if let Some(old) = self.features.missing(feature, deadline).await? {
                return Err(Refusal::OldKubernetes(old));
            }
        }
        let mut warnings = std::mem::take(&mut request.warnings);
        let classes = self.classes(&mut request, namespace, deadline).await?;
        if classes.is_empty() {
            return Ok(Admitted::default());
        }
        let mut default_region = None;
        for MountedClass { class, .. } in &classes {
            if default_region.is_none() {
                default_region = self.region.of(class, deadline).await?;
            }
            class.resolve_region(default_region.as_ref())?;
            for warning in &class.warnings {
                warnings.push(format!("{}: {warning}", Title(&class.name)));
            }
        }
        check_together(&classes)?;
        self.choose_env_method(&mut request, &pod.own, &classes, deadline)
            .await?;
        if request.secret_objects == SecretObjects::Sync {
            self.check_sync(namespace, account, &classes, deadline)
                .await?;
        }
        let role = self.role(namespace, account, &classes, deadline).await?;
        let mut admitted = inject(Inputs {
            request: &request,
            classes: &classes,
            role: role.as_ref(),
            default_region: default_region.as_ref(),
            settings: &self.settings,
            pod: &pod,
        })?;
        warnings.append(&mut admitted.warnings);
        Ok(Admitted {
            warnings,
            ..admitted
        })
    }

    /// Checks that the pod may apply the Secrets of its classes.
    async fn check_sync(
        &self,
        namespace: &Namespace,
        account: &ObjectName,
        classes: &[MountedClass],
        deadline: Deadline,
    ) -> Result<(), Refusal> {
        let secrets = PodSecrets::of(classes);
        let names = secrets.all()?;
        if names.is_empty() {
            return Ok(());
        }
        let Some(access) = &self.access else {
            return Err(Refusal::SyncNotAllowed);
        };
        let missing = access.missing(namespace, account, &names, deadline).await?;
        match missing.and_then(|name| secrets.get(name.as_str())) {
            None => Ok(()),
            Some(of_pod) => Err(Refusal::NoRight {
                account: account.clone(),
                namespace: namespace.clone(),
                secret: of_pod.secret.name.to_string(),
                class: of_pod.class.to_owned(),
            }),
        }
    }

    /// Chooses how references to Secrets of the classes are served, where the pod does not say it: the kubelet can do it for every
    /// container, but needs new nodes.
    async fn choose_env_method(
        &self,
        request: &mut PodRequest,
        pod: &Pod,
        classes: &[MountedClass],
        deadline: Deadline,
    ) -> Result<(), Refusal> {
        if request.variables.is_some()
            || request.env_method == Some(EnvMethod::Exec)
            || request.secret_objects != SecretObjects::Env
            || !variables::references_exist(request, pod, &PodSecrets::of(classes))
        {
            return Ok(());
        }
        let old = self.features.missing(&ENV_FILES, deadline).await?;
        match (request.env_method, old) {
            (Some(_), Some(old)) => return Err(Refusal::OldKubernetes(old)),
            (None, Some(_)) => request.env_method = Some(EnvMethod::Exec),
            (_, None) => request.env_method = Some(EnvMethod::Kubelet),
        }
        Ok(())
    }

    /// The classes of a pod, if the injector can carry them all.
    async fn classes(
        &self,
        request: &mut PodRequest,
        namespace: &Namespace,
        deadline: Deadline,
    ) -> Result<Vec<MountedClass>, Refusal> {
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
                Ok(StoredClass {
                    class: stored,
                    parameters,
                    version,
                }) => {
                    bytes += snapshot_size::bytes(name, mount_path, &parameters);
                    if request.secret_objects == SecretObjects::Sync {
                        bytes += snapshot_size::of_secrets(&stored);
                    }
                    classes.push(MountedClass {
                        mount_path: mount_path.clone(),
                        volume: volume.clone(),
                        class: stored,
                        parameters,
                        version,
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
        if bytes > snapshot_size::MOST {
            return Err(Refusal::TooLarge { bytes });
        }
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
            RequestedClass::Annotated(parameters) => {
                let spec = SecretProviderClassSpec::aws(parameters.clone());
                Ok(classes::parse(class.name(), spec))
            }
        }
    }

    /// The ServiceAccount's role, where a class needs one.
    async fn role(
        &self,
        namespace: &Namespace,
        name: &ObjectName,
        classes: &[MountedClass],
        deadline: Deadline,
    ) -> Result<Option<Role>, Refusal> {
        let needs_it = classes
            .iter()
            .any(|mounted| mounted.class.credentials == Credentials::WebIdentity);
        if !needs_it {
            return Ok(None);
        }
        let role = self.stores.role(namespace, name, deadline).await?;
        role.map(Some).map_err(|error| {
            let refusal = Refusal::Role {
                name: name.clone(),
                namespace: namespace.clone(),
                error,
            };
            refusal.of_volume(classes.iter().find_map(|class| class.volume.as_ref()))
        })
    }
}

/// What a pod requests, by its annotations and, where they are to be replaced, by its volumes of the Secrets Store CSI Driver.
///
/// # Errors
/// Every annotation with an invalid value, or the first such volume that names no class.
pub fn request(pod: &Stripped<'_>, default: CsiVolumes) -> Result<Option<PodRequest>, Refusal> {
    let volumes = if csi::are_requested(pod.present, default) {
        csi::volumes(&pod.own)?
    } else {
        Vec::new()
    };
    PodRequest::with_volumes(pod.own.annotations(), volumes).map_err(Refusal::Annotations)
}

/// The patch of a pod that has all that it needs.
pub fn inject(inputs: Inputs<'_>) -> Result<Admitted, Refusal> {
    let (request, pod) = (inputs.request, &inputs.pod.own);
    request.check_containers(pod)?;
    let owner = identity::owner(request, pod, inputs.pod.user);
    let mut warnings = signal_check::check(request, pod, owner)?;
    let mut variables = variables(inputs, &mut warnings)?;
    let containers = variables::plan_containers(request, pod, &mut variables, &mut warnings)?;
    warnings.extend(method_without_effect(pod, variables.as_ref()));
    let injection = Injection::plan(inputs, owner, variables.as_ref(), containers);
    sub_paths::check(inputs, &injection)?;
    let patch = patch::operations(inputs.pod, &injection)?;
    warnings.extend(file_access::warnings(request, pod, owner, inputs.classes));
    warnings.extend(file_access::shared_processes(request, pod, owner));
    warnings.extend(sub_paths::runtime(pod));
    warnings.extend(csi::warnings(pod, &injection.replaced));
    warnings.extend(patch::warnings(inputs.pod, &injection));
    Ok(Admitted {
        patch,
        warnings,
        classes: inputs
            .classes
            .iter()
            .map(|mounted| mounted.class.name.clone())
            .collect(),
    })
}

/// The variables that the pod requests or refers to, with their files.
fn variables(
    inputs: Inputs<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<PlannedVariables>, Refusal> {
    let (request, pod, classes) = (inputs.request, &inputs.pod.own, inputs.classes);
    let mut planned = match &request.variables {
        Some(requested) => Some(requested_variables(requested, inputs)?),
        None => None,
    };
    match request.secret_objects {
        SecretObjects::Ignore => warnings.extend(secrets::ignored(classes)),
        SecretObjects::Sync => {
            PodSecrets::of(classes).check_volumes(pod, classes)?;
            if !secret_sync::is_requested(inputs) {
                warnings.push(secrets::nothing_to_apply());
            }
        }
        SecretObjects::Env => {
            let secrets = PodSecrets::of(classes);
            secrets.check_volumes(pod, classes)?;
            warnings.extend(secrets.of_image_pulls(pod));
            let kept = variables::serve(request, pod, &secrets, &mut planned)?;
            warnings.extend(kept);
        }
    }
    Ok(planned)
}

/// A warning where the pod names a method, which may also be chosen by the webhook, and has no variables.
fn method_without_effect(pod: &Pod, planned: Option<&PlannedVariables>) -> Option<String> {
    let name = format!("{PREFIX}{ENV_METHOD}");
    let is_named = pod.annotations().contains_key(&name);
    (planned.is_none() && is_named).then(|| without_effect(ENV_METHOD, ENV))
}

/// The variables of the annotation `env`.
fn requested_variables(
    requested: &RequestedVariables,
    inputs: Inputs<'_>,
) -> Result<PlannedVariables, Refusal> {
    let method = inputs.request.env_method.unwrap_or_default();
    let planned = variables::plan(requested, method, inputs.classes)
        .map_err(|reason| Refusal::Annotations(vec![InvalidAnnotation::new(ENV, reason)]))?;
    let readers = inputs.request.chosen(&inputs.pod.own).count();
    bounds::check_variables(readers, planned.variables.len())?;
    Ok(planned)
}

/// Rules between the classes of one pod: those of one directory write different files.
fn check_together(classes: &[MountedClass]) -> Result<(), Refusal> {
    let mut directories: BTreeMap<&str, Vec<&Class>> = BTreeMap::new();
    for mounted in classes {
        let directory = directories.entry(&mounted.mount_path).or_default();
        directory.push(&mounted.class);
    }
    for classes in directories.values() {
        provider_class::collisions(classes)?;
    }
    Ok(())
}

/// The features that not all supported versions of Kubernetes have.
fn needed_features(request: &PodRequest) -> Vec<&'static Feature> {
    let mut features = Vec::new();
    let method = request.env_method.unwrap_or_default();
    if request.variables.is_some() && method == EnvMethod::Kubelet {
        features.push(&ENV_FILES);
    }
    let refresh = request.refresh.as_ref();
    if refresh.is_some_and(|refresh| refresh.on_refresh == Some(OnRefresh::Restart)) {
        features.push(&RESTART_ALL_CONTAINERS);
    }
    features
}
