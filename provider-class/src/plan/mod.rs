//! The requests that fetch a class: each value once, and ten parameters in a call. `extract` makes the contents of files from
//! the values that AWS returns.

mod collisions;
mod extract;
mod json;
mod made;
mod paths;
pub mod policy;
mod render;
mod resolve;

use std::collections::HashMap;

use crate::{Class, ParameterRequest, Region, Request, RequestKey, Title};

pub use collisions::{Collision, collision_of, collisions};
pub use extract::{ExtractError, FileContents, Made, MadeFile};
pub use made::MadeCollision;
pub use paths::{PathCall, path_calls};
pub use render::TemplateError;
pub use resolve::ResolveError;

/// All requests of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The region that they are sent to.
    pub region: Region,
    /// The region that they are sent to if the first one fails.
    pub failover_region: Option<Region>,
    /// The requests, without duplicates.
    pub requests: Vec<PlannedRequest>,
}

/// A request and the objects that need its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRequest {
    /// What is asked.
    pub request: Request,
    /// What is asked of the failover region instead.
    pub failover: Option<Request>,
    /// Indexes into [`Class::objects`].
    pub objects: Vec<usize>,
}

impl PlannedRequest {
    /// Identifies it among all requests of a class, also in a state that was saved by an earlier run.
    pub fn key(&self) -> RequestKey {
        RequestKey::of(&self.request, self.failover.as_ref())
    }
}

/// No region was found for a class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: region: is not set: looked at the parameters, the environment's AWS_REGION, and the nodes' label topology.kubernetes.io/region; add \"region\" to the parameters",
    Title(.class)
)]
pub struct NoRegion {
    /// The class's name.
    pub class: String,
}

/// Names that one call of `GetParameters` takes.
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>.
const PARAMETERS_PER_CALL: usize = 10;

impl Plan {
    /// The plan for a class in a region.
    pub(crate) fn of(class: &Class, region: &Region) -> Self {
        let mut requests: Vec<PlannedRequest> = Vec::new();
        let mut known: HashMap<(&Request, Option<&Request>), usize> = HashMap::new();
        for (index, object) in class.objects.iter().enumerate() {
            let new = requests.len();
            let asked = (&object.request, object.failover.as_ref());
            let place = *known.entry(asked).or_insert(new);
            if place == new {
                requests.push(PlannedRequest {
                    request: object.request.clone(),
                    failover: object.failover.clone(),
                    objects: Vec::new(),
                });
            }
            requests[place].objects.push(index);
        }
        Self {
            region: region.clone(),
            failover_region: class.failover_region.clone(),
            requests,
        }
    }
}

/// A request for a parameter, with what its caller knows it by.
type Tagged<'a, T> = (T, &'a ParameterRequest);

/// Requests for parameters, a list for each call. A call names a parameter once, so that each value of the answer
/// belongs to one request, whatever its version or label.
pub fn parameter_calls<'a, T>(
    parameters: impl IntoIterator<Item = Tagged<'a, T>>,
) -> Vec<Vec<Tagged<'a, T>>> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    // The first request of every name, the second one of every name, and so on.
    let mut rounds: Vec<Vec<Tagged<'a, T>>> = Vec::new();
    for (tag, request) in parameters {
        let round = seen.entry(request.short_name()).or_default();
        if *round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*round].push((tag, request));
        *round += 1;
    }
    let mut calls = Vec::new();
    for mut round in rounds {
        while round.len() > PARAMETERS_PER_CALL {
            let rest = round.split_off(PARAMETERS_PER_CALL);
            calls.push(std::mem::replace(&mut round, rest));
        }
        calls.push(round);
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretProviderClassSpec;

    fn plan(objects: &str) -> Plan {
        let spec = SecretProviderClassSpec::aws([("objects", objects)]);
        let region = "us-east-2".parse().unwrap();
        let class = Class::parse("test", &spec).unwrap();
        class.resolve(Some(&region)).unwrap()
    }

    /// Indexes of the requests of each call.
    fn calls(plan: &Plan) -> Vec<Vec<usize>> {
        let requests = plan.requests.iter().enumerate();
        let parameters = requests.filter_map(|(index, planned)| match &planned.request {
            Request::Secret(_) | Request::Path(_) => None,
            Request::Parameter(request) => Some((index, request)),
        });
        let calls = parameter_calls(parameters).into_iter();
        calls
            .map(|call| call.into_iter().map(|(index, _)| index).collect())
            .collect()
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
        let sizes: Vec<_> = calls(&plan(&entries)).iter().map(Vec::len).collect();
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
        assert_eq!(calls(&plan), [vec![0, 3], vec![1], vec![2]]);
    }
}
