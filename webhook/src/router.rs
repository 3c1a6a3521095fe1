//! The paths that the API server calls, and what holds for every request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use kube::Resource;
use kube::core::admission::{AdmissionRequest, AdmissionResponse};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::admission::Admission;
use crate::metrics::{Metrics, Outcome};
use crate::panics::contained;
use crate::readiness::Readiness;
use crate::review::{self, CLASSES, PODS, Reviewed};
use crate::{classes, pods};

/// Where the API server sends pods.
pub const MUTATE_PODS: &str = "/mutate-pods";
/// Where it sends SecretProviderClasses.
pub const VALIDATE_CLASSES: &str = "/validate-classes";

/// The largest body that is read: the API server's own bound for a request, and some for the rest of the review.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// Bodies in memory at the same time, in KiB; more wait. Thousands of usual pods, or four of the largest.
const BODIES: usize = 16 * 1024;
/// A request has this long, body and answer: the API server waits for a webhook at most as long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What all requests share.
#[derive(Clone)]
pub struct Reviews {
    /// What decides.
    pub admission: Admission,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Is the end near?
    pub readiness: Arc<Readiness>,
}

/// Answers reviews.
pub fn router(reviews: Reviews) -> Router {
    let bodies = Arc::new(Semaphore::new(BODIES));
    let bounded = middleware::from_fn_with_state(bodies, bounded);
    let last_request = middleware::from_fn_with_state(Arc::clone(&reviews.readiness), last_request);
    let reviews = Arc::new(reviews);
    Router::new()
        .route(MUTATE_PODS, post(mutate_pods))
        .route(VALIDATE_CLASSES, post(validate_classes))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .layer(bounded)
        .layer(last_request)
        .with_state(reviews)
}

async fn mutate_pods(State(reviews): State<Arc<Reviews>>, body: Bytes) -> Response {
    let answer = async |request: &_| pods::answer(&reviews.admission, request).await;
    reviews.review(&body, PODS, answer).await
}

async fn validate_classes(State(reviews): State<Arc<Reviews>>, body: Bytes) -> Response {
    let region = &reviews.admission.region;
    let answer = async |request: &_| classes::answer(region, request).await;
    reviews.review(&body, CLASSES, answer).await
}

impl Reviews {
    /// Reads a review, has it answered, and counts it. After a panic there is no answer: what that means for the object,
    /// the failurePolicy of the webhook configuration says.
    async fn review<K>(
        &self,
        body: &[u8],
        reviewed: Reviewed,
        answer: impl AsyncFnOnce(&AdmissionRequest<K>) -> (AdmissionResponse, Outcome),
    ) -> Response
    where
        K: Resource + DeserializeOwned,
    {
        let started = Instant::now();
        let (response, outcome) = match review::read(body, reviewed) {
            Ok(request) => match contained(Box::pin(answer(&request))).await {
                Some((response, outcome)) => (review::answered(response), outcome),
                None => (review::panicked(&request.uid), Outcome::Refused("internal")),
            },
            Err(reason) => (review::malformed(reason), Outcome::Malformed),
        };
        self.metrics.reviewed(reviewed, outcome, started.elapsed());
        response
    }
}

/// Bounds memory and time, whatever comes and from whomever.
async fn bounded(State(bodies): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .unwrap_or(MAX_BODY);
    let kib = u32::try_from(length.min(MAX_BODY).div_ceil(1024)).unwrap_or(u32::MAX);
    let answer = async {
        match bodies.acquire_many(kib).await {
            Ok(_permit) => next.run(request).await,
            // Only a closed semaphore has none to give, and nothing closes it.
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    };
    tokio::time::timeout(REQUEST_TIMEOUT, answer)
        .await
        .unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

/// Once the end is near, an answer is the last one of its connection. The API server keeps connections to a pod that is no
/// endpoint any more; closed without a word, one of them may be just about to carry a review, and that pod would be refused.
async fn last_request(
    State(readiness): State<Arc<Readiness>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if readiness.is_ending() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
