//! Errors as callers see them: `application/problem+json` (RFC 9457) with a stable code and something to do about it.
//!
//! The code stands in `code` and ends `type`, because clients in the field look in either place. Text that came with
//! the request is only ever put into JSON, which escapes it.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

/// Why a request was not answered with what it asked for.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    hint: Cow<'static, str>,
    header: Option<(HeaderName, &'static str)>,
}

#[derive(Serialize)]
struct Body9457<'p> {
    r#type: String,
    title: String,
    status: u16,
    detail: &'p str,
    code: &'static str,
    hint: &'p str,
}

impl Problem {
    /// `detail` is one sentence, `hint` something to type or to change.
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Problem { status, code, detail: detail.into(), hint: hint.into(), header: None }
    }

    pub(super) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>, hint: &'static str) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail, hint)
    }

    pub(super) fn no_such_environment(name: &str) -> Self {
        let detail = format!("there is no environment `{}`", shortened(name));
        Problem::new(StatusCode::NOT_FOUND, "no_such_environment", detail, "pointsman status lists them")
    }

    pub(super) fn not_served(environment: &str, agent: &str) -> Self {
        let detail = format!("`{}` is not served in `{environment}`", shortened(agent));
        let hint = format!("pointsman promote <agent> --to {environment}");
        Problem::new(StatusCode::NOT_FOUND, "not_served", detail, hint)
    }

    pub(super) fn retired(environment: &str, agent: &str) -> Self {
        let detail = format!("`{agent}` was retired from `{environment}`");
        let hint = format!("pointsman promote {agent} --to {environment}");
        Problem::new(StatusCode::GONE, "retired", detail, hint)
    }
}

/// As much of a stranger's text as an error repeats.
pub(super) fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(120)]
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem { status, code, detail, hint, header } = self;
        let mut title = code.replace('_', " ");
        title[..1].make_ascii_uppercase();
        let body = Body9457 {
            r#type: format!("/problems/{code}"),
            title,
            status: status.as_u16(),
            detail: &detail,
            code,
            hint: &hint,
        };
        let body = serde_json::to_vec(&body).expect("strings and numbers serialise");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
        response
    }
}
