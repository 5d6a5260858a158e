//! The surface of its own, under `/api/v1`: `{success, data}` where a call did what it was asked, a problem (RFC 9457)
//! where it did not. One route speaks OpenAI's protocol instead.

mod agents;
mod chat;
mod completions;
mod deployments;
mod environments;
mod page;
mod routes;
mod usage;
mod versions;
pub mod wire;

use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::{AUTHORIZATION, ETAG};
use serde_json::json;

use super::answer::{Answer, Refusal, json_response};
use super::call::{Asked, Call};
use super::surface::Surface;
use crate::domain::AgentId;
use crate::ops::Problem;

/// `/api/v1`.
pub static SURFACE: Surface = Surface {
    name: "native",
    prefix: "/api/v1",
    routes: routes::ROUTES,
    token: bearer,
    hint: "send the header `Authorization: Bearer pm_sk_…`; pointsman token create makes one",
    agent,
    accept,
    refuse,
};

/// The token of the header that RFC 6750 says.
pub(super) fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case("bearer ").then(|| token.trim().to_owned())
}

fn agent(call: &Call) -> Result<Option<AgentId>, Problem> {
    call.path.contains_key("agent").then(|| call.agent()).transpose()
}

fn accept(answer: Answer, asked: &Asked) -> Response {
    if completions::speaks(asked) {
        return json_response(answer.status, "application/json", &answer.data);
    }
    let Answer { status, data, etag, .. } = answer;
    let mut response = json_response(status, "application/json", &json!({ "success": true, "data": data }));
    response.headers_mut().extend(etag.map(|etag| (ETAG, etag)));
    response
}

fn refuse(refusal: Refusal, asked: &Asked) -> Response {
    if completions::speaks(asked) {
        return completions::refuse(refusal);
    }
    refusal.into_response()
}
