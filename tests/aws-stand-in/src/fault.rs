//! Injected faults: which calls they apply to, and what happens to these.
//!
//! Over HTTP, a fault is JSON, such as
//! `{"when": {"object": "MySecret3"}, "kind": {"error": {"status": 500, "code": "InternalServiceError", "message": "no"}}}`
//! or `{"when": {"operation": "GetParameters"}, "kind": {"late": 1500}, "times": 2}`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Call;

/// An injected fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The calls it applies to.
    #[serde(default)]
    pub when: When,
    /// What happens to them.
    pub kind: Kind,
    /// How many calls it applies to. The default is all.
    #[serde(default)]
    pub times: Option<usize>,
}

/// Selects calls: those that match all given fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// The operation.
    pub operation: Option<String>,
    /// The region of the signature.
    pub region: Option<String>,
    /// A substring of an object's name.
    pub object: Option<String>,
    /// A substring of the caller's subject, such as `:namespace:`.
    pub subject: Option<String>,
}

/// What happens to a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The answer is delayed; in JSON, by milliseconds.
    #[serde(
        serialize_with = "as_milliseconds",
        deserialize_with = "from_milliseconds"
    )]
    Late(Duration),
    /// The answer is an error with this HTTP status and code.
    Error {
        /// HTTP status.
        status: u16,
        /// As in `__type`, or STS's `Code`.
        code: String,
        /// The message.
        message: String,
    },
    /// The connection is closed without an answer.
    Drop,
    /// The connection is closed in the middle of the answer.
    DropMidBody,
    /// Only half of the answer is sent, as if it were complete.
    Truncate,
    /// The answer is this JSON.
    Answer(serde_json::Value),
    /// The answer is this HTML page, as from a server that is not AWS.
    Page {
        /// HTTP status.
        status: u16,
        /// The page.
        text: String,
    },
    /// The answer has an endless body, with or without a content length.
    Endless {
        /// Whether there is a content length.
        told: bool,
    },
    /// There is no answer.
    Hang,
}

impl Kind {
    /// The service's throttling error.
    pub fn throttle() -> Self {
        Self::error(400, "ThrottlingException", "Rate exceeded")
    }

    /// The service's error for missing permissions.
    pub fn access_denied() -> Self {
        Self::error(
            400,
            "AccessDeniedException",
            "User is not authorized to perform this action",
        )
    }

    /// Any other error.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Error {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }
}

impl When {
    /// Calls of an operation.
    pub fn operation(operation: &str) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            ..Self::default()
        }
    }

    /// Calls about an object.
    pub fn object(object: &str) -> Self {
        Self {
            object: Some(object.to_owned()),
            ..Self::default()
        }
    }

    /// Calls to a region.
    pub fn region(region: &str) -> Self {
        Self {
            region: Some(region.to_owned()),
            ..Self::default()
        }
    }

    pub(crate) fn meets(&self, call: &Call) -> bool {
        let operation = self
            .operation
            .as_ref()
            .is_none_or(|operation| *operation == call.operation);
        let region = self.region.is_none() || self.region == call.region;
        let object = self
            .object
            .as_ref()
            .is_none_or(|part| call.objects.iter().any(|object| object.contains(part)));
        let subject = self.subject.as_ref().is_none_or(|part| {
            call.caller
                .subject
                .iter()
                .any(|subject| subject.contains(part))
        });
        operation && region && object && subject
    }
}

fn as_milliseconds<S: Serializer>(delay: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
}

fn from_milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// The next fault that applies to a call. A fault with a limit is used up.
pub(crate) fn take(faults: &mut Vec<Fault>, call: &Call) -> Option<Kind> {
    let index = faults.iter().position(|fault| fault.when.meets(call))?;
    let kind = faults[index].kind.clone();
    match &mut faults[index].times {
        Some(times) if *times <= 1 => drop(faults.remove(index)),
        Some(times) => *times -= 1,
        None => {}
    }
    Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str, object: &str) -> Call {
        Call {
            operation: operation.to_owned(),
            objects: vec![object.to_owned()],
            ..Call::default()
        }
    }

    #[test]
    fn a_counted_fault_is_used_up_by_the_calls_it_meets() {
        let mut faults: Vec<Fault> = serde_json::from_str(
            r#"[{"when": {"object": "MySecret3"}, "kind": {"late": 1500}, "times": 2}]"#,
        )
        .unwrap();
        assert!(take(&mut faults, &call("GetSecretValue", "MySecret4")).is_none());
        for _ in 0..2 {
            let met = take(&mut faults, &call("GetSecretValue", "MySecret3"));
            assert!(matches!(met, Some(Kind::Late(delay)) if delay == Duration::from_millis(1500)));
        }
        assert!(take(&mut faults, &call("GetSecretValue", "MySecret3")).is_none());
    }

    #[test]
    fn an_uncounted_fault_meets_every_call_that_matches_all_parts() {
        let mut faults: Vec<Fault> = serde_json::from_str(
            r#"[{"when": {"operation": "GetParameters", "object": "/app"}, "kind": "drop"}]"#,
        )
        .unwrap();
        for _ in 0..3 {
            assert!(take(&mut faults, &call("GetParameters", "/app/db")).is_some());
        }
        assert!(take(&mut faults, &call("GetParameters", "/other")).is_none());
        assert!(take(&mut faults, &call("GetSecretValue", "/app/db")).is_none());
    }

    #[test]
    fn a_misspelt_part_of_a_fault_is_an_error_and_not_a_fault_for_all_calls() {
        let error = serde_json::from_str::<Fault>(r#"{"when": {"objekt": "a"}, "kind": "drop"}"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("objekt"), "{error}");
    }
}
