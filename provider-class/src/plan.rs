//! The requests that fetch a class: each wanted value once, parameters by tens.

use std::collections::HashSet;
use std::fmt;

use crate::{Class, Region};

/// What is asked of AWS for one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// `secretsmanager:GetSecretValue`.
    Secret {
        /// Name or ARN.
        id: String,
        /// `VersionId`.
        version: Option<String>,
        /// `VersionStage`; Secrets Manager's own default is AWSCURRENT.
        stage: Option<String>,
    },
    /// A name of `ssm:GetParameters`.
    Parameter {
        /// Name or ARN, without selector.
        name: String,
        /// Version or label.
        selector: Option<Selector>,
    },
}

/// What picks a version of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// A version's number.
    Version(u64),
    /// A label.
    Label(String),
}

impl Selector {
    pub(crate) fn of(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Label(text.to_owned()), Self::Version)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "{version}"),
            Self::Label(label) => f.write_str(label),
        }
    }
}

impl Request {
    /// A request for a secret; AWSCURRENT alone is the default and left out, so that equal requests are equal.
    pub(crate) fn secret(id: &str, version: Option<&str>, stage: Option<&str>) -> Self {
        Self::Secret {
            id: id.to_owned(),
            version: version.map(str::to_owned),
            stage: stage
                .filter(|stage| version.is_some() || *stage != "AWSCURRENT")
                .map(str::to_owned),
        }
    }

    /// A parameter's name without what differs between its spellings: the ARN of `/app/db` has no slash before `app`.
    fn parameter_key(&self) -> Option<&str> {
        match self {
            Self::Secret { .. } => None,
            Self::Parameter { name, .. } => {
                let name = name
                    .rsplit_once(":parameter/")
                    .map_or(name.as_str(), |(_, name)| name);
                Some(name.trim_start_matches('/'))
            }
        }
    }
}

/// The name or ARN, with version or label, as a message shows it.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { id, version, stage } => {
                f.write_str(id)?;
                version
                    .iter()
                    .try_for_each(|version| write!(f, " version {version}"))?;
                stage
                    .iter()
                    .try_for_each(|stage| write!(f, " label {stage}"))
            }
            Self::Parameter { name, selector } => {
                f.write_str(name)?;
                selector
                    .iter()
                    .try_for_each(|selector| write!(f, ":{selector}"))
            }
        }
    }
}

/// All requests of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where they are sent.
    pub region: Region,
    /// Where they are sent when that fails.
    pub failover_region: Option<Region>,
    /// Each different one once.
    pub requests: Vec<PlannedRequest>,
}

/// A request and who needs its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRequest {
    /// What is asked.
    pub request: Request,
    /// What is asked of the failover region instead.
    pub failover: Option<Request>,
    /// Indexes into [`Class::objects`].
    pub objects: Vec<usize>,
}

/// No region was found for a class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "class {class:?}: region: is not set: looked at the class's parameters, the environment's AWS_REGION, and the nodes' label topology.kubernetes.io/region; add \"region\" to the class's parameters"
)]
pub struct NoRegion {
    /// The class's name.
    pub class: String,
}

/// Names that one call of `GetParameters` takes.
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>.
pub const PARAMETERS_PER_CALL: usize = 10;

impl Plan {
    /// The plan for a class.
    pub(crate) fn of(class: &Class) -> Result<Self, NoRegion> {
        let region = class.region.clone().ok_or_else(|| NoRegion {
            class: class.name.clone(),
        })?;
        let mut requests: Vec<PlannedRequest> = Vec::new();
        for (index, object) in class.objects.iter().enumerate() {
            let same = |planned: &&mut PlannedRequest| {
                planned.request == object.request && planned.failover == object.failover
            };
            match requests.iter_mut().find(same) {
                Some(planned) => planned.objects.push(index),
                None => requests.push(PlannedRequest {
                    request: object.request.clone(),
                    failover: object.failover.clone(),
                    objects: vec![index],
                }),
            }
        }
        Ok(Self {
            region,
            failover_region: class.failover_region.clone(),
            requests,
        })
    }

    /// Indexes into [`Plan::requests`] of all secrets.
    pub fn secrets(&self) -> impl Iterator<Item = usize> {
        let requests = self.requests.iter().enumerate();
        requests
            .filter(|(_, planned)| matches!(planned.request, Request::Secret { .. }))
            .map(|(index, _)| index)
    }

    /// Indexes into [`Plan::requests`] of all parameters, a list for each call. A call names a parameter once, so that
    /// each value of the answer belongs to one request, whatever its version or label.
    pub fn parameter_calls(&self) -> Vec<Vec<usize>> {
        let mut calls: Vec<(Vec<usize>, HashSet<&str>)> = Vec::new();
        for (index, planned) in self.requests.iter().enumerate() {
            let Some(key) = planned.request.parameter_key() else {
                continue;
            };
            match calls
                .iter_mut()
                .find(|(call, keys)| call.len() < PARAMETERS_PER_CALL && !keys.contains(key))
            {
                Some((call, keys)) => {
                    call.push(index);
                    keys.insert(key);
                }
                None => calls.push((vec![index], HashSet::from([key]))),
            }
        }
        calls.into_iter().map(|(call, _)| call).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretProviderClassSpec;

    fn plan(objects: &str) -> Plan {
        let spec = SecretProviderClassSpec {
            provider: Some("aws".into()),
            parameters: [
                ("objects".into(), objects.into()),
                ("region".into(), "us-east-2".into()),
            ]
            .into(),
            secret_objects: vec![],
        };
        Class::parse("test", &spec, None)
            .unwrap()
            .class
            .plan()
            .unwrap()
    }

    #[test]
    fn equal_requests_are_sent_once() {
        let plan = plan(
            "- {objectName: a, objectType: secretsmanager}
- {objectName: a, objectType: secretsmanager, objectVersionLabel: AWSCURRENT, objectAlias: b}
- {objectName: a, objectType: secretsmanager, objectVersionLabel: AWSPREVIOUS, objectAlias: c}
",
        );
        let objects: Vec<_> = plan
            .requests
            .iter()
            .map(|planned| planned.objects.clone())
            .collect();
        assert_eq!(objects, [vec![0, 1], vec![2]]);
    }

    #[test]
    fn parameters_go_by_tens() {
        let entry = |n| format!("- {{objectName: p{n}, objectType: ssmparameter}}");
        let entries = (0..21).map(entry).collect::<Vec<_>>().join("\n");
        let sizes: Vec<_> = plan(&entries)
            .parameter_calls()
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(sizes, [10, 10, 1]);
    }

    #[test]
    fn a_call_names_a_parameter_once() {
        let plan = plan(
            "- {objectName: /p, objectType: ssmparameter}
- {objectName: /p, objectType: ssmparameter, objectVersion: 1, objectAlias: one}
- {objectName: \"arn:aws:ssm:us-east-2:111122223333:parameter/p\", objectAlias: arn}
- {objectName: q, objectType: ssmparameter}
",
        );
        assert_eq!(plan.parameter_calls(), [vec![0, 3], vec![1], vec![2]]);
    }
}
