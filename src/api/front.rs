//! In front of every route: who calls, how large and in what form, and a turn to work. Then the route's function runs
//! where it may block.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, RawPathParams, Request};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use super::answer::{Answer, Refusal, stream_response};
use super::call::{Asked, Call};
use super::route::{Needs, Route};
use super::surface::{SURFACES, Surface};
use super::{Api, SERVED_WITHIN};
use crate::domain::Identity;
use crate::live::Wake;
use crate::ops::{Problem, Workspace};
use crate::tokens::{Right, Token};

/// The largest body of a call, in bytes.
const LARGEST_BODY: usize = 1 << 20;

/// How long a body may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// How many wrong tokens a minute are answered as such.
const WRONG_TOKENS: u64 = 60;

/// Counts wrong tokens by the minute. A token has 256 random bits, so this only keeps the log and the disk quiet.
#[derive(Default)]
pub(super) struct Refusals {
    minute: Mutex<Option<Instant>>,
    count: AtomicU64,
}

impl Refusals {
    /// Whether this one is too many.
    fn one_more(&self) -> bool {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.is_none_or(|began| began.elapsed() > Duration::from_secs(60)) {
            *minute = Some(Instant::now());
            self.count.store(0, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed) >= WRONG_TOKENS
    }
}

/// The routes of all surfaces.
pub fn router(api: &Arc<Api>) -> Router {
    let mut router = Router::new();
    for (surface, route) in SURFACES.iter().flat_map(|surface| surface.routes.iter().map(move |route| (surface, route)))
    {
        let method = Method::from_bytes(route.method.as_bytes()).expect("tables name methods");
        let filter = MethodFilter::try_from(method).expect("tables name methods that can be routed");
        let api = Arc::clone(api);
        let handler = move |params: RawPathParams, query: Query<BTreeMap<String, String>>, request: Request| {
            let path = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            answer(Arc::clone(&api), surface, route, path, query.0, request)
        };
        router = router.route(&format!("{}{}", surface.prefix, route.path), on(filter, handler));
    }
    router
}

async fn answer(
    api: Arc<Api>,
    surface: &'static Surface,
    route: &'static Route,
    path: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Arc::new(Asked { method: parts.method, uri: parts.uri, headers: parts.headers });
    match try_answer(&api, surface, route, path, query, &asked, body).await {
        Ok(Answer { stream: Some(events), .. }) => stream_response(events),
        Ok(answer) => (surface.accept)(answer, &asked),
        Err(refusal) => (surface.refuse)(refusal, &asked),
    }
}

async fn try_answer(
    api: &Arc<Api>,
    surface: &'static Surface,
    route: &'static Route,
    path: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    asked: &Arc<Asked>,
    body: Body,
) -> Result<Answer, Refusal> {
    let token = authenticate(api, surface, &asked.headers)?;
    let body = read_body(&asked.headers, body).await?;
    let turn = api.turns.acquire().await.expect("the semaphore is never closed");
    let (api_, asked) = (Arc::clone(api), Arc::clone(asked));
    let work = move || -> Result<Answer, Problem> {
        let author = Identity { name: token.name.clone(), email: format!("{}@pointsman.localhost", token.id) };
        let workspace = Workspace::open(&api_.dir, api_.local, jiff::Timestamp::now(), Some(author))?;
        let workspace = workspace.called_by(&token.id);
        let call = Call { workspace, token, path, query, body, asked, api: api_ };
        admit(&call, surface, route)?;
        (route.handler)(&call)
    };
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "fault",
            "the call ran into a fault of the program",
            "report it",
        )
    })??;
    drop(turn);
    let done = done.arrived().await?;
    if done.moved {
        let passed = api.live.next_pass();
        api.live.bell.ring(Wake::Api);
        // Whoever moved something reads it next. One that was served meanwhile, or never changes what is served, costs a
        // moment and no more.
        let _ = tokio::time::timeout(SERVED_WITHIN, passed).await;
    }
    Ok(done)
}

/// Whether the caller may make this call at all. What is not an agent, is one to whoever may not read all of them.
fn admit(call: &Call, surface: &Surface, route: &Route) -> Result<(), Problem> {
    let right = match route.needs {
        Needs::Read => Right::AgentsRead,
        Needs::Write => Right::AgentsWrite,
        Needs::Chat => Right::ChatWrite,
        // Which environment it is, the call or the policy says: asked where the move is carried out.
        Needs::Deploy => return Ok(()),
    };
    match (surface.agent)(call) {
        Ok(agent) => call.authorise(right, agent.as_ref()),
        Err(unknown) => call.authorise(right, None).and(Err(unknown)),
    }
}

/// The token that the caller shows.
fn authenticate(api: &Api, surface: &Surface, headers: &HeaderMap) -> Result<Token, Refusal> {
    let found = match (surface.token)(headers) {
        Some(shown) => api.tokens.find(&shown, jiff::Timestamp::now()).map_err(|error| {
            tracing::error!(%error, "tokens cannot be read");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "io", "tokens cannot be read", "see the controller's log")
        })?,
        None => None,
    };
    if let Some(token) = found {
        return Ok(token);
    }
    if api.refusals.one_more() {
        let said = "too many wrong tokens";
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", said, "wait a minute");
        return Err(refusal.header(RETRY_AFTER, "60"));
    }
    let said = "this call needs a token that holds";
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", said, surface.hint);
    Err(refusal.header(WWW_AUTHENTICATE, "Bearer realm=\"pointsman\""))
}

/// The body as JSON; null where there is none, whatever the content type says then.
async fn read_body(headers: &HeaderMap, body: Body) -> Result<serde_json::Value, Refusal> {
    let read = tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, LARGEST_BODY)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let said = format!("the body is larger than {LARGEST_BODY} bytes");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", said, "say less at once"));
        }
        Err(_) => {
            return Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "the body did not come",
                "send it faster",
            ));
        }
    };
    if bytes.is_empty() {
        return Ok(serde_json::Value::Null);
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    let plain = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if plain != "application/json" && !plain.ends_with("+json") {
        let hint = "send the header `Content-Type: application/json`";
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body is not JSON",
            hint,
        ));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Refusal::new(StatusCode::BAD_REQUEST, "bad_request", format!("the body does not parse: {error}"), "send JSON")
    })
}
