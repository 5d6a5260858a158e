//! All routes.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use http::{StatusCode, Uri};

use super::access::Gate;
use super::problem::{Problem, shortened};
use super::{App, config, events, health, hooks, resolve, watch};

/// What the controller answers; `more` are routes that let in whom they like.
pub fn router(app: Arc<App>, more: Router) -> Router {
    Router::new()
        // What is served to calls and chats.
        .route("/config/{environment}", get(config::all))
        .route("/config/{environment}/{*agent}", get(config::one))
        .route("/watch/{environment}", get(watch::watch))
        .route("/watch/{environment}/{*agent}", get(watch::watch))
        .route("/resolve", get(resolve::resolve))
        // How the controller is doing.
        .route("/events", get(events::events))
        .route("/status", get(health::status))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        // Forges that say "look again".
        .route("/hooks/{forge}", post(hooks::hook))
        .fallback(nothing_there)
        .method_not_allowed_fallback(wrong_method)
        .layer(Gate(Arc::clone(&app)))
        .with_state(app)
        .merge(more)
}

async fn nothing_there(uri: Uri) -> Problem {
    let detail = format!("there is nothing at `{}`", shortened(uri.path()));
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail, "ask for /config/<environment>/<agent>")
}

async fn wrong_method(uri: Uri) -> Problem {
    let hint = if uri.path().starts_with("/hooks/") { "use POST" } else { "use GET" };
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this route has other methods", hint)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;

    use crate::http::testing::{app, ask, ask_for, get};

    #[tokio::test]
    async fn every_refusal_is_a_problem() {
        let app = app();
        for (path, status, code) in [
            ("/", 404, "not_found"),
            ("/config", 404, "not_found"),
            ("/config/", 404, "not_found"),
            ("/config/live/", 404, "not_found"),
            ("//config/live", 404, "not_found"),
            ("/config/live/..%2f..%2fetc", 404, "not_served"),
            ("/config/live/%zz", 400, "bad_request"),
            ("/config/%ff", 400, "bad_request"),
            ("/watch/live/%", 400, "bad_request"),
            ("/watch/nowhere", 404, "no_such_environment"),
            ("/watch/live/nobody", 404, "not_served"),
            ("/hooks/github", 405, "method_not_allowed"),
            ("/resolve", 400, "bad_request"),
            ("/readyz", 503, "not_ready"),
        ] {
            assert_eq!(ask_for(&app, path).await.problem(), (status, code.to_owned()), "{path}");
        }
        let long = format!("/config/live/{}", "a".repeat(9000));
        assert_eq!(ask_for(&app, &long).await.problem(), (414, "uri_too_long".to_owned()));
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let request = Request::builder().method(method).uri("/config/live/support").header("host", "localhost");
            let answer = ask(&app, request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()), "{method}");
            assert_eq!(answer.header("allow"), "GET,HEAD", "{method}");
        }
        let escaped = ask(&app, get("/x%22%3Cscript%3E").body(Body::empty()).unwrap()).await;
        assert_eq!(escaped.problem().0, 404);
    }
}
