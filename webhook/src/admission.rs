//! From a pod to its patch.

use json_patch::Patch;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use provider_class::{Class, Credentials, PROVIDER};

use crate::annotations::Wanted;
use crate::injection::{Injection, Inputs, Settings};
use crate::parsed::ParsedClasses;
use crate::patch;
use crate::readability;
use crate::refreshing;
use crate::refusal::{MAX_SNAPSHOT, Refusal};
use crate::region::DefaultRegion;
use crate::service_account::Role;
use crate::sidecars::Sidecars;
use crate::stores::Stores;

/// What decides about pods.
#[derive(Clone)]
pub struct Admission {
    /// Classes and ServiceAccounts.
    pub stores: Stores,
    /// Classes that were parsed before.
    pub parsed: ParsedClasses,
    /// For classes without region.
    pub region: DefaultRegion,
    /// For pods whose files are to be refreshed.
    pub sidecars: Sidecars,
    /// The platform's wishes.
    pub settings: Settings,
}

/// An admitted pod's patch, and what its author should know.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// Empty where nothing is to be added.
    pub patch: Patch,
    /// A line each.
    pub warnings: Vec<String>,
    /// Names of the injected classes, for the log.
    pub classes: Vec<String>,
}

/// A class of the pod, with its parameters as they were written.
type Parsed = (Class, std::collections::BTreeMap<String, String>);

impl Admission {
    /// Decides about a pod; `namespace` is the request's, as the pod itself may not say it yet.
    pub async fn admit(&self, pod: &Pod, namespace: &str) -> Result<Admitted, Refusal> {
        let Some(mut wanted) = Wanted::read(pod.annotations()).map_err(Refusal::Annotations)?
        else {
            return Ok(Admitted {
                patch: Patch(Vec::new()),
                warnings: Vec::new(),
                classes: Vec::new(),
            });
        };
        if is_windows(pod) {
            return Err(Refusal::Windows);
        }
        if wanted.refresh.is_some()
            && let Some(version) = self.sidecars.missing().await
        {
            return Err(Refusal::NoSidecars { version });
        }
        let mut warnings = std::mem::take(&mut wanted.warnings);
        let mut default_region = None;
        let mut classes: Vec<Parsed> = Vec::new();
        for mount in &wanted.classes {
            let object = self.stores.class(namespace, &mount.class).await?;
            if object.spec.provider.as_deref() != Some(PROVIDER) {
                let provider = object.spec.provider.clone().unwrap_or_default();
                return Err(Refusal::Provider {
                    name: mount.class.clone(),
                    provider,
                });
            }
            if default_region.is_none() {
                default_region = self.region.of(&object.spec).await;
            }
            let parsed = self
                .parsed
                .parse(&mount.class, &object, default_region.as_ref())?;
            warnings.extend(
                parsed
                    .warnings
                    .iter()
                    .map(|warning| format!("class {:?}: {warning}", mount.class)),
            );
            classes.push((parsed.class.clone(), object.spec.parameters.clone()));
        }
        check_together(&wanted, &classes)?;
        let role = self.role(pod, namespace, &classes).await?;
        let mut admitted = inject(Inputs {
            wanted: &wanted,
            classes: &classes,
            role: role.as_ref(),
            default_region: default_region.as_ref(),
            settings: &self.settings,
            pod,
        })?;
        warnings.append(&mut admitted.warnings);
        Ok(Admitted {
            warnings,
            ..admitted
        })
    }

    /// The ServiceAccount's role, where a class needs one.
    async fn role(
        &self,
        pod: &Pod,
        namespace: &str,
        classes: &[Parsed],
    ) -> Result<Option<Role>, Refusal> {
        if classes
            .iter()
            .all(|(class, _)| class.credentials != Credentials::WebIdentity)
        {
            return Ok(None);
        }
        let name = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.service_account_name.as_deref());
        // The API server fills the name in, but not in the pods that other programs send for a dry run.
        let name = name.filter(|name| !name.is_empty()).unwrap_or("default");
        let account = self.stores.service_account(namespace, name).await?;
        Role::read(account.annotations())
            .map(Some)
            .map_err(|error| Refusal::Role {
                name: name.to_owned(),
                namespace: namespace.to_owned(),
                error,
            })
    }
}

/// The patch of a pod that has all that it needs.
pub fn inject(inputs: Inputs<'_>) -> Result<Admitted, Refusal> {
    let mut warnings = refreshing::check(inputs.wanted, inputs.pod)?;
    let injection = Injection::plan(inputs);
    let patch = patch::operations(inputs.pod, &injection)?;
    let classes: Vec<&Class> = inputs.classes.iter().map(|(class, _)| class).collect();
    warnings.extend(readability::warnings(inputs.wanted, inputs.pod, &classes));
    warnings.extend(patch::warnings(inputs.pod, &injection));
    Ok(Admitted {
        patch,
        warnings,
        classes: classes.iter().map(|class| class.name.clone()).collect(),
    })
}

/// Rules between the classes of one pod.
fn check_together(wanted: &Wanted, classes: &[Parsed]) -> Result<(), Refusal> {
    for mount in &wanted.classes {
        let same_path = wanted
            .classes
            .iter()
            .zip(classes)
            .filter(|(other, _)| other.mount_path == mount.mount_path);
        provider_class::collisions(&same_path.map(|(_, (class, _))| class).collect::<Vec<_>>())?;
    }
    let bytes = classes
        .iter()
        .flat_map(|(_, parameters)| parameters.iter())
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if bytes > MAX_SNAPSHOT {
        Err(Refusal::TooLarge { bytes })
    } else {
        Ok(())
    }
}

fn is_windows(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let by_os = spec.os.as_ref().is_some_and(|os| os.name == "windows");
    let by_selector = spec
        .node_selector
        .as_ref()
        .and_then(|selector| selector.get("kubernetes.io/os"));
    by_os || by_selector.is_some_and(|os| os == "windows")
}
