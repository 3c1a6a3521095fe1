//! What AWS answered: a result for each request of a plan, kept beside that request.

use std::fmt;

use provider_class::{Plan, PlannedRequest};
use zeroize::Zeroizing;

use crate::aws::{Cause, Failure};
use crate::service::Service;
use crate::versions::Version;

/// A fetched value; zeroized when dropped.
pub(super) type Value = Zeroizing<Vec<u8>>;

/// A successful answer to one request.
pub(super) enum Answer {
    /// The held version is still the requested one.
    Unchanged,
    /// A value. It may equal the one that is on disk.
    Fetched {
        /// The value.
        value: Value,
        /// Which one it is.
        version: Version,
    },
    /// The parameters below a path, at least one.
    Parameters {
        /// In the order of their names.
        parameters: Vec<Parameter>,
        /// Which ones they are.
        version: Version,
    },
}

/// A parameter below a path.
pub(super) struct Parameter {
    /// Its name below the path.
    pub(super) name: String,
    /// Its value.
    pub(super) value: Value,
}

/// A request and its result.
pub(super) struct Answered<'a> {
    /// The request.
    pub(super) planned: &'a PlannedRequest,
    /// Its answer, or why there is none.
    pub(super) result: Result<Answer, ValueError>,
}

/// One result for each request of a plan. All requests start out unanswered, and an answer is stored at the index of its
/// own request. So an answer that is missing or comes twice affects no other request.
pub(super) struct Answers<'a>(Vec<Answered<'a>>);

impl<'a> Answers<'a> {
    /// All requests of a plan, unanswered.
    pub(super) fn none(plan: &'a Plan) -> Self {
        let requests = plan.requests.iter();
        Self(
            requests
                .map(|planned| Answered {
                    planned,
                    result: Err(ValueError::Unanswered),
                })
                .collect(),
        )
    }

    /// Stores what the first region answered to the request at an index of the plan.
    pub(super) fn set(&mut self, index: usize, result: Result<Answer, Failure>) {
        if let Some(answered) = self.0.get_mut(index) {
            answered.result = result.map_err(ValueError::One);
        }
    }

    /// Stores what the failover region answered. If both regions failed, both failures are kept.
    pub(super) fn set_second(&mut self, index: usize, second: Result<Answer, Failure>) {
        let Some(answered) = self.0.get_mut(index) else {
            return;
        };
        let first = std::mem::replace(&mut answered.result, Err(ValueError::Unanswered));
        answered.result = match (first, second) {
            (Err(ValueError::One(first)), Err(second)) => {
                Err(ValueError::Both(Box::new([first, second])))
            }
            (_, second) => second.map_err(ValueError::One),
        };
    }

    /// All requests, each with its index in the plan.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Answered<'a>)> {
        self.0.iter().enumerate()
    }
}

/// Why a value could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ValueError {
    /// The only region failed, or the first one with a final answer.
    One(Failure),
    /// Both regions failed.
    Both(Box<[Failure; 2]>),
    /// Nothing was stored for the request, which is a bug of this program.
    Unanswered,
}

impl ValueError {
    fn failures(&self) -> &[Failure] {
        match self {
            Self::One(failure) => std::slice::from_ref(failure),
            Self::Both(failures) => &failures[..],
            Self::Unanswered => &[],
        }
    }

    /// Did a service refuse for a reason other than its load?
    pub(super) fn is_refused(&self) -> bool {
        self.failures().iter().any(|failure| {
            matches!(failure.cause, Cause::Refused { .. }) && !failure.cause.is_throttling()
        })
    }

    /// Does the object not exist? Where the first region failed, the second one's answer counts.
    pub(super) fn is_not_found(&self) -> bool {
        self.failures().last().is_some_and(Failure::is_not_found)
    }

    /// Did it fail before the object itself was requested?
    pub(super) fn is_about_credentials(&self) -> bool {
        let failures = self.failures();
        !failures.is_empty()
            && failures.iter().all(|failure| match failure.service {
                Service::Sts | Service::PodIdentityAgent => true,
                Service::SecretsManager | Service::Ssm => false,
            })
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(failure) => write!(f, "{failure}"),
            Self::Both(failures) => {
                let [first, second] = &**failures;
                write!(f, "{first}; and in the failover region: {second}")
            }
            Self::Unanswered => {
                f.write_str("an internal error: no answer was recorded; please report it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use provider_class::{Class, SecretProviderClassSpec};

    use super::*;

    fn plan() -> Plan {
        let objects = "- {objectName: a, objectType: secretsmanager}\n- {objectName: b, objectType: secretsmanager}\n- {objectName: c, objectType: secretsmanager}";
        let parameters = [("region", "us-east-2"), ("objects", objects)];
        let class = Class::parse("db", &SecretProviderClassSpec::aws(parameters)).unwrap();
        class.resolve(None).unwrap()
    }

    fn fetched(text: &str) -> Answer {
        Answer::Fetched {
            value: Zeroizing::new(text.as_bytes().to_vec()),
            version: Version::new("us-east-2".parse().unwrap(), text.to_owned(), None),
        }
    }

    /// Each request with the value it got.
    fn values(answers: &Answers) -> Vec<String> {
        answers
            .iter()
            .map(|(_, answered)| match &answered.result {
                Ok(Answer::Fetched { version, .. }) => {
                    let id = version.id.as_deref().unwrap_or_default();
                    format!("{}={id}", answered.planned.request)
                }
                Ok(Answer::Parameters { .. }) => "parameters".to_owned(),
                Ok(Answer::Unchanged) => format!("{} unchanged", answered.planned.request),
                Err(error) => format!("{}: {error}", answered.planned.request),
            })
            .collect()
    }

    #[test]
    fn a_missing_and_a_doubled_answer_shift_no_value_to_another_request() {
        let plan = plan();
        let mut answers = Answers::none(&plan);
        answers.set(2, Ok(fetched("c")));
        answers.set(0, Ok(fetched("a")));
        answers.set(0, Ok(fetched("a again")));
        answers.set(7, Ok(fetched("of no request")));
        let missing = "b: an internal error: no answer was recorded; please report it";
        assert_eq!(values(&answers), ["a=a again", missing, "c=c"]);
    }

    #[test]
    fn the_second_region_answers_in_place_of_the_first() {
        let plan = plan();
        let failure = |reason: &str| Failure::setup(Service::Sts, reason);
        let mut answers = Answers::none(&plan);
        for index in 0..3 {
            answers.set(index, Err(failure("one")));
        }
        answers.set_second(1, Ok(fetched("b")));
        answers.set_second(2, Err(failure("two")));
        assert_eq!(
            values(&answers),
            [
                "a: STS: one",
                "b=b",
                "c: STS: one; and in the failover region: STS: two"
            ]
        );
    }
}
