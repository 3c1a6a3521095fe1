//! The paths that the API server calls, and the limits of every request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use kube::Resource;
use kube::core::admission::{AdmissionRequest, AdmissionResponse};
use serde::de::DeserializeOwned;

use crate::admission::Outcome;
use crate::admission::decision::Admission;
use crate::admission::{classes, pods};
use crate::cluster::ApiServers;
use crate::panics::contained;
use crate::server::connections::Work;
use crate::server::lanes::Lanes;
use crate::server::metrics::Metrics;
use crate::server::readiness::Readiness;
use crate::server::refused::{BODY_TIME, Refused};
use crate::server::review::{self, CLASSES, PODS, Reviewed};

/// Where the API server sends pods.
pub const MUTATE_PODS: &str = "/mutate-pods";
/// Where it sends SecretProviderClasses.
pub const VALIDATE_CLASSES: &str = "/validate-classes";

/// A request has this long, body and answer: the API server waits for a webhook at most as long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// What the answer has of it. A timer wakes another thread, so there is none over both, and none over an answer that does not
/// have to wait.
const ANSWER_TIMEOUT: Duration = REQUEST_TIMEOUT.saturating_sub(BODY_TIME);

/// A review that took longer to read is answered after all others that are ready. One that did not is answered at once,
/// while the pod is in the processor's cache: under load, that takes half of the time.
const LONG: Duration = Duration::from_millis(5);

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Reviews {
    /// What decides.
    pub admission: Admission,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Is the end near?
    pub readiness: Arc<Readiness>,
}

/// The reviews, and the memory that they may take together.
struct Handlers {
    reviews: Reviews,
    lanes: Lanes,
}

/// Answers reviews.
pub(crate) fn router(reviews: Reviews, api_servers: ApiServers) -> Router {
    let last_request = middleware::from_fn_with_state(Arc::clone(&reviews.readiness), last_request);
    let lanes = Lanes::new(api_servers);
    Router::new()
        .route(MUTATE_PODS, post(mutate_pods))
        .route(VALIDATE_CLASSES, post(validate_classes))
        .layer(last_request)
        .with_state(Arc::new(Handlers { reviews, lanes }))
}

async fn mutate_pods(State(shared): State<Arc<Handlers>>, request: Request) -> Response {
    let admission = &shared.reviews.admission;
    let answer = async |request: &_| pods::answer(admission, request).await;
    shared.review(request, PODS, answer).await
}

async fn validate_classes(State(shared): State<Arc<Handlers>>, request: Request) -> Response {
    let region = &shared.reviews.admission.region;
    let answer = async |request: &_| classes::answer(region, request).await;
    shared.review(request, CLASSES, answer).await
}

impl Handlers {
    /// Answers the review in a request, and counts the request whatever becomes of it.
    async fn review<K>(
        &self,
        request: Request,
        reviewed: Reviewed,
        answer: impl AsyncFnOnce(&AdmissionRequest<K>) -> (AdmissionResponse, Outcome),
    ) -> Response
    where
        K: Resource + DeserializeOwned,
    {
        let came = Instant::now();
        let answered = self.read(request, reviewed, answer).await;
        answered.unwrap_or_else(|refused| {
            tracing::warn!("gave up a review: {refused}");
            let (metrics, outcome) = (&self.reviews.metrics, refused.outcome());
            metrics.reviewed(reviewed, outcome, came.elapsed());
            // The connection ends with it if a part of the request is still to come.
            (refused.status(), refused.to_string()).into_response()
        })
    }

    /// Reads a body when there is room for it, and answers the review in it.
    async fn read<K>(
        &self,
        request: Request,
        reviewed: Reviewed,
        answer: impl AsyncFnOnce(&AdmissionRequest<K>) -> (AdmissionResponse, Outcome),
    ) -> Result<Response, Refused>
    where
        K: Resource + DeserializeOwned,
    {
        let (head, body) = request.into_parts();
        let work = head.extensions.get::<Work>().cloned();
        let room = self.lanes.room(work.as_ref().map(Work::peer));
        let body = room.bodies.read(&head, body).await?;
        let answered = async {
            let place = room.reviews.enter(&body.bytes).await?;
            let started = Instant::now();
            let read = review::read(&body.bytes, reviewed);
            drop(body);
            if started.elapsed() > LONG {
                // If its client has left since, this is where that is seen.
                tokio::task::yield_now().await;
            }
            let answered = async {
                let response = self.reviews.answer(read, reviewed, started, answer).await;
                room.answers.hold(response, work).await
            };
            room.reviews.work(place, Box::pin(answered)).await
        };
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, answered).await;
        answered.unwrap_or(Err(Refused::TimedOut))
    }
}

impl Reviews {
    /// Has a review answered, and counts it. After a panic there is no answer: what that means for the object, the failurePolicy of
    /// the webhook configuration says.
    async fn answer<K>(
        &self,
        read: Result<AdmissionRequest<K>, String>,
        reviewed: Reviewed,
        started: Instant,
        answer: impl AsyncFnOnce(&AdmissionRequest<K>) -> (AdmissionResponse, Outcome),
    ) -> Response
    where
        K: Resource + DeserializeOwned,
    {
        let (response, outcome) = match read {
            Ok(request) => match contained(Box::pin(answer(&request))).await {
                Some((response, outcome)) => (review::answered(response), outcome),
                None => (review::panicked(&request.uid), Outcome::Refused("internal")),
            },
            Err(reason) => (review::malformed(&reason), Outcome::Malformed),
        };
        self.metrics.reviewed(reviewed, outcome, started.elapsed());
        response
    }
}

/// During shutdown, an answer is the last one of its connection. The API server keeps its connections to a pod that
/// is being terminated. If one were closed silently just as it is about to carry a review, that pod would be refused.
async fn last_request(
    State(readiness): State<Arc<Readiness>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if readiness.is_shutting_down() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
