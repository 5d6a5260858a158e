//! Who may ask for what: one function in front of every route, which refuses what nothing allows.
//!
//! | route | who |
//! |---|---|
//! | `/healthz`, `/readyz` | anybody: they say nothing but "alive" and "ready" |
//! | `POST /hooks/…` | whoever signed the webhook, which its handler checks |
//! | everything else, known or not | whoever shows a read token; without any tokens, callers on this machine |
//!
//! Open reading is for this machine only, and a web page that somebody visits runs on this machine too: a name of
//! theirs that resolves to 127.0.0.1 would let it read everything (DNS rebinding). So the `Host` must be this machine.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::future::Either;
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode, Uri};
use sha2::Digest as _;
use subtle::{Choice, ConstantTimeEq};
use tower::{Layer, Service};

use super::App;
use super::hooks::HookKeys;
use super::problem::Problem;
use crate::operator::{Mistake, Settings};

/// The longest path and query that is looked at, in bytes.
const LONGEST_URI: usize = 8 * 1024;

/// Whether `serve` may listen where `settings` say: only with read tokens, or where nobody but this machine connects.
pub fn may_listen(settings: &Settings) -> Result<(), Mistake> {
    if !settings.read_tokens.is_empty() || only_this_machine(settings.listen.ip()) {
        return Ok(());
    }
    Err(Mistake {
        message: format!("without read tokens, everybody who reaches `{}` could read every config", settings.listen),
        hint: Some("add read_tokens.<name> = { env = \"READ_TOKEN\" }, or listen on 127.0.0.1".to_owned()),
    })
}

/// Whether only this machine can connect to `address`.
pub(super) fn only_this_machine(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whom a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    Anybody,
    Signers,
    Readers,
}

fn audience(path: &str) -> Audience {
    match path {
        "/healthz" | "/readyz" => Audience::Anybody,
        _ if path.starts_with("/hooks/") => Audience::Signers,
        _ => Audience::Readers,
    }
}

/// What tokens and secrets hold now.
pub(super) struct Access {
    /// sha256 of each read token: all of one length, and a comparison of them says nothing of the token.
    readers: Vec<[u8; 32]>,
    pub(super) hooks: HookKeys,
}

impl Access {
    pub(super) fn of(settings: &Settings) -> Self {
        let readers = settings.read_tokens.values().map(|token| hash(token.reveal().as_bytes())).collect();
        Access { readers, hooks: HookKeys::of(&settings.hooks) }
    }

    pub(super) fn readers_differ(&self, other: &Access) -> bool {
        self.readers != other.readers
    }

    pub(super) fn admit(&self, only_this_machine: bool, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let length = uri.path().len() + uri.query().map_or(0, str::len);
        if length > LONGEST_URI {
            let detail = format!("the address is {length} bytes long, more than {LONGEST_URI}");
            return Err(Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail, "ask for less at once"));
        }
        match audience(uri.path()) {
            Audience::Anybody | Audience::Signers => Ok(()),
            Audience::Readers if self.readers.is_empty() && only_this_machine => asked_as_this_machine(uri, headers),
            Audience::Readers => self.read_token(headers),
        }
    }

    fn read_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let shown = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes())).map(hash);
        let fits = shown.is_some_and(|shown| {
            // All are compared, so that the time does not tell which one was near.
            let any = self.readers.iter().fold(Choice::from(0), |any, reader| any | reader.ct_eq(&shown));
            bool::from(any)
        });
        if fits {
            return Ok(());
        }
        let detail = "this needs a read token of the operator's file";
        let hint = "send the header `Authorization: Bearer <token>`";
        Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail, hint)
            .header(WWW_AUTHENTICATE, "Bearer realm=\"pointsman\""))
    }
}

pub(super) fn hash(secret: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(secret).into()
}

/// The token of `Bearer <token>`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn asked_as_this_machine(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(names_this_machine),
        _ => false,
    };
    // A request in absolute form, as a proxy gets it, names the host a second time.
    if named && uri.authority().is_none_or(|authority| names_this_machine(authority.as_str())) {
        return Ok(());
    }
    let detail = "without read tokens, only requests to this machine by a name of its own are answered";
    let hint = "ask http://127.0.0.1 or http://localhost, or set read_tokens in the operator's file";
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "host_not_local", detail, hint))
}

/// Whether `host`, with or without a port, is a name or address of this machine's own (RFC 6761, section 6.3).
fn names_this_machine(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if name.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()) => ("", port),
            _ => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_fits = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|c| c.is_ascii_digit()) && port.len() <= 5);
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let local = host.starts_with('[')
        || name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    local && port_fits
}

/// Puts the one function in front of every route.
#[derive(Clone)]
pub(super) struct Gate(pub(super) Arc<App>);

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { app: Arc::clone(&self.0), inner }
    }
}

/// A route behind the gate. The verdict needs no waiting, so that a request that passes costs no more than a look.
#[derive(Clone)]
pub(super) struct Gated<S> {
    app: Arc<App>,
    inner: S,
}

impl<S> Service<Request> for Gated<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.app.admit(request.uri(), request.headers()) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(problem) => Either::Left(ready(Ok(problem.into_response()))),
        }
    }
}

#[cfg(test)]
mod tests;
