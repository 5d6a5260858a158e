//! What a call came to: an answer with data, or a refusal with a problem. How either looks on the wire is the surface's.
//!
//! An answer may take long without working on the repository ([`Answer::later`]), or come bit by bit
//! ([`Answer::stream`]): neither keeps a turn while it waits.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::ops::{Kind, Problem};

/// What a call came to.
#[derive(Debug)]
pub struct Answer {
    pub(super) status: StatusCode,
    pub(super) data: Value,
    /// What identifies the state that `data` shows, quoted.
    pub(super) etag: Option<HeaderValue>,
    /// Whether something moved that is to be served before the answer goes out.
    pub(super) moved: bool,
    /// Whether that is served already.
    pub(super) served: bool,
    /// What the answer is in truth, once it is there.
    pub(super) later: Option<Later>,
    /// Server-sent events in place of `data`.
    pub(super) stream: Option<Body>,
}

/// An answer to come.
pub(super) struct Later(Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send>>);

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later(…)")
    }
}

impl Answer {
    /// 200 with `data`.
    pub(super) fn ok(data: &impl Serialize) -> Result<Self, Problem> {
        let data = serde_json::to_value(data).expect("results have string keys only");
        Ok(Answer { status: StatusCode::OK, data, etag: None, moved: false, served: false, later: None, stream: None })
    }

    /// What `answer` comes to. It is waited for when the call has given back its turn and its repository, so it may take
    /// long; it must not block.
    pub(super) fn later(answer: impl Future<Output = Result<Answer, Problem>> + Send + 'static) -> Self {
        let later = Some(Later(Box::pin(answer)));
        Answer {
            status: StatusCode::OK,
            data: Value::Null,
            etag: None,
            moved: false,
            served: false,
            later,
            stream: None,
        }
    }

    /// 200 with server-sent events, each with the blank line at its end. The reader's pace is the stream's.
    pub(super) fn stream(events: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        let stream = Some(Body::from_stream(events.map(Ok::<_, Infallible>)));
        Answer {
            status: StatusCode::OK,
            data: Value::Null,
            etag: None,
            moved: false,
            served: false,
            later: None,
            stream,
        }
    }

    /// Waits for what it is in truth.
    pub(super) async fn arrived(mut self) -> Result<Self, Problem> {
        match self.later.take() {
            Some(Later(answer)) => answer.await,
            None => Ok(self),
        }
    }

    /// The same with another status.
    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same, of something that was moved.
    pub(super) fn moved(mut self) -> Self {
        self.moved = true;
        self
    }

    /// The same with an entity tag.
    pub(super) fn etag(mut self, of: &impl std::fmt::Display) -> Self {
        self.etag = HeaderValue::from_str(&format!("\"{of}\"")).ok();
        self
    }
}

/// A problem on its way to the caller (RFC 9457): the code in `code`, at the end of `type`, and one sentence in
/// `detail`, because clients in the field look in either place; hint and facts beside them.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) problem: Box<Problem>,
    pub(super) header: Option<(HeaderName, &'static str)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>, hint: &str) -> Self {
        Refusal { status, problem: Box::new(Problem::refused(code, message).hint(hint)), header: None }
    }

    /// The same with a header.
    pub(super) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal { status: status(&problem), problem: Box::new(problem), header: None }
    }
}

/// The dictionary from codes to statuses. What is not in it is a conflict with the state of things: 409.
fn status(problem: &Problem) -> StatusCode {
    match problem.code.as_str() {
        "unknown_agent"
        | "unknown_version"
        | "unknown_environment"
        | "unknown_deployment"
        | "unknown_draft"
        | "unknown_commit"
        | "unknown_session"
        | "not_served"
        | "no_agents" => StatusCode::NOT_FOUND,
        "findings"
        | "misplaced"
        | "empty_folder"
        | "policy"
        | "idempotency_key_reused"
        | "empty_message"
        | "message_too_long"
        | "draft_or_environment" => StatusCode::UNPROCESSABLE_ENTITY,
        "forbidden" => StatusCode::FORBIDDEN,
        "remote_unreachable" | "push_refused" | "model_failed" => StatusCode::BAD_GATEWAY,
        "git_timeout" | "model_timeout" => StatusCode::GATEWAY_TIMEOUT,
        "locked" | "busy" => StatusCode::SERVICE_UNAVAILABLE,
        "io" | "git" | "git_program" | "corrupt" | "sandbox_unavailable" | "fault" => StatusCode::INTERNAL_SERVER_ERROR,
        _ if problem.kind == Kind::Usage => StatusCode::BAD_REQUEST,
        _ => StatusCode::CONFLICT,
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let header = self.header.clone();
        let mut response = json_response(self.status, "application/problem+json", &self.body());
        response.headers_mut().extend(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
        response
    }
}

impl Refusal {
    /// The problem as JSON.
    pub(super) fn body(self) -> Value {
        let Refusal { status, problem, .. } = self;
        let problem = *problem;
        let findings = problem.findings.as_deref().map(|findings| json!(findings));
        let mut body = json!({
            "type": format!("/problems/{}", problem.code),
            "title": status.canonical_reason().unwrap_or("Problem"),
            "status": status.as_u16(),
            "detail": problem.message,
            "code": problem.code,
            "success": false,
            "errors": findings.unwrap_or_else(|| json!([{ "message": problem.message }])),
        });
        let extra = [("hint", problem.hint.map(Value::String)), ("details", Some(problem.details))];
        for (key, value) in extra {
            if let Some(value) = value.filter(|value| !value.is_null()) {
                body[key] = value;
            }
        }
        body
    }
}

/// Server-sent events that nobody keeps.
pub(super) fn stream_response(events: Body) -> Response {
    let mut response = Response::new(events);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx as a proxy would hold events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// JSON that nobody keeps.
pub(super) fn json_response(status: StatusCode, kind: &'static str, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
