//! The answer to a request.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State as Extracted};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::{ApiServer, State};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

pub(crate) async fn serve(Extracted(server): Extracted<ApiServer>, request: Request) -> Response {
    if server.change(|state| state.hangs) {
        std::future::pending::<()>().await;
    }
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method, parts.uri.path());
    let query = parts.uri.query().unwrap_or_default();
    if query.contains("watch=true") {
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        server.change(|state| state.watches.push((path.to_owned(), sender)));
        return Body::from_stream(receiver).into_response();
    }
    let asked = format!("{method} {path}?{query}");
    server.change(|state| state.asked.push(asked.trim_end_matches('?').to_owned()));
    let (gated, gate) = &*server.gate;
    if path.contains(gated) {
        let _permit = gate.acquire().await.unwrap();
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let sent = serde_json::from_slice(&body).unwrap_or_default();
    if method == Method::POST && path == REVIEWS {
        return review(&server, sent).await;
    }
    server.change(|state| state.answer(&method, path, query, sent))
}

async fn review(server: &ApiServer, mut review: Value) -> Response {
    server.change(|state| {
        state.reviews += 1;
        state.most_reviews = state.most_reviews.max(state.reviews);
    });
    // The others come meanwhile.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let is_allowed = server.change(|state| {
        state.reviews -= 1;
        let access = state.access.as_ref();
        access.is_some_and(|access| access(&review["spec"]))
    });
    review["status"] = json!({"allowed": is_allowed});
    (StatusCode::CREATED, Json(review)).into_response()
}

impl State {
    pub(crate) fn store(&mut self, path: &str, mut object: Value) -> Response {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(path.to_owned(), object.clone());
        Json(object).into_response()
    }

    fn answer(&mut self, method: &Method, path: &str, query: &str, sent: Value) -> Response {
        if let Some(code) = self.failures.pop_front() {
            return status(code, "an internal error", &[]);
        }
        let mut failing = self.failing.iter();
        if let Some((_, code)) = failing.find(|(part, _)| path.contains(part)) {
            let (parent, name) = path.rsplit_once('/').unwrap();
            let what = match parent.rsplit_once('/') {
                Some((_, resource)) if !self.lists.contains_key(path) => {
                    format!("{resource} {name:?}")
                }
                _ => name.to_owned(),
            };
            let message = format!("{what} is forbidden: User cannot do this");
            return status(*code, &message, &[]);
        }
        match *method {
            Method::GET => self.read(path, query),
            Method::POST => {
                let path = format!("{path}/{}", sent["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&path) {
                    return refusal(StatusCode::CONFLICT, "AlreadyExists", "already exists", &[]);
                }
                self.store(&path, sent)
            }
            Method::PATCH if path.contains("/secrets/") => self.apply_secret(path, query, &sent),
            Method::PUT | Method::PATCH => {
                let Some(object) = self.objects.get(path) else {
                    return status(StatusCode::NOT_FOUND, "not found", &[]);
                };
                if object["metadata"]["resourceVersion"] != sent["metadata"]["resourceVersion"] {
                    return status(StatusCode::CONFLICT, "was changed", &[]);
                }
                let is_apply = *method == Method::PATCH;
                let object = if is_apply {
                    self.applied_configuration(object.clone(), &sent)
                } else {
                    sent
                };
                self.store(path, object)
            }
            _ => panic!("the programs have no reason to {method} {path}"),
        }
    }

    fn read(&self, path: &str, query: &str) -> Response {
        if let Some(items) = self.lists.get(path) {
            page(items, query)
        } else if let Some(object) = self.objects.get(path) {
            Json(object).into_response()
        } else if self.unserved.iter().any(|part| path.starts_with(part)) {
            (StatusCode::NOT_FOUND, "404 page not found").into_response()
        } else {
            status(StatusCode::NOT_FOUND, "not found", &[])
        }
    }

    /// Server-side apply of a webhook configuration: only its webhooks' client configurations.
    fn applied_configuration(&self, mut object: Value, sent: &Value) -> Value {
        let webhooks = object["webhooks"].as_array_mut().unwrap().iter_mut();
        for (webhook, applied) in webhooks.zip(sent["webhooks"].as_array().unwrap()) {
            assert_eq!(webhook["name"], applied["name"]);
            if !self.undoes {
                webhook["clientConfig"] = applied["clientConfig"].clone();
            }
        }
        if let Some(clock) = &self.clock {
            object["metadata"]["managedFields"] =
                json!([{"manager": "webhook-certs", "operation": "Apply", "time": clock()}]);
        }
        object
    }
}

/// A list, in as many answers as its reader asks for.
fn page(items: &[Value], query: &str) -> Response {
    let number = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.find_map(|(key, value)| (key == name).then_some(value));
        value.map(|value| value.parse::<usize>().unwrap())
    };
    let start = number("continue").unwrap_or_default();
    let most = number("limit").unwrap_or(usize::MAX - start);
    let end = items.len().min(start + most);
    let mut metadata = json!({"resourceVersion": "1"});
    if end < items.len() {
        metadata["continue"] = end.to_string().into();
    }
    Json(json!({"metadata": metadata, "items": items[start..end]})).into_response()
}

/// An answer without an object, for the usual reason of its code.
pub(crate) fn status(code: StatusCode, message: &str, causes: &[&str]) -> Response {
    let reason = code.canonical_reason().unwrap().replace(' ', "");
    refusal(code, &reason, message, causes)
}

fn refusal(code: StatusCode, reason: &str, message: &str, causes: &[&str]) -> Response {
    let causes = causes.iter().map(|reason| json!({"reason": reason}));
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code.as_u16(),
        "details": {"causes": causes.collect::<Vec<_>>()},
    });
    (code, Json(status)).into_response()
}
