//! Answers of the API server have a bound: whoever may create objects decides how long a list of them is.

use axum::http::{Request, Response};
use http_body_util::{BodyExt as _, Either, LengthLimitError, Limited};
use kube::Client;
use kube::client::Body;

/// The longest answer that is read, in bytes: the largest object that etcd takes (1.5 MiB), where JSON escapes each byte as six.
const LONGEST: usize = 10 * 1024 * 1024;

/// An answer that is longer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("its answer has more than {LONGEST} bytes")]
struct TooLong;

/// The same client, with a bound for answers. Not for those of a watch, which end with the watch: each of its events is one object,
/// and is read by itself.
pub(crate) fn bounded(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move {
            let query = request.uri().query().unwrap_or_default();
            let is_watch = query.split('&').any(|pair| pair == "watch=true");
            let response: Response<Body> = client.send(request).await?;
            Ok::<_, kube::Error>(response.map(|body| {
                if is_watch {
                    Either::Left(body)
                } else {
                    Either::Right(Limited::new(body, LONGEST).map_err(named))
                }
            }))
        }
    });
    Client::new(service, namespace)
}

fn named(error: tower::BoxError) -> tower::BoxError {
    if error.is::<LengthLimitError>() {
        TooLong.into()
    } else {
        error
    }
}

/// Was the answer too long?
pub(crate) fn is_too_long(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Service(error) if error.is::<TooLong>())
}
