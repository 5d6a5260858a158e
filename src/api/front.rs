//! In front of every route: who calls, how large and in what form, and a turn to work. Then the route's function runs
//! where it may block.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{Query, RawPathParams, Request};
use axum::response::Response;
use axum::routing::{MethodFilter, any, on};
use http::header::{CONTENT_TYPE, IF_MATCH, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode, Uri};

use super::answer::{Answer, Refusal, stream_response};
use super::call::{Asked, Call};
use super::route::{Needs, Route};
use super::surface::{SURFACES, Surface};
use super::{Api, SERVED_WITHIN, openapi, patience};
use crate::describe::Place;
use crate::domain::Identity;
use crate::domain::nearest::nearest;
use crate::http::Patience;
use crate::live::{self, Wake};
use crate::ops::{Problem, Workspace, inspect};
use crate::tokens::{HOST, Right, Token};

/// The largest body of a call, in bytes.
const LARGEST_BODY: usize = 1 << 20;

/// How long a body may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// The longest path and query that is looked at, in bytes.
const LONGEST_URI: usize = 8 * 1024;

/// The most that all headers of a call may have together, in bytes; well below where the connection itself gives up, so
/// that a caller is told.
const LARGEST_HEAD: usize = 12 * 1024;

/// The routes of all surfaces, and the description of all routes.
pub fn router(api: &Arc<Api>) -> Router {
    let surfaces = SURFACES.iter().map(|surface| of_surface(api, surface));
    surfaces.fold(openapi::router(), Router::merge)
}

/// The routes of one surface, which says in its own way that something is not there.
fn of_surface(api: &Arc<Api>, surface: &'static Surface) -> Router {
    let mut router = Router::new();
    for route in surface.routes {
        let method = Method::from_bytes(route.method.as_bytes()).expect("tables name methods");
        let filter = MethodFilter::try_from(method).expect("tables name methods that can be routed");
        let api = Arc::clone(api);
        let handler = move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            answer(Arc::clone(&api), surface, route, params, request)
        };
        router = router.route(&format!("{}{}", surface.prefix, route.path), on(filter, handler));
    }
    let wrong_method = move |request: Request| async move {
        let said = format!("`{}` is not a method of this route", request.method());
        let hint = "the header `Allow` names those that are";
        refused(surface, Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", said, hint), request)
    };
    let nothing_there = move |request: Request| async move {
        let said = "there is no such route";
        refused(
            surface,
            Refusal::new(StatusCode::NOT_FOUND, "not_found", said, "GET /openapi.json lists them"),
            request,
        )
    };
    for rest in ["", "/", "/{*rest}"] {
        router = router.route(&format!("{}{rest}", surface.prefix), any(nothing_there));
    }
    router.method_not_allowed_fallback(wrong_method)
}

fn refused(surface: &Surface, refusal: Refusal, request: Request) -> Response {
    let parts = request.into_parts().0;
    (surface.refuse)(refusal, &Asked { uri: parts.uri, headers: parts.headers })
}

async fn answer(
    api: Arc<Api>,
    surface: &'static Surface,
    route: &'static Route,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let line = parts.extensions.get::<Patience>().cloned().unwrap_or_default();
    let (started, method) = (Instant::now(), parts.method);
    let asked = Arc::new(Asked { uri: parts.uri, headers: parts.headers });
    let done = match try_answer(&api, surface, route, params, &asked, body, &line).await {
        Ok(done) => line.during(arrived(&api, done)).await,
        Err(refusal) => Err(refusal),
    };
    let response = match done {
        Ok(Answer { stream: Some(events), .. }) => stream_response(events),
        Ok(answer) => (surface.accept)(answer, &asked),
        Err(refusal) => {
            let mut response = (surface.refuse)(refusal, &asked);
            patience::tell(&mut response, &api.refusals);
            response
        }
    };
    let (status, milliseconds) = (response.status().as_u16(), started.elapsed().as_secs_f64() * 1e3);
    tracing::debug!(surface = surface.name, %method, route = route.path, status, milliseconds, "call");
    response
}

async fn try_answer(
    api: &Arc<Api>,
    surface: &'static Surface,
    route: &'static Route,
    params: Result<RawPathParams, RawPathParamsRejection>,
    asked: &Arc<Asked>,
    body: Body,
    line: &Patience,
) -> Result<Answer, Refusal> {
    let token = authenticate(api, surface, &asked.headers)?;
    must_be_bounded(asked)?;
    let path = read_path(params)?;
    let query = read_query(route, &asked.uri)?;
    must_take_what_is_asked(route, &asked.headers)?;
    let body = read_body(route, &asked.headers, body).await?;
    let turn = line.during(api.turn(route.needs)).await?;
    let (api_, asked) = (Arc::clone(api), Arc::clone(asked));
    let work = move || -> Result<Answer, Problem> {
        let author = Identity { name: token.name.clone(), email: format!("{}@{HOST}", token.id) };
        let workspace = Workspace::open(&api_.dir, api_.local, jiff::Timestamp::now(), Some(author))?;
        let workspace = workspace.called_by(&token.id);
        let call = Call { workspace, token, path, query, body, asked, api: api_ };
        admit(&call, surface, route)?;
        let mut answer = (route.handler)(&call)?;
        answer.served = answer.moved && show(&call).is_ok();
        Ok(answer)
    };
    let done = line.during(tokio::task::spawn_blocking(work)).await.map_err(|_| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "fault",
            "the call ran into a fault of the program",
            "report it",
        )
    })??;
    drop(turn);
    Ok(done)
}

