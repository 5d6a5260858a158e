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

    fn admit(&self, only_this_machine: bool, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
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
        match self.app.access.load().admit(self.app.only_this_machine(), request.uri(), request.headers()) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(problem) => {
                self.app.live.metrics.refused_requests.inc();
                Either::Left(ready(Ok(problem.into_response())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::Secret;

    #[test]
    fn nobody_listens_to_the_world_without_tokens() {
        let mut settings = Settings { listen: "0.0.0.0:80".parse().unwrap(), ..Settings::default() };
        assert!(may_listen(&settings).unwrap_err().hint.is_some());
        settings.read_tokens.insert("voice".to_owned(), Secret::new("0123456789abcdef"));
        assert!(may_listen(&settings).is_ok());
        for local in ["127.0.0.1:80", "[::1]:80", "127.9.9.9:80", "[::ffff:127.0.0.1]:80"] {
            let settings = Settings { listen: local.parse().unwrap(), ..Settings::default() };
            assert!(may_listen(&settings).is_ok(), "{local}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for own in [
            "localhost",
            "LOCALHOST:7117",
            "a.localhost",
            "127.0.0.1",
            "127.8.0.1:1",
            "[::1]",
            "[::1]:7117",
            "localhost.",
        ] {
            assert!(names_this_machine(own), "{own}");
        }
        for foreign in [
            "",
            ":",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:127",
            "10.0.0.1",
            "[::2]",
            "[::1",
            "::1",
            "localhost:80:80",
            "localhost@evil",
            "[evil.example]",
            "0.0.0.0",
            "localhost:a",
            "127.0.0.1@evil.example",
            "[::1]evil",
            "xlocalhost",
        ] {
            assert!(!names_this_machine(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_route_is_for_readers_unless_named_here() {
        for (path, expected) in [
            ("/healthz", Audience::Anybody),
            ("/readyz", Audience::Anybody),
            ("/readyz/", Audience::Readers),
            ("/hooks/github", Audience::Signers),
            ("/hooks", Audience::Readers),
            ("/config/live", Audience::Readers),
            ("/watch/live/support", Audience::Readers),
            ("/resolve", Audience::Readers),
            ("/events", Audience::Readers),
            ("/status", Audience::Readers),
            ("/metrics", Audience::Readers),
            ("/", Audience::Readers),
            ("/whatever/comes/next", Audience::Readers),
        ] {
            assert_eq!(audience(path), expected, "{path}");
        }
    }

    use axum::body::Body;
    use http::Request;

    use crate::http::testing::{Answered, TOKEN, app, app_with, ask, guarded};

    const DATA: [&str; 9] = [
        "/config/live",
        "/config/live/support",
        "/watch/live",
        "/watch/live/support",
        "/resolve?number=1",
        "/events",
        "/status",
        "/metrics",
        "/nothing/here",
    ];

    async fn shown(app: &Arc<App>, path: &str, authorization: &str) -> Answered {
        let request = Request::get(path).header("host", "agents.example").header("authorization", authorization);
        ask(app, request.body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn every_data_route_needs_a_token_and_says_nothing_without_one() {
        let app = app_with(&guarded());
        for path in DATA {
            let bare = ask(&app, Request::get(path).body(Body::empty()).unwrap()).await;
            assert_eq!(bare.problem(), (401, "unauthorized".to_owned()), "{path}");
            assert_eq!(bare.header("www-authenticate"), "Bearer realm=\"pointsman\"");
            for wrong in ["", "Bearer", "Bearer ", "Bearer x", "Basic 0123", &format!("Bearer {TOKEN}x"), TOKEN] {
                let answer = shown(&app, path, wrong).await;
                assert_eq!(answer.body, bare.body, "{path} tells something to {wrong:?}");
            }
        }
        let there = shown(&app, "/config/live/support", "Bearer x").await;
        let not_there = shown(&app, "/config/nowhere/nobody", "Bearer x").await;
        assert_eq!((there.status, there.body, there.headers), (not_there.status, not_there.body, not_there.headers));
        for right in [format!("Bearer {TOKEN}"), format!("bearer  {TOKEN} ")] {
            assert_eq!(shown(&app, "/config/live/support", &right).await.status, 200);
        }
        assert_eq!(shown(&app, "/nothing/here", &format!("Bearer {TOKEN}")).await.status, 404);
        for open in ["/healthz", "/readyz"] {
            assert_ne!(ask(&app, Request::get(open).body(Body::empty()).unwrap()).await.status, 401, "{open}");
        }
    }

    #[tokio::test]
    async fn a_token_that_was_taken_away_no_longer_reads() {
        let app = app_with(&guarded());
        let token = format!("Bearer {TOKEN}");
        assert_eq!(shown(&app, "/config/live", &token).await.status, 200);
        let mut settings = guarded();
        settings.read_tokens.insert("voice".to_owned(), Secret::new("another-token-0123456789"));
        app.reload(&settings);
        assert_eq!(shown(&app, "/config/live", &token).await.status, 401);
        assert_eq!(shown(&app, "/config/live", "Bearer another-token-0123456789").await.status, 200);
    }

    #[tokio::test]
    async fn a_file_without_tokens_opens_nothing_to_the_world() {
        let mut settings = guarded();
        settings.listen = "0.0.0.0:80".parse().unwrap();
        let app = app_with(&settings);
        app.reload(&Settings::default());
        let request = Request::get("/config/live").header("host", "localhost").body(Body::empty()).unwrap();
        assert_eq!(ask(&app, request).await.problem().0, 401);
    }

    #[tokio::test]
    async fn a_foreign_name_for_this_machine_reads_nothing() {
        let app = app();
        for path in DATA {
            for host in [Some("evil.example"), Some("evil.example:7117"), None] {
                let mut request = Request::get(path);
                if let Some(host) = host {
                    request = request.header("host", host);
                }
                let answer = ask(&app, request.body(Body::empty()).unwrap()).await;
                assert_eq!(answer.problem(), (421, "host_not_local".to_owned()), "{path} for {host:?}");
            }
        }
        let twice = Request::get("/status").header("host", "localhost").header("host", "evil.example");
        assert_eq!(ask(&app, twice.body(Body::empty()).unwrap()).await.status, 421);
        let absolute = Request::get("http://evil.example/status").header("host", "localhost");
        assert_eq!(ask(&app, absolute.body(Body::empty()).unwrap()).await.status, 421);
        let own = Request::get("/status").header("host", "127.0.0.1:7117").header("origin", "http://evil.example");
        let answer = ask(&app, own.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
}
