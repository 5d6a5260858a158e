//! Snapshots made by hand, and requests to the router, for the tests of this folder.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::App;
use crate::domain::{Digest, ObjectId, VersionNumber};
use crate::live::{Environment, Live, Routes, Served, ServedVersion, Snapshot};
use crate::operator::{Secret, Settings};

pub(super) const TOKEN: &str = "0123456789abcdef-read";
pub(super) const SECRET: &str = "0123456789abcdef-hook";

/// One environment as a test writes it.
pub(super) struct Place<'t> {
    pub(super) name: &'t str,
    pub(super) height: u64,
    pub(super) agents: &'t [(&'t str, u32)],
    pub(super) retired: &'t [&'t str],
    pub(super) routes: &'t str,
}

impl Default for Place<'_> {
    fn default() -> Self {
        Place { name: "live", height: 1, agents: &[], retired: &[], routes: "{}" }
    }
}

pub(super) fn config(agent: &str, version: u32) -> Bytes {
    Bytes::from(format!("{{\"agent\":\"{agent}\",\"number\":{version}}}"))
}

fn served(agent: &str, version: u32) -> Served {
    let config = config(agent, version);
    let digest = Digest::of(&config);
    let number = VersionNumber::new(version).unwrap();
    Served {
        agent: agent.parse().unwrap(),
        version: ServedVersion::Number(number),
        digest,
        entry: digest.hex()[..40].parse().unwrap(),
        record: Bytes::from_static(b"{}"),
        etag: HeaderValue::from_str(&format!("\"{digest}\"")).unwrap(),
        version_header: HeaderValue::from_str(&number.to_string()).unwrap(),
        config,
    }
}

/// The head of an environment at `height`.
pub(super) fn head(height: u64) -> ObjectId {
    format!("{height:040x}").parse().unwrap()
}

pub(super) fn snapshot(places: &[Place]) -> Snapshot {
    let environments = places.iter().map(|place| {
        let name: crate::domain::EnvironmentName = place.name.parse().unwrap();
        let environment = Environment {
            name: name.clone(),
            head: head(place.height),
            height: place.height,
            agents: place.agents.iter().map(|(id, n)| (id.parse().unwrap(), Arc::new(served(id, *n)))).collect(),
            retired: place.retired.iter().map(|agent| agent.parse().unwrap()).collect(),
            routes: Routes::parse(place.routes.as_bytes()).unwrap(),
        };
        (name, Arc::new(environment))
    });
    Snapshot { environments: environments.collect(), ..Snapshot::default() }
}

/// What most tests serve.
pub(super) fn usual() -> Snapshot {
    snapshot(&[
        Place {
            height: 5,
            agents: &[("support", 7), ("emea/billing", 2)],
            retired: &["old"],
            routes: r#"{"+4420":[{"agent":"support","match":{},"set":{"X-Queue":"all"}},
                {"agent":"emea/billing","match":{"X-Tier":"gold"},"set":{}}],
                "+4421":[{"agent":"old","match":{},"set":{}}],
                "+4422":[{"agent":"support","match":{"X-Tier":"gold"},"set":{}}]}"#,
            ..Place::default()
        },
        Place { name: "sandbox", height: 9, agents: &[("support", 8)], ..Place::default() },
    ])
}

pub(super) fn guarded() -> Settings {
    let mut settings = Settings::default();
    settings.read_tokens.insert("voice".to_owned(), Secret::new(TOKEN));
    settings.hooks.github = Some(Secret::new(SECRET));
    settings.hooks.gitlab = Some(Secret::new(SECRET));
    settings.hooks.gitea = Some(Secret::new(SECRET));
    settings
}

pub(super) fn app_with(settings: &Settings) -> Arc<App> {
    let live = Live::new(jiff::Timestamp::UNIX_EPOCH);
    live.publish(usual());
    App::new(Arc::new(live), settings).unwrap()
}

/// An app without tokens.
pub(super) fn app() -> Arc<App> {
    app_with(&Settings::default())
}

pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answered {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of the problem that this is; a test fails where it is none.
    #[track_caller]
    pub(super) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        let code = json["code"].as_str().unwrap().to_owned();
        assert!(json["type"].as_str().unwrap().ends_with(&code));
        for member in ["title", "detail", "hint"] {
            assert!(json[member].as_str().is_some_and(|text| !text.is_empty()), "{json} has no {member}");
        }
        (self.status.as_u16(), code)
    }
}

/// A request for `path` as somebody on this machine makes it.
pub(super) fn get(path: &str) -> http::request::Builder {
    Request::get(path).header("host", "localhost:7117")
}

pub(super) async fn ask(app: &Arc<App>, request: Request<Body>) -> Answered {
    let response = super::router(Arc::clone(app), axum::Router::new()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answered { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

pub(super) async fn ask_for(app: &Arc<App>, path: &str) -> Answered {
    ask(app, get(path).body(Body::empty()).unwrap()).await
}
