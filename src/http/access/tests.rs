//! Who gets in, and what the others are told.

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
    for own in
        ["localhost", "LOCALHOST:7117", "a.localhost", "127.0.0.1", "127.8.0.1:1", "[::1]", "[::1]:7117", "localhost."]
    {
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
