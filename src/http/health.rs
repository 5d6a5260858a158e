//! How the process is doing: alive, ready, and in numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

use super::App;
use super::problem::Problem;
use crate::domain::{EnvironmentName, ObjectId};
use crate::live::{Delivery, Status, metrics};

/// `GET /healthz`
pub(super) async fn healthz() -> Response {
    ([(CACHE_CONTROL, "no-store")], "ok\n").into_response()
}

/// `GET /readyz`. Anybody may ask, so a failure's own words stay out of the answer.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    if app.live.status().ready {
        return ([(CACHE_CONTROL, "no-store")], "ready\n").into_response();
    }
    let detail = if app.live.status().last_pass.is_some() {
        "what is served could not be read yet"
    } else {
        "the first pass has not ended"
    };
    let hint = "look at GET /status or the log";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail, hint).into_response()
}

/// How the controller is doing.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ControllerReport")]
pub(super) struct Report<'s> {
    #[serde(flatten)]
    status: &'s Status,
    environments: BTreeMap<&'s EnvironmentName, Place>,
    /// How each environment at each target is doing.
    deliveries: Vec<Delivery>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EnvironmentReport")]
struct Place {
    height: u64,
    head: ObjectId,
    agents: usize,
    /// How long ago it was known to be what refs say.
    staleness_seconds: f64,
}

/// `GET /status`
pub(super) async fn status(State(app): State<Arc<App>>) -> Response {
    let (snapshot, status) = (app.live.snapshot(), app.live.status());
    let now = jiff::Timestamp::now();
    let environments = snapshot.environments.iter().map(|(name, environment)| {
        let agents = environment.agents.len();
        let staleness_seconds = status.staleness(name, now).as_secs_f64();
        (name, Place { height: environment.height, head: environment.head, agents, staleness_seconds })
    });
    let deliveries = app.live.deliveries.all();
    let report = Report { status: &status, environments: environments.collect(), deliveries };
    ([(CACHE_CONTROL, "no-store")], Json(report)).into_response()
}

/// `GET /metrics`
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let (status, snapshot, deliveries) = (app.live.status(), app.live.snapshot(), app.live.deliveries.all());
    let text = app.live.metrics.render(&status, &snapshot, &deliveries, jiff::Timestamp::now());
    ([(CONTENT_TYPE, metrics::MEDIA_TYPE), (CACHE_CONTROL, "no-store")], text).into_response()
}

#[cfg(test)]
mod tests {
    use crate::http::testing::{app, app_with, ask_for, guarded};
    use crate::live::Failure;

    #[tokio::test]
    async fn ready_once_something_was_read_and_alive_before() {
        let app = app();
        assert_eq!(ask_for(&app, "/healthz").await.status, 200);
        assert_eq!(ask_for(&app, "/readyz").await.problem(), (503, "not_ready".to_owned()));
        let mut status = (*app.live.status()).clone();
        status.ready = true;
        app.live.set_status(status);
        assert_eq!(ask_for(&app, "/readyz").await.status, 200);
    }

    #[tokio::test]
    async fn status_and_metrics_name_each_environment_and_how_stale_it_is() {
        let app = app();
        let mut status = (*app.live.status()).clone();
        status.confirmed = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_secs(100));
        app.live.set_status(status);
        let json = ask_for(&app, "/status").await.json();
        assert_eq!(json["environments"]["live"]["agents"], 2);
        assert_eq!(json["environments"]["sandbox"]["height"], 9);
        assert!(json["environments"]["live"]["stalenessSeconds"].as_f64().unwrap() >= 100.0);
        let metrics = ask_for(&app, "/metrics").await;
        assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
        let text = String::from_utf8(metrics.body.to_vec()).unwrap();
        assert!(text.contains("pointsman_height{environment=\"sandbox\"} 9"), "{text}");
        assert!(text.contains("pointsman_staleness_seconds{environment=\"live\"} 100."), "{text}");
    }

    #[tokio::test]
    async fn status_and_metrics_say_how_each_target_is_doing() {
        let app = app();
        assert_eq!(ask_for(&app, "/status").await.json()["deliveries"], serde_json::json!([]));
        let mut delivery = app.live.deliveries.begin("edge".to_owned(), "directory", "live".parse().unwrap());
        delivery.wanted = Some(5);
        delivery.failed = 4;
        delivery.failure = Some(Failure { message: "the disk is full".to_owned(), hint: None });
        app.live.deliveries.set(delivery);
        let told = &ask_for(&app, "/status").await.json()["deliveries"][0];
        assert_eq!((&told["target"], &told["environment"]), (&"edge".into(), &"live".into()));
        assert_eq!((&told["wanted"], &told["deadLetters"]), (&5.into(), &0.into()));
        assert_eq!(told["failure"]["message"], "the disk is full");
        let text = String::from_utf8(ask_for(&app, "/metrics").await.body.to_vec()).unwrap();
        let line = "pointsman_target_deliveries_total{target=\"edge\",environment=\"live\",result=\"failed\"} 4";
        assert!(text.lines().any(|found| found == line), "{text}");
    }

    #[tokio::test]
    async fn no_secret_is_in_anything_that_is_told() {
        use crate::http::testing::{SECRET, TOKEN, ask, get};
        let app = app_with(&guarded());
        for path in ["/status", "/metrics", "/config/live", "/readyz", "/nothing"] {
            let request = get(path).header("authorization", format!("Bearer {TOKEN}"));
            let answer = ask(&app, request.body(axum::body::Body::empty()).unwrap()).await;
            let told = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
            assert!(!told.contains(TOKEN) && !told.contains(SECRET), "{path}");
        }
    }
}
