//! What the webhook decides about an object, and in which words it refuses one.
//!
//! | module | holds |
//! |---|---|
//! | `pods`, `classes` | the two handlers: reviews of pods, reviews of SecretProviderClasses |
//! | `names` | names that are parts of requests to the API server, checked before all else |
//! | `admitted` | what an admitted pod gets |
//! | `decision` | from a pod to its patch |
//! | `defaults` | annotations for pods that do not set them |
//! | `pod_classes` | the classes of a pod |
//! | `rules` | what the platform decides about all pods |
//! | `refusal` | every reason to refuse a pod |
//! | `response` | the response of a review: warnings, refusals, and its outcome for the metrics |

pub(crate) mod classes;
pub(crate) mod decision;
pub(crate) mod defaults;
pub(crate) mod pods;

mod admitted;
mod names;
mod pod_classes;
mod refusal;
mod response;
pub(crate) mod rules;

pub use admitted::Admitted;
pub use decision::{inject, request};
pub use names::BadName;
pub use refusal::Refusal;
pub use response::Outcome;

#[cfg(test)]
mod tests;
