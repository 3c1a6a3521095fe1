//! Answers that moto cannot give.

use std::convert::Infallible;
use std::io;

use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

use crate::Call;

pub(crate) type Body = BoxBody<Bytes, io::Error>;

pub(crate) const JSON: &str = "application/json";

pub(crate) fn whole(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never: Infallible| match never {})
        .boxed()
}

pub(crate) fn error(call: &Call, status: u16, code: &str, message: &str) -> Response<Body> {
    let (kind, text) = if call.operation.starts_with("AssumeRole") {
        let text = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        ("text/xml", text)
    } else {
        (
            "application/x-amz-json-1.1",
            serde_json::json!({"__type": code, "message": message}).to_string(),
        )
    };
    respond(status, kind, text)
}

/// An endless answer.
pub(crate) fn endless(told: bool) -> Response<Body> {
    let more = stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b' '; 16 * 1024]))));
    let mut response = Response::new(StreamBody::new(more).boxed());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    if told {
        headers.insert(CONTENT_LENGTH, (1_u64 << 40).into());
    }
    response
}

pub(crate) fn respond(status: u16, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(whole(text.into()));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
