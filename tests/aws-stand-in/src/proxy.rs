//! The proxy between callers and moto.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::stream;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::answers::{Body, endless, error, respond, whole};
use crate::call::Call;
use crate::fault::{Fault, Kind, When, take};
use crate::front::{self, Distance, Front, Serve};
use crate::state::{State, lock};
use crate::{CommandLine, Moto, Seed, agent, control, http};

/// The AWS stand-in. It stops when this is dropped.
#[derive(Debug)]
pub struct StandIn {
    /// Its address.
    pub address: SocketAddr,
    state: Arc<State>,
    server: tokio::task::JoinHandle<()>,
}

impl StandIn {
    /// Starts moto, and the proxy on an address. Port 0 chooses a free port.
    pub async fn start(target: &Path, listen: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("could not listen on {listen}"))?;
        let moto = Moto::start(target).await?;
        let state = Arc::new(State::new(moto));
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

    /// Injects a fault until it is used up or removed.
    pub fn fail(&self, fault: Fault) {
        lock(&self.state.faults).push(fault);
    }

    /// Removes the faults for these calls.
    pub fn heal_calls(&self, when: &When) {
        lock(&self.state.faults).retain(|fault| fault.when != *when);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        lock(&self.state.faults).clear();
    }

    /// Serves the same over TLS at this distance.
    pub async fn tls(&self, distance: Distance) -> anyhow::Result<Front> {
        front::start(distance, Behind(Arc::clone(&self.state))).await
    }

    /// Caches moto's answers from now on, because moto takes milliseconds, which is too slow for measurements.
    pub fn keep_answers(&self) {
        lock(&self.state.kept).get_or_insert_default();
    }

    /// Creates secrets and parameters, bypassing the record and the faults.
    pub fn seed(&self, account: &str, region: &str) -> Seed {
        Seed::new(self.state.moto.address, account, region)
    }

    /// The AWS CLI for an account and region, installed in the build folder.
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

async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&state), request));
            // An error is a connection that was closed, by a fault or by the caller.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
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
    if parts.uri.path() == agent::PATH && parts.method == Method::GET {
        return Ok(agent::answer(&state, &parts.headers));
    }
    if let Some(answer) = control::answer(&state, &parts.method, parts.uri.path(), &body) {
        return Ok(answer);
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
        Some(Kind::Page { status, text }) => {
            return Ok(respond(*status, "text/html", text.clone()));
        }
        Some(Kind::Endless { told }) => return Ok(endless(*told)),
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

/// Records for whom STS issued an access key.
fn remember_subject(state: &State, call: &Call, answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    let key = text
        .split_once("<AccessKeyId>")
        .and_then(|(_, rest)| rest.split_once("</AccessKeyId>"));
    if let (Some((key, _)), Some(subject)) = (key, &call.caller.subject) {
        lock(&state.subjects).insert(key.to_owned(), subject.clone());
    }
}
