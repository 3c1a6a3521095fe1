//! Why the API server refuses a request.

use serde::Deserialize;

use crate::aws::Cause;
use crate::aws::outside::Sent;
use crate::aws::retry::{Attempt, Retry};

/// Stands in a message in place of a Secret's contents. What comes after it may quote them all the same, such as the first characters
/// of a value that should be JSON.
const REDACTED: &str = "<secret contents redacted>";

/// Why a request was refused.
#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
struct Details {
    #[serde(default)]
    causes: Vec<StatusCause>,
}

#[derive(Debug, Deserialize)]
struct StatusCause {
    #[serde(default)]
    reason: String,
}

/// The failure of an attempt with this HTTP status.
pub(super) fn refused(status: u16, body: &[u8], sent: &Sent) -> Attempt {
    let said: Status = serde_json::from_slice(body).unwrap_or_default();
    let is_of_manager = said
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .any(|cause| cause.reason == "FieldManagerConflict");
    let code = sent.code(&said.reason);
    Attempt {
        cause: Cause::Refused {
            code: code.unwrap_or_else(|| format!("HTTP status {status}")),
            message: sent.message(without_contents(&said.message)),
        },
        retry: match status {
            409 if is_of_manager => Retry::Never,
            // Somebody changed the object at the same time; of many that do so, one succeeds each time.
            409 | 429 => Retry::UntilDeadline,
            500.. => Retry::Few,
            _ => Retry::Never,
        },
        pause: None,
    }
}

/// The message up to where contents of the Secret could be quoted.
fn without_contents(message: &str) -> &str {
    match message.split_once(REDACTED) {
        Some((before, _)) => &message[..before.len() + REDACTED.len()],
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_conflict_of_managers_is_final() {
        let of_manager = br#"{"reason": "Conflict", "message": "conflict with \"kubectl\"", "details": {"causes": [{"reason": "FieldManagerConflict"}]}}"#;
        for (status, body, retry) in [
            (409, &of_manager[..], Retry::Never),
            (409, br#"{"reason": "Conflict"}"#, Retry::UntilDeadline),
            (403, b"{}", Retry::Never),
            (422, b"{}", Retry::Never),
            (429, b"", Retry::UntilDeadline),
            (503, b"not JSON", Retry::Few),
        ] {
            let attempt = refused(status, body, &Sent::default());
            assert_eq!(attempt.retry, retry, "{status}");
        }
        let Cause::Refused { code, message } = refused(409, of_manager, &Sent::default()).cause
        else {
            panic!()
        };
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("Conflict", "conflict with \"kubectl\"")
        );
    }

    #[test]
    fn a_message_ends_where_it_could_quote_a_value() {
        let body = br#"{"reason": "Invalid", "message": "Secret \"pull\" is invalid: data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": invalid character 'h' looking for beginning of value"}"#;
        let Cause::Refused { message, .. } = refused(422, body, &Sent::default()).cause else {
            panic!()
        };
        assert_eq!(
            message,
            "Secret \"pull\" is invalid: data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>"
        );
    }
}
