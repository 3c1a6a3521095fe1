//! The server between callers and moto.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::call::{Call, claims};
use crate::fault::{Fault, Kind, When, take};
use crate::front::{self, Distance, Front, Serve};
use crate::{CommandLine, Moto, Seed, http};

/// AWS, as far as tests need it. Ends with this value.
#[derive(Debug)]
pub struct StandIn {
    /// Where callers reach it.
    pub address: SocketAddr,
    state: Arc<State>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    moto: Moto,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Vec<Fault>>,
    /// Whose token an access key was given for.
    subjects: Mutex<HashMap<String, String>>,
    /// moto's answers, if they are kept.
    kept: Mutex<Option<Kept>>,
}

/// Answers by what was asked: operation and body.
type Kept = HashMap<(String, Bytes), Response<Bytes>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StandIn {
    /// Starts moto, and the proxy on an address; port 0 means any.
    pub async fn start(target: &Path, listen: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("could not listen on {listen}"))?;
        let moto = Moto::start(target).await?;
        let state = Arc::new(State {
            moto,
            calls: Mutex::default(),
            faults: Mutex::default(),
            subjects: Mutex::default(),
            kept: Mutex::default(),
        });
        let address = listener.local_addr()?;
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            server,
        })
    }

    /// Its endpoint, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All calls so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state.calls).clone()
    }

    /// Calls by ServiceAccounts of a namespace.
    pub fn calls_of(&self, namespace: &str) -> Vec<Call> {
        let subject = format!("system:serviceaccount:{namespace}:");
        let mine = |call: &Call| {
            call.caller
                .subject
                .as_ref()
                .is_some_and(|caller| caller.starts_with(&subject))
        };
        self.calls().into_iter().filter(mine).collect()
    }

    /// Forgets all calls.
    pub fn forget(&self) {
        lock(&self.state.calls).clear();
    }

    /// From now on, until it is used up or healed.
    pub fn fail(&self, fault: Fault) {
        lock(&self.state.faults).push(fault);
    }

    /// No more faults for these calls; those for others stay.
    pub fn heal_calls(&self, when: &When) {
        lock(&self.state.faults).retain(|fault| fault.when != *when);
    }

    /// No more faults.
    pub fn heal(&self) {
        lock(&self.state.faults).clear();
    }

    /// The same over TLS, as far away as one likes.
    pub async fn tls(&self, distance: Distance) -> anyhow::Result<Front> {
        front::start(distance, Behind(Arc::clone(&self.state))).await
    }

    /// From now on moto is asked the same only once: it answers in milliseconds, which is too slow for measurements.
    pub fn keep_answers(&self) {
        lock(&self.state.kept).get_or_insert_default();
    }

    /// Puts secrets and parameters in, past the record and the faults.
    pub fn seed(&self, account: &str, region: &str) -> Seed {
        Seed::new(self.state.moto.address, account, region)
    }

    /// AWS's command line, for an account and region; installed below the build's folder.
    pub async fn command_line(
        &self,
        target: &Path,
        account: &str,
        region: &str,
    ) -> anyhow::Result<CommandLine> {
        CommandLine::new(target, &self.seed(account, region)).await
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Body = BoxBody<Bytes, io::Error>;

async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&state), request));
            // An error is a connection that was closed, on purpose or by the caller.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never: Infallible| match never {})
        .boxed()
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed on purpose")
}

/// The same over TLS.
#[derive(Clone)]
struct Behind(Arc<State>);

