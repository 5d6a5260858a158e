//! `POST /hooks/{forge}`: a forge says that something was pushed.
//!
//! Limited in size first, then verified in constant time, then not believed: what the body says is never read, because
//! a wake-up carries no facts. So nothing of it is kept either; it passes through the signature's hash as it arrives.
//! A webhook that is sent again only makes the loop look once more.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, StatusCode};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::App;
use super::access::hash;
use super::problem::Problem;
use crate::domain::object_id::from_hex;
use crate::live::Wake;
use crate::operator::{Hooks, Secret};

/// The largest webhook that is read, in bytes. GitHub sends up to 25 MB, but pushes with thousands of commits stay far
/// below this.
const LARGEST: u64 = 5 * 1024 * 1024;
/// How long a webhook may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// The keys of the forges that may wake the loop.
pub(super) struct HookKeys {
    github: Option<Hmac<Sha256>>,
    /// sha256 of the token.
    gitlab: Option<[u8; 32]>,
    gitea: Option<Hmac<Sha256>>,
}

/// What proves a webhook.
enum Proof {
    /// Its body's HMAC-SHA256, begun with the key, and what it is said to be.
    Signature(Hmac<Sha256>, [u8; 32]),
    /// The token that was shown, already compared.
    Token(bool),
}

impl HookKeys {
    pub(super) fn of(hooks: &Hooks) -> Self {
        let keyed = |secret: &Option<Secret>| {
            let secret = secret.as_ref()?;
            Some(Hmac::new_from_slice(secret.reveal().as_bytes()).expect("HMAC takes keys of any length"))
        };
        HookKeys {
            github: keyed(&hooks.github),
            gitlab: hooks.gitlab.as_ref().map(|token| hash(token.reveal().as_bytes())),
            gitea: keyed(&hooks.gitea),
        }
    }

    /// The forge that `path` names and the proof that `headers` offer for it; no forge if it has no secret here, no proof
    /// if none is offered.
    fn proof(&self, path: &str, headers: &HeaderMap) -> Option<(&'static str, Option<Proof>)> {
        let header = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
        let signed = |key: &Hmac<Sha256>, hex: Option<&[u8]>| {
            let claimed = from_hex(std::str::from_utf8(hex?).ok()?)?;
            Some(Proof::Signature(key.clone(), claimed))
        };
        match path {
            "/hooks/github" => {
                let key = self.github.as_ref()?;
                let hex = header("x-hub-signature-256").and_then(|value| value.strip_prefix(b"sha256="));
                Some(("github", signed(key, hex)))
            }
            "/hooks/gitlab" => {
                let token = self.gitlab.as_ref()?;
                let shown = header("x-gitlab-token").map(hash);
                Some(("gitlab", shown.map(|shown| Proof::Token(token.ct_eq(&shown).into()))))
            }
            "/hooks/gitea" => Some(("gitea", signed(self.gitea.as_ref()?, header("x-gitea-signature")))),
            _ => None,
        }
    }
}

/// `POST /hooks/{forge}`
pub(super) async fn hook(State(app): State<Arc<App>>, request: Request) -> Response {
    let found = app.access.load().hooks.proof(request.uri().path(), request.headers());
    let Some((forge, proof)) = found else {
        let detail = "no secret is set for webhooks of this name";
        let hint = "set hooks.github.secret, hooks.gitlab.secret or hooks.gitea.secret in the operator's file";
        return Problem::new(StatusCode::NOT_FOUND, "no_such_hook", detail, hint).into_response();
    };
    let (result, answer) = match verify(proof, request.into_body()).await {
        Ok(()) => {
            app.live.bell.ring(Wake::Webhook);
            ("accepted", StatusCode::ACCEPTED.into_response())
        }
        Err((result, problem)) => (result, problem.into_response()),
    };
    app.live.metrics.webhook(forge, result);
    answer
}

async fn verify(proof: Option<Proof>, body: Body) -> Result<(), (&'static str, Problem)> {
    if body.size_hint().lower() > LARGEST {
        return Err(too_large());
    }
    let Some(mut proof) = proof else { return Err(unproven()) };
    tokio::time::timeout(PATIENCE, read(&mut proof, body)).await.map_err(|_| {
        let detail = format!("the webhook did not arrive within {} seconds", PATIENCE.as_secs());
        ("timeout", Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail, "send it again"))
    })??;
    let proven = match proof {
        Proof::Signature(mac, claimed) => mac.verify_slice(&claimed).is_ok(),
        Proof::Token(same) => same,
    };
    if proven { Ok(()) } else { Err(unproven()) }
}

async fn read(proof: &mut Proof, body: Body) -> Result<(), (&'static str, Problem)> {
    let mut chunks = body.into_data_stream();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        let broken = |_| ("broken", Problem::bad_request("the webhook broke off", "send it again"));
        let chunk = chunk.map_err(broken)?;
        length += chunk.len() as u64;
        if length > LARGEST {
            return Err(too_large());
        }
        if let Proof::Signature(mac, _) = proof {
            mac.update(&chunk);
        }
    }
    Ok(())
}

