//! All parameters below a path of Parameter Store, in pages of ten.

use std::collections::BTreeMap;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::operation::get_parameters_by_path::GetParametersByPathOutput;
use aws_sdk_ssm::types::{Parameter as AwsParameter, ParameterStringFilter};
use provider_class::{PathCall, PathRequest};
use zeroize::Zeroizing;

use super::answers::{Answer, Value};
use crate::aws::{Cause, Failure, Target};
use crate::service::Service;
use crate::versions::Version;

/// Parameters of a page, which is the most that the service takes.
///
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html>.
const PAGE: i32 = 10;
/// Parameters below a path: each becomes a file in memory.
const MOST: usize = 1000;
/// A page may be empty although more follow.
const MOST_PAGES: usize = 1000;

/// `GetParametersByPath`, decrypted, with all pages: a result for each request of the call, with its index.
pub(super) async fn fetch(
    target: Target<'_>,
    client: &Client,
    call: PathCall<'_, usize>,
) -> Vec<(usize, Result<Answer, Failure>)> {
    let found = fetch_all(target, client, call.request).await;
    let requests = call.requests.into_iter();
    requests
        .map(|(index, request)| {
            let answer = match &found {
                Ok(found) => answer(target, request, found),
                Err(failure) => Err(failure.clone()),
            };
            (index, answer)
        })
        .collect()
}

/// A value that was found, with its version.
struct Found {
    name: String,
    value: Zeroizing<Vec<u8>>,
    version: i64,
    modified: Option<i64>,
}

async fn fetch_all(
    target: Target<'_>,
    client: &Client,
    request: &PathRequest,
) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let page = fetch_page(target, client, request, token).await?;
        found.extend(page.parameters.into_iter().flatten().filter_map(Found::of));
        if found.len() > MOST {
            break;
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
    Err(target.failure(Service::Ssm, Cause::too_many_parameters(MOST)))
}

async fn fetch_page(
    target: Target<'_>,
    client: &Client,
    request: &PathRequest,
    token: Option<String>,
) -> Result<GetParametersByPathOutput, Failure> {
    let page = target.send(Service::Ssm, async || {
        let call = client.get_parameters_by_path();
        call.path(request.wire_path())
            .recursive(request.is_recursive)
            .with_decryption(true)
            .max_results(PAGE)
            .set_parameter_filters(request.label.as_deref().map(filters))
            .set_next_token(token.clone())
            .send()
            .await
    });
    page.await
}

/// Only versions with a label.
fn filters(label: &str) -> Vec<ParameterStringFilter> {
    let filter = ParameterStringFilter::builder();
    let filter = filter.key("Label").option("Equals").values(label).build();
    // A filter with a key is complete.
    filter.into_iter().collect()
}

impl Found {
    fn of(parameter: AwsParameter) -> Option<Self> {
        drop(parameter.source_result.map(Zeroizing::new));
        Some(Self {
            name: parameter.name?,
            value: Zeroizing::new(parameter.value?.into_bytes()),
            version: parameter.version,
            modified: parameter.last_modified_date.map(|time| time.secs()),
        })
    }
}

/// The parameters of one request, which may be some of those that were found.
fn answer(target: Target<'_>, request: &PathRequest, found: &[Found]) -> Result<Answer, Failure> {
    let mut below = BTreeMap::new();
    for found in found {
        if let Some(name) = request.below(&found.name) {
            below.insert(name, found);
        }
    }
    if below.is_empty() {
        return Err(target.failure(Service::Ssm, Cause::no_parameters()));
    }
    let versions: Vec<_> = below
        .iter()
        .map(|(name, found)| format!("{name}:{}", found.version))
        .collect();
    let newest = below.values().filter_map(|found| found.modified).max();
    let version = Version::new(target.region.clone(), versions.join(","), newest);
    let values = below.into_iter().map(|(name, found)| Value {
        name: Some(name.to_owned()),
        bytes: found.value.clone(),
    });
    Ok(Answer::Fetched {
        values: values.collect(),
        version,
    })
}
