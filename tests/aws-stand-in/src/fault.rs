//! Failures on purpose: which calls they meet, and what happens to those.

use std::time::Duration;

use crate::Call;

/// A failure on purpose.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which calls.
    pub when: When,
    /// What happens.
    pub kind: Kind,
    /// How many calls are met; all without a number.
    pub times: Option<usize>,
}

/// Which calls a fault meets: those that match every part that is given.
#[derive(Clone, Debug, Default)]
pub struct When {
    /// The operation.
    pub operation: Option<String>,
    /// The region of the signature.
    pub region: Option<String>,
    /// A part of an object's name.
    pub object: Option<String>,
    /// A part of the caller's subject, such as `:namespace:`.
    pub subject: Option<String>,
}

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Kind {
    /// It is answered, later.
    Late(Duration),
    /// It is answered with an error of this HTTP status and code.
    Error {
        /// HTTP status.
        status: u16,
        /// As in `__type`, or STS's `Code`.
        code: String,
        /// For people.
        message: String,
    },
    /// The connection is closed instead of an answer.
    Drop,
    /// The connection is closed in the middle of the answer.
    DropMidBody,
    /// Half of the answer comes, as if it were all.
    Truncate,
    /// It is answered with this JSON, which moto would not say.
    Answer(serde_json::Value),
    /// No answer comes.
    Hang,
}

impl Kind {
    /// The service's answer to too many calls.
    pub fn throttle() -> Self {
        Self::error(400, "ThrottlingException", "Rate exceeded")
    }

    /// The service's answer to a caller without permission.
    pub fn access_denied() -> Self {
        Self::error(
            400,
            "AccessDeniedException",
            "User is not authorized to perform this action",
        )
    }

    /// Any other answer.
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

/// The next fault that meets a call; a counted one is used up by it.
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