fn too_large() -> (&'static str, Problem) {
    let detail = format!("a webhook may have {} MiB at most", LARGEST / 1024 / 1024);
    let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail, "send push events only");
    ("too_large", problem)
}

fn unproven() -> (&'static str, Problem) {
    let detail = "the webhook is not signed with the secret";
    let hint = "set the same secret at the forge and in the operator's file";
    ("unproven", Problem::new(StatusCode::UNAUTHORIZED, "bad_signature", detail, hint))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use http::Request;

    use super::*;
    use crate::domain::object_id::to_hex;
    use crate::http::testing::{Answered, SECRET, app, app_with, ask, guarded};
    use crate::live::Woken;

    fn signature(body: &[u8], secret: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        to_hex(&mac.finalize().into_bytes())
    }

    async fn post(app: &Arc<App>, path: &str, header: Option<(&str, String)>, body: impl Into<Body>) -> Answered {
        let mut request = Request::post(path);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        ask(app, request.body(body.into()).unwrap()).await
    }

    fn woken(app: &App) -> Woken {
        app.live.bell.wait(Instant::now())
    }

    #[tokio::test]
    async fn a_proven_webhook_of_each_forge_wakes_the_loop() {
        let app = app_with(&guarded());
        let body: &[u8] = br#"{"ref":"refs/tags/support/v8"}"#;
        for (path, header, proof) in [
            ("/hooks/github", "X-Hub-Signature-256", format!("sha256={}", signature(body, SECRET))),
            ("/hooks/gitea", "X-Gitea-Signature", signature(body, SECRET)),
            ("/hooks/gitlab", "X-Gitlab-Token", SECRET.to_owned()),
        ] {
            let answer = post(&app, path, Some((header, proof)), body).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (202, 0), "{path}");
            assert_eq!(woken(&app), Woken::Rung(Wake::Webhook), "{path}");
        }
    }

    /// The example of GitHub's own documentation, "Validating webhook deliveries".
    #[tokio::test]
    async fn github_s_own_example_is_accepted() {
        let mut settings = guarded();
        settings.hooks.github = Some(Secret::new("It's a Secret to Everybody"));
        let proof = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let header = Some(("X-Hub-Signature-256", proof.to_owned()));
        let answer = post(&app_with(&settings), "/hooks/github", header, "Hello, World!").await;
        assert_eq!(answer.status, 202);
    }

    #[tokio::test]
    async fn an_unproven_webhook_wakes_nobody() {
        let app = app_with(&guarded());
        let body: &[u8] = b"{}";
        let right = signature(body, SECRET);
        for (path, header) in [
            ("/hooks/github", None),
            ("/hooks/github", Some(("X-Hub-Signature-256", right.clone()))),
            ("/hooks/github", Some(("X-Hub-Signature-256", "sha256=".to_owned()))),
            ("/hooks/github", Some(("X-Hub-Signature-256", format!("sha256={}", &right[..62])))),
            ("/hooks/github", Some(("X-Hub-Signature-256", format!("sha256={}", signature(b"{ }", SECRET))))),
            ("/hooks/github", Some(("X-Hub-Signature-256", format!("sha256={}", signature(body, "wrong"))))),
            ("/hooks/github", Some(("X-Gitea-Signature", right.clone()))),
            ("/hooks/gitea", Some(("X-Gitea-Signature", format!("{right}00")))),
            ("/hooks/gitlab", Some(("X-Gitlab-Token", String::new()))),
            ("/hooks/gitlab", Some(("X-Gitlab-Token", format!("{SECRET}x")))),
            ("/hooks/gitlab", None),
        ] {
            let answer = post(&app, path, header.clone(), body).await;
            assert_eq!(answer.problem(), (401, "bad_signature".to_owned()), "{path} {header:?}");
        }
        assert_eq!(woken(&app), Woken::TimedOut);
    }

    #[tokio::test]
    async fn too_much_is_refused_before_anything_is_verified() {
        let app = app_with(&guarded());
        let said = post(&app, "/hooks/github", None, vec![b' '; 5 * 1024 * 1024 + 1]).await;
        assert_eq!(said.problem(), (413, "too_large".to_owned()));
        // Without a length that is known beforehand, reading stops at the limit.
        let endless = futures_util::stream::repeat_with(|| Ok::<_, std::convert::Infallible>(vec![b' '; 64 * 1024]));
        let header = Some(("X-Hub-Signature-256", format!("sha256={}", "0".repeat(64))));
        let streamed = post(&app, "/hooks/github", header, Body::from_stream(endless)).await;
        assert_eq!(streamed.problem(), (413, "too_large".to_owned()));
        let full = vec![b' '; 5 * 1024 * 1024];
        let header = Some(("X-Hub-Signature-256", format!("sha256={}", signature(&full, SECRET))));
        assert_eq!(post(&app, "/hooks/github", header, full).await.status, 202);
    }

    #[tokio::test]
    async fn a_forge_without_a_secret_is_not_there() {
        for (app, path) in [(app(), "/hooks/github"), (app_with(&guarded()), "/hooks/bitbucket")] {
            assert_eq!(post(&app, path, None, "{}").await.problem(), (404, "no_such_hook".to_owned()), "{path}");
        }
    }
}
