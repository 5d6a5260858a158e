//! In front of every route: who calls, how large and in what form, and a turn to work. Then the route's function runs
//! where it may block.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, RawPathParams, Request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::routes::{Needs, ROUTES, Route};
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

/// The routes under `/api/v1`.
pub fn router(api: &Arc<Api>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let filter = match route.method {
            "GET" => MethodFilter::GET,
            "POST" => MethodFilter::POST,
            "PATCH" => MethodFilter::PATCH,
            _ => MethodFilter::DELETE,
        };
        let api = Arc::clone(api);
        let handler = move |params: RawPathParams, query: Query<BTreeMap<String, String>>, request: Request| {
            let path = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            answer(Arc::clone(&api), route, path, query.0, request)
        };
        router = router.route(&format!("/api/v1{}", route.path), on(filter, handler));
    }
    router
}

async fn answer(
    api: Arc<Api>,
    route: &'static Route,
    path: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    request: Request,
) -> Response {
    match try_answer(&api, route, path, query, request).await {
        Ok(answer) => answer.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn try_answer(
    api: &Arc<Api>,
    route: &'static Route,
    path: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    request: Request,
) -> Result<Answer, Refusal> {
    let (parts, body) = request.into_parts();
    let token = authenticate(api, &parts.headers)?;
    let body = read_body(&parts.headers, body).await?;
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (if_match, idempotency_key) = (text(IF_MATCH.as_str()), text("idempotency-key"));
    let _turn = api.turns.acquire().await.expect("the semaphore is never closed");
    let (dir, local) = (api.dir.clone(), api.local);
    let work = move || -> Result<Answer, Problem> {
        let author = Identity { name: token.name.clone(), email: format!("{}@pointsman.localhost", token.id) };
        let workspace = Workspace::open(&dir, local, jiff::Timestamp::now(), Some(author))?.called_by(&token.id);
        let call = Call { workspace, token, path, query, body, if_match, idempotency_key };
        let agent = if route.path.contains("{agent}") { Some(call.agent()?) } else { None };
        match route.needs {
            Needs::Read => call.authorise(Right::AgentsRead, agent.as_ref())?,
            Needs::Write => call.authorise(Right::AgentsWrite, agent.as_ref())?,
            // Which environment it is, the call or the policy says: asked where the move is carried out.
            Needs::Deploy => {}
        }
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
    if done.moved {
        let passed = api.live.next_pass();
        api.live.bell.ring(Wake::Api);
        // Whoever moved something reads it next. One that was served meanwhile, or never changes what is served, costs a
        // moment and no more.
        let _ = tokio::time::timeout(SERVED_WITHIN, passed).await;
    }
    Ok(done)
}

/// The token that the caller shows.
fn authenticate(api: &Api, headers: &HeaderMap) -> Result<Token, Refusal> {
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = shown.and_then(|value| {
        let (scheme, token) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case("bearer ").then(|| token.trim())
    });
    let found = match bearer {
        Some(bearer) => api.tokens.find(bearer, jiff::Timestamp::now()).map_err(|error| {
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
    let hint = "send the header `Authorization: Bearer pm_sk_…`; pointsman token create makes one";
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", "this call needs a token that holds", hint);
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