/// What the answer is in truth, when what it moved is served.
async fn arrived(api: &Api, done: Answer) -> Result<Answer, Refusal> {
    let done = done.arrived().await?;
    if done.moved {
        let passed = api.live.next_pass();
        // The loop tells what moved, and does what follows from it.
        api.live.bell.ring(Wake::Api);
        if !done.served {
            let _ = tokio::time::timeout(SERVED_WITHIN, passed).await;
        }
    }
    Ok(done)
}

/// Serves what the call moved: whoever moved something reads it next. It was accepted, so nothing has to be judged first;
/// only a ledger that carries on what is served is shown.
fn show(call: &Call) -> Result<(), Problem> {
    let repository = &call.workspace.repository;
    call.api.live.advance(|present| {
        let tip = inspect::ledger(&call.workspace)?.tip();
        let (Some(tip), Some(served)) = (tip, present.ledger) else {
            return Err(Problem::refused("not_ready", "nothing is served yet").hint("the first pass serves it"));
        };
        if repository.is_ancestor(tip, served)? {
            return Ok(None);
        }
        if !repository.is_ancestor(served, tip)? {
            return Err(
                Problem::refused("diverged", "the ledger is not the one that is served").hint("a pass judges it")
            );
        }
        Ok(Some(live::read(repository, Some(tip), present)?))
    })
}

/// What is longer than anything a call could mean is told so, before anything of it is looked at.
fn must_be_bounded(asked: &Asked) -> Result<(), Refusal> {
    let length = asked.uri.path().len() + asked.uri.query().map_or(0, str::len);
    if length > LONGEST_URI {
        let said = format!("the address is {length} bytes long, more than {LONGEST_URI}");
        return Err(Refusal::new(StatusCode::URI_TOO_LONG, "uri_too_long", said, "ask for less at once"));
    }
    let head: usize = asked.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if head > LARGEST_HEAD {
        let said = format!("the headers have {head} bytes together, more than {LARGEST_HEAD}");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Refusal::new(status, "headers_too_large", said, "send fewer or shorter headers"));
    }
    Ok(())
}

fn bad_request(said: impl Into<String>, hint: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "bad_request", said, hint)
}

/// What stands at the placeholders of the path, decoded.
fn read_path(params: Result<RawPathParams, RawPathParamsRejection>) -> Result<BTreeMap<String, String>, Refusal> {
    let params = params.map_err(|_| {
        bad_request("the path holds a `%` that begins no encoded UTF-8 character", "write a percent sign as %25")
    })?;
    Ok(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The words of the query. What a described route does not know would be ignored without a word, so it is refused.
fn read_query(route: &Route, uri: &Uri) -> Result<BTreeMap<String, String>, Refusal> {
    let hint = "write it as ?name=value, percent-encoded";
    let Query(pairs) =
        Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| bad_request("the query cannot be read", hint))?;
    let mut query = BTreeMap::new();
    for (name, value) in pairs {
        if route.is_described() {
            must_know(route, &name)?;
            if query.contains_key(&name) {
                return Err(bad_request(format!("`{name}` is given twice"), "leave one of them out"));
            }
        }
        query.insert(name, value);
    }
    Ok(query)
}

fn must_know(route: &Route, name: &str) -> Result<(), Refusal> {
    let known =
        || route.takes.iter().filter(|parameter| parameter.place == Place::Query).map(|parameter| parameter.name);
    if known().any(|known| known == name) {
        return Ok(());
    }
    let shown = &name[..name.floor_char_boundary(60)];
    let said = format!("this route has no `{shown}` in its query");
    let hint = match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => match known().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "leave it out: it takes none".to_owned(),
            names => format!("it takes: {names}"),
        },
    };
    Err(bad_request(said, &hint))
}

/// A condition that is not looked at would be taken for one that holds.
fn must_take_what_is_asked(route: &Route, headers: &HeaderMap) -> Result<(), Refusal> {
    let compares = route.takes.iter().any(|parameter| parameter.name.eq_ignore_ascii_case(IF_MATCH.as_str()));
    if route.is_described() && route.method != "GET" && headers.contains_key(IF_MATCH) && !compares {
        return Err(bad_request("this route compares nothing with `If-Match`", "leave the header out"));
    }
    Ok(())
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
        Err(unknown) => Err(call.unknown(right, unknown)),
    }
}

/// The token that the caller shows.
fn authenticate(api: &Api, surface: &Surface, headers: &HeaderMap) -> Result<Token, Refusal> {
    let shown = (surface.token)(headers);
    if let Some(shown) = &shown {
        let found = api.tokens.find(shown, jiff::Timestamp::now()).map_err(|error| {
            tracing::error!(%error, "tokens cannot be read");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "io", "tokens cannot be read", "see the controller's log")
        })?;
        if let Some(token) = found {
            return Ok(token);
        }
    }
    // Whoever shows none guesses none.
    if shown.is_some() && api.refusals.one_more() {
        let said = "too many wrong tokens";
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", said, "wait a minute"));
    }
    let said = "this call needs a token that holds";
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", said, surface.hint);
    Err(refusal.header(WWW_AUTHENTICATE, "Bearer realm=\"pointsman\""))
}

/// The body as JSON; null where there is none, whatever the content type says then.
async fn read_body(route: &Route, headers: &HeaderMap, body: Body) -> Result<serde_json::Value, Refusal> {
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
    let said: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| bad_request(format!("the body does not parse: {error}"), "send JSON"))?;
    // A list would pass for the values of a body's keys, in their order.
    if !said.is_object() && route.is_described() {
        return Err(bad_request("the body is no JSON object", "send an object, or nothing"));
    }
    Ok(said)
}
