//! `GET /config/…`: what an environment serves, and one agent's frozen config.
//!
//! One agent's config is what calls wait for. Nothing on that path is made per request but the answer itself: the bytes
//! are shared, the headers were made when the snapshot was read, and the path is looked up as it came.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};

use super::App;
use super::conditional;
use super::path::place;
use super::problem::Problem;
use crate::live::Found;

const AGENT_VERSION: HeaderName = HeaderName::from_static("x-agent-version");

/// `GET /config/{environment}/{agent}`
pub(super) async fn one(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request.uri(), request.headers())
}

/// Whether `path` is one that [`one`] answers.
pub(super) fn names_one(path: &str) -> bool {
    let rest = path.strip_prefix("/config/").and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(environment, agent)| !environment.is_empty() && !agent.is_empty())
}

/// The answer for one agent, wherever the request was taken from.
pub(super) fn answer(app: &App, uri: &Uri, headers: &HeaderMap) -> Response {
    let place = match place(uri.path(), "/config/") {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    let answers = &app.live.metrics.config;
    let snapshot = app.live.peek();
    let Some(environment) = snapshot.environment(&place.environment) else {
        answers.not_found.inc();
        return Problem::no_such_environment(&place.environment).into_response();
    };
    let served = match environment.agent(&place.agent) {
        Found::Served(served) => served,
        Found::Retired => {
            answers.retired.inc();
            return Problem::retired(&place.environment, &place.agent).into_response();
        }
        Found::Nothing => {
            answers.not_found.inc();
            return Problem::not_served(&place.environment, &place.agent).into_response();
        }
    };
    let fresh = conditional::has_it(headers, &served.etag);
    let counter = if fresh { &answers.not_modified } else { &answers.served };
    counter.inc();
    let mut response = document(&served.config, &served.etag, fresh);
    response.headers_mut().insert(AGENT_VERSION, served.version_header.clone());
    response
}

/// `GET /config/{environment}`
pub(super) async fn all(State(app): State<Arc<App>>, request: Request) -> Response {
    let place = match place(request.uri().path(), "/config/") {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    let Some(listing) = app.feeds.listing(&app.live, &place.environment) else {
        return Problem::no_such_environment(&place.environment).into_response();
    };
    let fresh = conditional::has_it(request.headers(), &listing.etag);
    document(&listing.json, &listing.etag, fresh)
}

/// JSON that a cache may keep but must ask about; where it has it already, without the bytes.
fn document(json: &Bytes, etag: &HeaderValue, fresh: bool) -> Response {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(ETAG, etag.clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let mut response = if fresh {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Response::new(Body::from(json.clone()))
    };
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{app, ask, ask_for, config, get, head};

    #[tokio::test]
    async fn a_config_is_the_frozen_bytes_with_digest_and_version() {
        let app = app();
        for path in ["/config/live/emea/billing", "/config/live/emea%2Fbilling", "/config/live/emea%2fbilling"] {
            let answer = ask_for(&app, path).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.body, config("emea/billing", 2));
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(answer.header("cache-control"), "no-cache");
            assert_eq!(answer.header("x-agent-version"), "v2");
            assert_eq!(answer.header("etag"), format!("\"{}\"", crate::domain::Digest::of(&answer.body)));
        }
    }

    #[tokio::test]
    async fn who_has_it_already_is_told_so_without_a_body() {
        let app = app();
        let etag = ask_for(&app, "/config/live/support").await.header("etag").to_owned();
        for held in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let request = get("/config/live/support").header("if-none-match", held).body(Body::empty()).unwrap();
            let answer = ask(&app, request).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0));
            assert_eq!(answer.header("etag"), etag);
            assert_eq!(answer.header("x-agent-version"), "v7");
        }
        // Another environment's version is not what the caller has.
        let request = get("/config/sandbox/support").header("if-none-match", &etag).body(Body::empty()).unwrap();
        assert_eq!(ask(&app, request).await.status, 200);
        let metrics = &app.live.metrics.config;
        assert_eq!((metrics.served.get(), metrics.not_modified.get()), (2, 4));
    }

    #[tokio::test]
    async fn head_says_what_get_would_without_the_bytes() {
        let request = http::Request::head("/config/live/support").header("host", "localhost");
        let answer = ask(&app(), request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!(answer.header("content-length"), config("support", 7).len().to_string());
        assert_eq!(answer.header("x-agent-version"), "v7");
    }

    #[tokio::test]
    async fn retired_is_gone_and_what_never_was_is_not_found() {
        let app = app();
        assert_eq!(ask_for(&app, "/config/live/old").await.problem(), (410, "retired".to_owned()));
        assert_eq!(ask_for(&app, "/config/live/nobody").await.problem(), (404, "not_served".to_owned()));
        assert_eq!(ask_for(&app, "/config/nowhere/support").await.problem(), (404, "no_such_environment".to_owned()));
        assert_eq!(ask_for(&app, "/config/nowhere").await.problem(), (404, "no_such_environment".to_owned()));
        let long = ask_for(&app, &format!("/config/live/{}", "%22a".repeat(500))).await;
        assert_eq!(long.problem(), (404, "not_served".to_owned()));
        assert!(long.body.len() < 1000);
    }

    #[tokio::test]
    async fn an_environment_lists_its_agents_and_who_left() {
        let app = app();
        let answer = ask_for(&app, "/config/live").await;
        let json = answer.json();
        assert_eq!(json["environment"], "live");
        assert_eq!(json["height"], 5);
        assert_eq!(json["head"], head(5).to_string());
        assert_eq!(json["agents"]["emea/billing"]["version"], 2);
        assert!(json["agents"]["support"]["digest"].as_str().unwrap().starts_with("sha256:"));
        assert_eq!(json["retired"], serde_json::json!(["old"]));
        let again = get("/config/live").header("if-none-match", answer.header("etag")).body(Body::empty()).unwrap();
        assert_eq!(ask(&app, again).await.status, 304);
    }
}
