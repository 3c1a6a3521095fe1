//! Plays the EKS Pod Identity agent.

use std::time::{Duration, SystemTime};

use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Response};

use crate::answers::{Body, JSON, endless, respond};
use crate::call::{Call, claims};
use crate::fault::{Kind, take};
use crate::state::{State, lock};

/// Where the injector asks for credentials.
pub(crate) const PATH: &str = "/v1/credentials";

/// Credentials of a role in account 123456789012, moto's default.
pub(crate) fn answer(state: &State, headers: &HeaderMap) -> Response<Body> {
    let token = headers.get(AUTHORIZATION);
    let token = token.and_then(|token| token.to_str().ok());
    let claims = claims(token.unwrap_or_default());
    let subject = claims["sub"].as_str().map(str::to_owned);
    let access_key = format!("ASIAPODIDENTITY{}", lock(&state.subjects).len());
    let mut call = Call {
        operation: "PodIdentityCredentials".to_owned(),
        ..Call::default()
    };
    call.caller.subject.clone_from(&subject);
    call.audiences = claims["aud"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|aud| aud.as_str().map(str::to_owned))
        .collect();
    call.expires = claims["exp"].as_u64();
    let fault = take(&mut lock(&state.faults), &call);
    lock(&state.calls).push(call);
    match fault {
        Some(Kind::Error {
            status, message, ..
        }) => return respond(status, "text/plain", message),
        Some(Kind::Page { status, text }) => return respond(status, "text/html", text),
        Some(Kind::Endless { told }) => return endless(told),
        Some(Kind::Answer(json)) => return respond(200, JSON, json.to_string()),
        _ => {}
    }
    if let Some(subject) = subject {
        lock(&state.subjects).insert(access_key.clone(), subject);
    }
    let expiration = SystemTime::now() + Duration::from_hours(1);
    let seconds = expiration
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let answer = serde_json::json!({
        "AccessKeyId": access_key,
        "SecretAccessKey": "stand-in",
        "Token": "stand-in",
        "AccountId": "123456789012",
        "Expiration": rfc3339(seconds),
    });
    respond(200, JSON, answer.to_string())
}

/// Seconds since 1970 as a UTC time; days by Howard Hinnant's `civil_from_days`,
/// <https://howardhinnant.github.io/date_algorithms.html>.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86400, seconds % 86400);
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (
        doy - (153 * mp + 2) / 5 + 1,
        if mp < 10 { mp + 3 } else { mp - 9 },
    );
    let year = yoe + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_written_as_aws_writes_them() {
        assert_eq!(super::rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(super::rfc3339(1_709_210_096), "2024-02-29T12:34:56Z");
    }
}
