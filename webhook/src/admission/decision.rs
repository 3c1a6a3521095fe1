//! From a pod to its patch.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use provider_class::{Class, Credentials, EnvMethod, Namespace, ObjectName, OnRefresh, Title};

use crate::admission::admitted::Admitted;
use crate::admission::refusal::Refusal;
use crate::admission::rules::Rules;
use crate::cluster::access::Access;
use crate::cluster::features::{ENV_FILES, Feature, Features, RESTART_ALL_CONTAINERS};
use crate::cluster::lookup::Deadline;
use crate::cluster::region::DefaultRegion;
use crate::cluster::stores::Stores;
use crate::pod::annotations::{
    ENV, ENV_METHOD, InvalidAnnotation, OBJECTS, PARAMETERS, PREFIX, PodRequest,
    RequestedVariables, SecretObjects, without_effect,
};
use crate::pod::bounds;
use crate::pod::class::MountedClass;
use crate::pod::conflict::Conflict;
use crate::pod::csi::{self, CsiVolumes};
use crate::pod::file_access;
use crate::pod::identity;
use crate::pod::injection::{Injection, InjectorSettings, Inputs, secret_sync};
use crate::pod::patch;
use crate::pod::role::Role;
use crate::pod::secrets::{self, PodSecrets};
use crate::pod::signal_check;
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
    /// What the platform decides.
    pub rules: Rules,
    /// For pods that apply Kubernetes Secrets; nothing if no pod may.
    pub access: Option<Access>,
    /// For pods that need a new feature of Kubernetes.
    pub features: Features,
    /// Settings for the injected containers of all pods.
    pub settings: InjectorSettings,
}

impl Admission {
    /// Decides about a pod of this ServiceAccount; `namespace` is the request's, as the pod itself may not say it yet.
    pub(crate) async fn admit(
        &self,
        pod: &Pod,
        namespace: &Namespace,
        account: &ObjectName,
    ) -> Result<Admitted, Refusal> {
        let replaces = csi::are_requested(pod, self.rules.csi_volumes);
        if !replaces && !PodRequest::is_in(pod.annotations()) {
            return Ok(Admitted::default());
        }
        let deadline = Deadline::start();
        let of_namespace = self.stores.defaults(namespace, deadline).await?;
        let completed = self.rules.defaults.complete(pod, namespace, &of_namespace);
        let admitted = self
            .admit_completed(&completed.pod, namespace, account, deadline)
            .await;
        completed.settle(pod, admitted)
    }

    async fn admit_completed(
        &self,
        pod: &Pod,
        namespace: &Namespace,
        account: &ObjectName,
        deadline: Deadline,
    ) -> Result<Admitted, Refusal> {
        let pod = Stripped::new(pod)?;
        let Some(mut request) = request(&pod, self.rules.csi_volumes)? else {
            return Ok(without_marks(&pod));
        };
        if self.rules.only_classes {
            check_only_classes(&request, &pod.own)?;
        }
        let mut warnings = std::mem::take(&mut request.warnings);
        let classes = self
            .classes(&mut request, namespace, account, deadline)
            .await?;
        if classes.is_empty() {
            return Ok(without_marks(&pod));
        }
        if is_windows(&pod.own) {
            return Err(Refusal::Windows);
        }
        for feature in needed_features(&request) {
            if let Some(old) = self.features.missing(feature, deadline).await? {
                return Err(Refusal::OldKubernetes(old));
            }
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

/// Nothing is injected, and no mark of an earlier pass says otherwise.
fn without_marks(pod: &Stripped<'_>) -> Admitted {
    Admitted {
        patch: patch::without_marks(pod),
        ..Admitted::default()
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

/// Refuses annotations that describe secrets themselves.
fn check_only_classes(request: &PodRequest, pod: &Pod) -> Result<(), Refusal> {
    let volumes = request
        .classes
        .iter()
        .filter_map(|mount| mount.volume.as_ref());
    for volume in volumes {
        if let Some(parameter) = volume.parameters.keys().next() {
            return Err(Refusal::Conflict(Conflict::CsiVolume {
                volume: volume.name.clone(),
                reason: format!(
                    "volumeAttributes.{parameter} is not allowed in this cluster: write it into the parameters of the class"
                ),
            }));
        }
    }
    let annotations = pod.annotations();
    let mut names = [OBJECTS, PARAMETERS].into_iter();
    match names.find(|name| annotations.contains_key(&format!("{PREFIX}{name}"))) {
        Some(annotation) => Err(Refusal::OnlyClasses { annotation }),
        None => Ok(()),
    }
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
    // All containers get the user that the platform assigns.
    if owner.is_named || !inputs.settings.user_is_assigned {
        warnings.extend(file_access::warnings(request, pod, owner, inputs.classes));
    }
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