impl Serve for Behind {
    async fn serve(
        self,
        stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
        later: Duration,
    ) {
        let service = service_fn(|request| {
            let state = Arc::clone(&self.0);
            async move {
                tokio::time::sleep(later).await;
                answer(state, request).await
            }
        });
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    if parts.uri.path() == FAULTS {
        return Ok(control_faults(&state, &parts.method, &body));
    }
    if parts.method == Method::GET {
        return Ok(get(&state, &parts));
    }
    let mut call = Call::read(&parts.headers, &body);
    if call.caller.subject.is_none() {
        call.caller.subject = call
            .caller
            .access_key
            .as_ref()
            .and_then(|key| lock(&state.subjects).get(key).cloned());
    }
    lock(&state.calls).push(call.clone());
    let fault = take(&mut lock(&state.faults), &call);
    match &fault {
        Some(Kind::Error {
            status,
            code,
            message,
        }) => return Ok(error(&call, *status, code, message)),
        Some(Kind::Answer(json)) => {
            return Ok(respond(200, "application/x-amz-json-1.1", json.to_string()));
        }
        Some(Kind::Drop) => return Err(closed()),
        Some(Kind::Hang) => return std::future::pending().await,
        Some(Kind::Late(delay)) => tokio::time::sleep(*delay).await,
        Some(Kind::DropMidBody | Kind::Truncate) | None => {}
    }
    let (mut parts, bytes) = ask_moto(&state, &call, parts, body).await?.into_parts();
    remember_subject(&state, &call, &bytes);
    let half = bytes.slice(..bytes.len() / 2);
    let body = match fault {
        Some(Kind::Truncate) => {
            parts.headers.insert(CONTENT_LENGTH, half.len().into());
            whole(half)
        }
        Some(Kind::DropMidBody) => {
            parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
            StreamBody::new(stream::iter([Ok(Frame::data(half)), Err(closed())])).boxed()
        }
        _ => whole(bytes),
    };
    Ok(Response::from_parts(parts, body))
}

async fn ask_moto(
    state: &State,
    call: &Call,
    parts: hyper::http::request::Parts,
    body: Bytes,
) -> io::Result<Response<Bytes>> {
    let key = (call.operation.clone(), body.clone());
    let kept = lock(&state.kept)
        .as_ref()
        .and_then(|kept| kept.get(&key).cloned());
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let answered = http::send(
        state.moto.address,
        Request::from_parts(parts, Full::new(body)),
    );
    let mut answered = answered
        .await
        .map_err(|error| io::Error::other(format!("{error:#}")))?;
    // moto closes every connection; AWS does not.
    answered.headers_mut().remove(CONNECTION);
    if let Some(kept) = lock(&state.kept).as_mut() {
        kept.insert(key, answered.clone());
    }
    Ok(answered)
}

/// Notes for whom STS made an access key.
fn remember_subject(state: &State, call: &Call, answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    let key = text
        .split_once("<AccessKeyId>")
        .and_then(|(_, rest)| rest.split_once("</AccessKeyId>"));
    if let (Some((key, _)), Some(subject)) = (key, &call.caller.subject) {
        lock(&state.subjects).insert(key.to_owned(), subject.clone());
    }
}

fn error(call: &Call, status: u16, code: &str, message: &str) -> Response<Body> {
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

fn respond(status: u16, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(whole(text.into()));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

const JSON: &str = "application/json";

/// Where people and other programs make faults: POST one, GET the list, DELETE all.
const FAULTS: &str = "/stand-in/faults";

fn control_faults(state: &State, method: &Method, body: &[u8]) -> Response<Body> {
    let mut faults = lock(&state.faults);
    match *method {
        Method::GET => {}
        Method::DELETE => faults.clear(),
        Method::POST => match serde_json::from_slice(body) {
            Ok(fault) => faults.push(fault),
            Err(error) => return respond(400, "text/plain", format!("not a fault: {error}\n")),
        },
        _ => return respond(405, "text/plain", "GET, POST or DELETE\n".to_owned()),
    }
    respond(
        200,
        JSON,
        serde_json::to_string_pretty(&*faults).unwrap_or_default(),
    )
}

/// The record, for people and other programs, and the EKS Pod Identity agent.
fn get(state: &State, parts: &hyper::http::request::Parts) -> Response<Body> {
    match parts.uri.path() {
        "/stand-in/calls" => respond(
            200,
            JSON,
            serde_json::to_string_pretty(&*lock(&state.calls)).unwrap_or_default(),
        ),
        "/v1/credentials" => {
            let token = parts
                .headers
                .get(AUTHORIZATION)
                .and_then(|token| token.to_str().ok())
                .unwrap_or_default();
            pod_identity(state, token)
        }
        _ => respond(404, "text/plain", "not found".to_owned()),
    }
}

/// What the agent answers: credentials of a role in account 123456789012, which is moto's own.
fn pod_identity(state: &State, token: &str) -> Response<Body> {
    let claims = claims(token);
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
    if let Some(Kind::Error {
        status, message, ..
    }) = fault
    {
        return respond(status, "text/plain", message);
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
