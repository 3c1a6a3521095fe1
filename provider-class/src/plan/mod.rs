//! The requests that fetch a class: each value once, and ten parameters in a call. `extract` makes the contents of files from
//! the values that AWS returns.

mod collisions;
mod extract;
mod made;
mod members;
mod number;
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

    /// Indexes into [`Plan::requests`] of all secrets.
    pub fn secrets(&self) -> impl Iterator<Item = usize> {
        let requests = self.requests.iter().enumerate();
        requests.filter_map(|(index, planned)| match &planned.request {
            Request::Secret(_) => Some(index),
            Request::Parameter(_) | Request::Path(_) => None,
        })
    }

    /// Indexes into [`Plan::requests`] of all parameters, a list for each call.
    pub fn parameter_calls(&self) -> Vec<Vec<usize>> {
        let requests = self.requests.iter().enumerate();
        let parameters = requests.filter_map(|(index, planned)| match &planned.request {
            Request::Secret(_) | Request::Path(_) => None,
            Request::Parameter(request) => Some((index, request)),
        });
        parameter_calls(parameters)
            .into_iter()
            .map(|call| call.into_iter().map(|(index, _)| index).collect())
            .collect()
    }
}

/// A request for a parameter, with what its caller knows it by.
type Tagged<'a, T> = (T, &'a ParameterRequest);

/// Requests for parameters, a list for each call. A call names a parameter once, so that each value of the answer
/// belongs to one request, whatever its version or label.
pub fn parameter_calls<'a, T>(
    parameters: impl IntoIterator<Item = Tagged<'a, T>>,
) -> Vec<Vec<Tagged<'a, T>>> {
    let mut calls: Vec<Vec<Tagged<'a, T>>> = Vec::new();
    // Where to look for room instead of in a call: the call itself while it has room, or else a later one.
    let mut open: Vec<usize> = Vec::new();
    // For each parameter, the call after the last one that names it.
    let mut next: HashMap<&str, usize> = HashMap::new();
    for (tag, request) in parameters {
        let name = request.short_name();
        let call = with_room(&mut open, next.get(name).copied().unwrap_or_default());
        if call == calls.len() {
            calls.push(Vec::new());
            open.push(call);
        }
        calls[call].push((tag, request));
        if calls[call].len() == PARAMETERS_PER_CALL {
            open[call] = call + 1;
        }
        next.insert(name, call + 1);
    }
    calls
}

/// The first call from `start` on that has room, or a new one. The path to it is shortened for the next time.
fn with_room(open: &mut [usize], start: usize) -> usize {
    let mut found = start;
    while found < open.len() && open[found] != found {
        found = open[found];
    }
    let mut at = start;
    while at < open.len() && open[at] != at {
        at = std::mem::replace(&mut open[at], found);
    }
    found
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

    /// The simple algorithm: each goes into the first call that has room and does not name it yet.
    fn first_fit(plan: &Plan) -> Vec<Vec<usize>> {
        let mut calls: Vec<Vec<usize>> = Vec::new();
        let key = |index: usize| match &plan.requests[index].request {
            Request::Secret(_) | Request::Path(_) => panic!("no parameter"),
            Request::Parameter(parameter) => parameter.short_name(),
        };
        for index in 0..plan.requests.len() {
            let fits = |call: &&mut Vec<usize>| {
                call.len() < PARAMETERS_PER_CALL
                    && call.iter().all(|other| key(*other) != key(index))
            };
            match calls.iter_mut().find(fits) {
                Some(call) => call.push(index),
                None => calls.push(vec![index]),
            }
        }
        calls
    }

    #[test]
    fn calls_are_filled_as_one_would_by_hand() {
        // Pseudo-random numbers that are the same in every run.
        let mut number = 7_u32;
        let mut next = |bound: u32| {
            number = number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            (number >> 16) % bound
        };
        for _ in 0..20 {
            let entry = |(index, name): (usize, u32)| {
                format!(
                    "- {{objectName: /p{name}, objectType: ssmparameter, objectVersion: {}, objectAlias: a{index}}}\n",
                    index + 1
                )
            };
            let names: Vec<u32> = (0..200).map(|_| next(30)).collect();
            let plan = plan(&names.into_iter().enumerate().map(entry).collect::<String>());
            assert_eq!(plan.parameter_calls(), first_fit(&plan));
        }
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
